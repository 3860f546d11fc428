internal import Engine
internal import Revisions
internal import Support

/// An unfinished step as a row of `step_journal`, both ways.
enum UnfinishedStepRow {
    static let columns = ["revision", "direction", "unit", "statement", "doubt", "detail"]
        .map { SelectedColumn($0) }

    static func read(_ row: Row) throws(StatusError) -> UnfinishedStep? {
        guard let revision = try row["revision"],
            let direction = try row.value("direction", Direction.init),
            let unit = try row.integer("unit"), let detail = try row.json("detail")
        else { return nil }
        var step = UnfinishedStep(
            revision: revision, direction: direction, fromRows: strings(detail["from_rows"]),
            toRows: strings(detail["to_rows"]))
        step.unit = unit
        step.statement = try row["statement"] ?? ""
        step.doubt = try row["doubt"]
        step.doneDigest = detail["done_digest"]?.stringValue ?? ""
        step.begun = detail["begun"].flatMap(begun)
        return step
    }

    static func detail(_ step: UnfinishedStep) -> JSONValue {
        [
            "from_rows": JSONValue(step.fromRows), "to_rows": JSONValue(step.toRows),
            "done_digest": .string(step.doneDigest),
            "begun": step.begun.map {
                [
                    "backend": JSONValue($0.backend), "backend_start": .string($0.backendStart),
                    "transaction": JSONValue($0.transaction), "marked": .bool($0.isMarked),
                    "digest": .string($0.digest),
                    "indexes": JSONValue($0.indexes),
                ]
            } ?? .null,
        ]
    }

    private static func begun(_ value: JSONValue) -> BegunUnit? {
        guard let backend = value["backend"]?.intValue,
            let start = value["backend_start"]?.stringValue
        else { return nil }
        return BegunUnit(
            backend: backend, backendStart: start,
            transaction: value["transaction"]?.stringValue,
            isMarked: value["marked"]?.boolValue ?? false,
            digest: value["digest"]?.stringValue ?? "", indexes: strings(value["indexes"]))
    }

    private static func strings(_ value: JSONValue?) -> [String] {
        (value?.arrayValue ?? []).compactMap(\.stringValue)
    }
}
