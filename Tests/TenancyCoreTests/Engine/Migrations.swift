@testable import Engine
@testable import JobModel
@testable import Revisions

/// One revision out of SQL texts; without a text it has no such section.
func revision(
    _ id: String, after parents: [String] = [], up: String? = "", down: String? = ""
) throws -> Revision {
    func script(_ text: String?) throws -> StepScript? {
        try text.map { StepScript(statements: try SQLSplitter.split($0)) }
    }
    return Revision(
        id: id, downRevisions: parents, upgrade: try script(up), downgrade: try script(down),
        file: "\(id).sql")
}

/// A revision each of whose statements runs on its own, as with `transaction: off`.
func loose(
    _ id: String, after parents: [String] = [], up: String, down: String = ""
) throws -> Revision {
    func script(_ text: String) throws -> StepScript {
        StepScript(statements: try SQLSplitter.split(text), isTransactional: false)
    }
    return Revision(
        id: id, downRevisions: parents, upgrade: try script(up), downgrade: try script(down),
        file: "\(id).sql")
}

/// Three tables, one a revision: `r1`, `r2`, `r3`.
func threeTables() throws -> RevisionGraph {
    try RevisionGraph([
        revision("r1", up: "CREATE TABLE t1 (id int PRIMARY KEY)", down: "DROP TABLE t1"),
        revision(
            "r2", after: ["r1"],
            up: "CREATE TABLE t2 (id int); -- two\nINSERT INTO t2 SELECT 1 -- one row",
            down: "DROP TABLE t2"),
        revision("r3", after: ["r2"], up: "CREATE TABLE t3 (id int)", down: "DROP TABLE t3"),
    ])
}

func task(
    _ operation: JobOperation, _ target: String, _ graph: RevisionGraph, dryRun: DryRun = .none,
    createMissingSchemas: Bool = false
) -> TargetTask {
    TargetTask(
        operation: operation, target: target, graph: graph, dryRun: dryRun,
        createMissingSchemas: createMissingSchemas)
}
