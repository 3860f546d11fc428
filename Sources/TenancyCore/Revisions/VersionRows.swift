/// The rows of a version table while a plan is made: what each step does to them
/// (`alembic.runtime.migration.HeadMaintainer`).
struct VersionRows {
    private let graph: RevisionGraph
    /// In the order in which they were read; a changed row keeps its place, a new one comes last.
    private(set) var rows: [String]

    init(graph: RevisionGraph, rows: [String]) {
        self.graph = graph
        self.rows = rows
    }

    /// An upgrade to a revision: it takes the place of the rows that it builds on.
    mutating func moveUp(_ node: Int) throws(RevisionError) -> PlannedStep {
        let revision = graph.id(node)
        let below = graph.nodes[node].requirements.map(graph.id)
        let present = below.filter(rows.contains)
        if present.isEmpty {
            return try change(revision, .up, insert: [revision])
        }
        if below.count == 1 || present.count == 1 {
            return try change(
                revision, .up, update: VersionUpdate(from: present[0], to: revision))
        }
        let others = rows.filter { !below.contains($0) }
        let replaced = try withoutAncestors(below, of: others)
        guard let last = replaced.last else { throw .rowsUnclear(revision: revision) }
        return try change(
            revision, .up, delete: replaced.dropLast(),
            update: VersionUpdate(from: last, to: revision))
    }

    /// A downgrade of a revision: the rows that it stood for come back, unless others still imply
    /// them.
    mutating func moveDown(_ node: Int) throws(RevisionError) -> PlannedStep {
        let revision = graph.id(node)
        guard rows.contains(revision) else { throw .rowMissing(revision: revision) }
        let below = graph.nodes[node].requirements
        let others = rows.filter { $0 != revision }
        let returning =
            others.isEmpty
            ? withoutOneAnother(below)
            : try withoutAncestors(below.map(graph.id), of: others)
        guard let last = returning.last else {
            return try change(revision, .down, delete: [revision])
        }
        return try change(
            revision, .down, insert: returning.dropLast(),
            update: VersionUpdate(from: revision, to: last))
    }

    /// A stamp: rows that give way to the revision stamped.
    mutating func stamp(
        _ node: Int, _ direction: Direction, replacing replaced: [String]
    ) throws(RevisionError) -> PlannedStep {
        let revision = graph.id(node)
        let isIncomplete = !replaced.allSatisfy(rows.contains)
        if direction == .up && (replaced.isEmpty || isIncomplete) && !rows.contains(revision) {
            return try change(revision, .up, insert: [revision])
        }
        guard let last = replaced.last else { throw .rowAlreadyThere(revision: revision) }
        return try change(
            revision, direction, delete: replaced.dropLast(),
            update: VersionUpdate(from: last, to: revision))
    }

    /// A stamp of base: the row goes.
    mutating func unstamp(_ row: String) throws(RevisionError) -> PlannedStep {
        try change(row, .down, delete: [row])
    }

    private func withoutAncestors(
        _ candidates: [String], of others: [String]
    ) throws(RevisionError) -> [String] {
        if others.isEmpty { return candidates }
        let implied = graph.reach(try graph.rowNodes(others), .requirements)
        return candidates.filter { name in
            graph.nodesByName[name].map { !implied.contains($0) } ?? true
        }
    }

    private func withoutOneAnother(_ candidates: [Int]) -> [String] {
        if candidates.count == 1 { return candidates.map(graph.id) }
        let kept = candidates.filter { node in
            !candidates.contains {
                $0 != node && graph.reach([$0], .requirements).contains(node)
            }
        }
        return kept.map(graph.id)
    }

    private mutating func change(
        _ revision: String, _ direction: Direction, delete: some Sequence<String> = [],
        insert: some Sequence<String> = [], update: VersionUpdate? = nil
    ) throws(RevisionError) -> PlannedStep {
        let step = PlannedStep(
            revision: revision, direction: direction, deleteVersions: Array(delete),
            insertVersions: Array(insert), updateVersion: update)
        for row in step.deleteVersions { rows.remove(at: try place(of: row)) }
        for row in step.insertVersions {
            if rows.contains(row) { throw .rowAlreadyThere(revision: row) }
            rows.append(row)
        }
        if let update {
            if rows.contains(update.to) { throw .rowAlreadyThere(revision: update.to) }
            rows[try place(of: update.from)] = update.to
        }
        return step
    }

    /// A row that a statement is to change. A table without its primary key may hold it twice.
    private func place(of row: String) throws(RevisionError) -> Int {
        let places = rows.indices.filter { rows[$0] == row }
        guard let place = places.first else { throw .rowMissing(revision: row) }
        if places.count > 1 { throw .rowRepeated(revision: row, count: places.count) }
        return place
    }
}
