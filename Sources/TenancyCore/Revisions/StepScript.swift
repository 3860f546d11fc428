/// The statements of one revision in one direction.
package struct StepScript: Sendable, Equatable {
    /// Neighbouring statements that run in the same way.
    package struct Passage: Sendable, Equatable {
        package let statements: [SQLStatement]
        /// Whether they commit together; else every statement runs and commits on its own.
        package let isTransactional: Bool

        package init(statements: [SQLStatement], isTransactional: Bool) {
            self.statements = statements
            self.isTransactional = isTransactional
        }
    }

    /// In the order in which they run: one for a SQL file, several for an Alembic revision with
    /// `autocommit_block`.
    package let passages: [Passage]
    /// What runs instead where a target has no schema of its own; `nil` for the same passages.
    package let passagesWithoutSchema: [Passage]?
    /// Whether statements hold a place for the tenant's schema.
    package let namesSchema: Bool
    /// The statements of all passages.
    package let statements: [SQLStatement]
    /// Whether the statements and the version row can commit together.
    package let isTransactional: Bool
    /// Whether a statement may make an object without a lock on its schema.
    package let leavesSchemaUnlocked: Bool

    package init(passages: [Passage], withoutSchema: [Passage]? = nil) {
        self.init(
            passages: passages, withoutSchema: withoutSchema,
            leavesSchemaUnlocked: (passages + (withoutSchema ?? [])).contains {
                $0.statements.contains { StatementWords($0.text).leavesSchemaUnlocked }
            })
    }

    /// The script with other passages of the same kind.
    func with(_ passages: [Passage], withoutSchema: [Passage]? = nil) -> StepScript {
        StepScript(
            passages: passages, withoutSchema: withoutSchema,
            leavesSchemaUnlocked: leavesSchemaUnlocked)
    }

    private init(passages: [Passage], withoutSchema: [Passage]?, leavesSchemaUnlocked: Bool) {
        self.passages = passages
        self.leavesSchemaUnlocked = leavesSchemaUnlocked
        passagesWithoutSchema = withoutSchema
        namesSchema = passages.contains { $0.statements.contains(where: SchemaPlace.isIn) }
        statements = passages.flatMap(\.statements)
        isTransactional = passages.allSatisfy { $0.isTransactional || $0.statements.isEmpty }
    }

    /// Whether nothing can run where a target has no schema of its own.
    package var needsSchema: Bool { namesSchema && passagesWithoutSchema == nil }

    /// One passage; not transactional when the file says `transaction: off`, or holds a statement
    ///   that PostgreSQL refuses in a transaction block.
    package init(statements: [SQLStatement], isTransactional: Bool = true) {
        self.init(
            passages: [Passage(statements: statements, isTransactional: isTransactional)])
    }
}

/// What one transaction or one statement outside of any does on the way through a step whose
/// statements and version row cannot commit together.
///
/// Between two units everything before is durable, so a step that was interrupted goes on with the
/// unit that was under way.
package enum StepUnit: Equatable, Sendable {
    /// Statements that commit together, by their places in the script.
    case transaction(Range<Int>)
    /// A statement that runs outside a transaction block.
    case alone(Int, OutsideCommand)

    /// The first statement's place in the script.
    package var first: Int {
        switch self {
        case .transaction(let range): range.lowerBound
        case .alone(let index, _): index
        }
    }
}

extension StepScript {
    /// Whether the script commits together with its version row on a server of that version, as
    /// libpq counts versions.
    package func isTransactional(serverVersion: Int) -> Bool {
        // What newer servers refuse was found when the script was read.
        isTransactional
            && (serverVersion >= StatementTrait.firstWithAddValueInside
                || !statements.contains {
                    StatementTrait.isOutside($0, serverVersion: serverVersion)
                })
    }

    /// The script as units. A statement that a transaction can hold gets one of its own even where
    /// the author wants none: so its outcome can be asked for after a crash.
    package func units(serverVersion: Int) -> [StepUnit] {
        var units: [StepUnit] = []
        var index = 0
        for passage in passages {
            var start = index
            for statement in passage.statements {
                defer { index += 1 }
                var command = OutsideCommand(of: statement, serverVersion: serverVersion)
                if command == nil && passage.isTransactional { continue }
                if command == nil, StatementWords(statement.text).mayCommit { command = .opaque }
                if start < index { units.append(.transaction(start..<index)) }
                units.append(command.map { .alone(index, $0) } ?? .transaction(index..<index + 1))
                start = index + 1
            }
            if start < index { units.append(.transaction(start..<index)) }
        }
        return units
    }
}
