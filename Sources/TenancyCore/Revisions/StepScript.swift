/// The statements of one revision in one direction.
package struct StepScript: Sendable, Equatable {
    /// Consecutive statements that run the same way.
    package struct Batch: Sendable, Equatable {
        package let statements: [SQLStatement]
        /// Whether they commit together; otherwise each statement runs and commits by itself.
        package let isTransactional: Bool

        package init(statements: [SQLStatement], isTransactional: Bool) {
            self.statements = statements
            self.isTransactional = isTransactional
        }
    }

    /// In the order in which they run: one for a SQL file, several for an Alembic revision with
    /// `autocommit_block`.
    package let batches: [Batch]
    /// What runs instead where a target has no schema of its own; `nil` for the same batches.
    package let batchesWithoutSchema: [Batch]?
    /// Whether statements have a placeholder for the tenant's schema.
    package let namesSchema: Bool
    /// The statements of all batches.
    package let statements: [SQLStatement]
    /// Whether the statements and the version row can commit together.
    package let isTransactional: Bool
    /// Whether a statement may make an object without a lock on its schema.
    package let leavesSchemaUnlocked: Bool

    package init(batches: [Batch], withoutSchema: [Batch]? = nil) {
        self.init(
            batches: batches, withoutSchema: withoutSchema,
            leavesSchemaUnlocked: (batches + (withoutSchema ?? [])).contains {
                $0.statements.contains { StatementWords($0.text).leavesSchemaUnlocked }
            })
    }

    /// The script with other batches of the same kind.
    func with(_ batches: [Batch], withoutSchema: [Batch]? = nil) -> StepScript {
        StepScript(
            batches: batches, withoutSchema: withoutSchema,
            leavesSchemaUnlocked: leavesSchemaUnlocked)
    }

    private init(batches: [Batch], withoutSchema: [Batch]?, leavesSchemaUnlocked: Bool) {
        self.batches = batches
        self.leavesSchemaUnlocked = leavesSchemaUnlocked
        batchesWithoutSchema = withoutSchema
        namesSchema = batches.contains { $0.statements.contains(where: SchemaPlaceholder.isIn) }
        statements = batches.flatMap(\.statements)
        isTransactional = batches.allSatisfy { $0.isTransactional || $0.statements.isEmpty }
    }

    /// Whether nothing can run where a target has no schema of its own.
    package var needsSchema: Bool { namesSchema && batchesWithoutSchema == nil }

    /// One batch; not transactional when the file says `transaction: off`, or holds a statement
    ///   that PostgreSQL refuses in a transaction block.
    package init(statements: [SQLStatement], isTransactional: Bool = true) {
        self.init(
            batches: [Batch(statements: statements, isTransactional: isTransactional)])
    }
}

/// One transaction, or one non-transactional statement, of a step that cannot commit together with its
/// version row.
///
/// Everything before a unit is durable when it starts, so an interrupted step resumes with the unit
/// that was running.
package enum StepUnit: Equatable, Sendable {
    /// Statements that commit together, by their places in the script.
    case transaction(Range<Int>)
    /// A statement that PostgreSQL refuses in a transaction block.
    case nonTransactional(Int, NonTransactionalStatement)

    /// The first statement's place in the script.
    package var first: Int {
        switch self {
        case .transaction(let range): range.lowerBound
        case .nonTransactional(let index, _): index
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
                    StatementTrait.isNonTransactional($0, serverVersion: serverVersion)
                })
    }

    /// The script as units. A statement that can run in a transaction gets one even where the author
    /// wants none, so that its outcome can be looked up after a crash.
    package func units(serverVersion: Int) -> [StepUnit] {
        var units: [StepUnit] = []
        var index = 0
        for batch in batches {
            var start = index
            for statement in batch.statements {
                defer { index += 1 }
                var command = NonTransactionalStatement(of: statement, serverVersion: serverVersion)
                if command == nil && batch.isTransactional { continue }
                if command == nil, StatementWords(statement.text).mayCommit { command = .opaque }
                if start < index { units.append(.transaction(start..<index)) }
                units.append(
                    command.map { .nonTransactional(index, $0) } ?? .transaction(index..<index + 1))
                start = index + 1
            }
            if start < index { units.append(.transaction(start..<index)) }
        }
        return units
    }
}
