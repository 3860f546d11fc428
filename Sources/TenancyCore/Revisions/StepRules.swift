extension StepScript {
    /// Something in a section that its author should see.
    package enum Finding: Equatable {
        case problem(line: Int, code: String, message: String)
        case warning(line: Int, message: String)
    }

    /// Judges the statements of a section; `wanted` is false where the file says
    /// `transaction: off`.
    package static func judge(
        _ statements: [SQLStatement], isTransactional wanted: Bool
    ) -> (script: StepScript, findings: [Finding]) {
        let traits = statements.map(StatementTrait.init(of:))
        let isTransactional = wanted && !traits.contains { $0?.isNonTransactional == true }
        var findings: [Finding] = []
        for (statement, trait) in zip(statements, traits) {
            guard let trait else { continue }
            let finding = trait.finding(
                line: statement.line, isTransactional: isTransactional, wanted: wanted)
            if let finding { findings.append(finding) }
        }
        return (StepScript(statements: statements, isTransactional: isTransactional), findings)
    }
}

extension StatementTrait {
    fileprivate var isNonTransactional: Bool {
        if case .outsideTransaction = self { true } else { false }
    }

    fileprivate func finding(
        line: Int, isTransactional: Bool, wanted: Bool
    ) -> StepScript.Finding? {
        switch self {
        case .outsideTransaction(let command):
            guard wanted else { return nil }
            return .warning(
                line: line,
                message: "\(command) cannot run in a transaction, so every statement of this "
                    + "section runs on its own; say 'transaction: off' in the header, and keep "
                    + "the section to this statement")
        case .transactionControl(let command):
            return .problem(
                line: line, code: "transaction_control",
                message: wanted
                    ? "\(command) is not for a migration: a step commits together with its version "
                        + "row; remove it, or say 'transaction: off' in the header if the "
                        + "statements must run one by one"
                    : "\(command) is not for a migration: with 'transaction: off' every statement "
                        + "runs and commits on its own; remove it")
        case .lexicalSetting(let setting):
            return .problem(
                line: line, code: "session_setting",
                message: "\(setting) changes how the statements after it are read; remove it and "
                    + "write backslash escapes as E'...'")
        case .sessionSetting(let setting):
            // Outside a transaction SET LOCAL has no effect, so other settings are let through.
            guard isTransactional || Self.placement.contains(setting) else { return nil }
            let advice =
                Self.placement.contains(setting)
                ? "remove it, the daemon decides where a step runs"
                : "write SET LOCAL, which ends with the transaction"
            return .problem(
                line: line, code: "session_setting",
                message: "a session's \(setting) would stay set for the tenants that use the "
                    + "connection next; \(advice)")
        case .lastingTemporaryTable:
            return .warning(
                line: line,
                message: "this temporary table stays on the connection and is in the way of the "
                    + "next tenant; add ON COMMIT DROP, or drop it")
        }
    }

    /// Settings that decide whose schema and rights a step works with.
    private static let placement: Set<String> = [
        "search_path", "role", "session authorization", "all",
    ]
}
