internal import Revisions
internal import Support

/// A graph written as JSON: `{"revisions": [...]}`, or that as the member `graph`.
enum GraphDocument {
    /// What the document says; its other members are not looked at.
    static func revisions(_ document: JSONValue) throws(CommandFailure) -> [Revision] {
        guard let items = (document["graph"] ?? document)["revisions"]?.arrayValue else {
            throw CommandFailure(
                .usage, "The document needs {\"revisions\": [...]} or {\"graph\": {...}}.")
        }
        var revisions: [Revision] = []
        for (index, item) in items.enumerated() {
            guard let id = item["id"]?.stringValue else {
                throw CommandFailure(.usage, "Revision \(index) of the document has no id.")
            }
            revisions.append(
                Revision(
                    id: id, downRevisions: strings(item["down_revisions"]),
                    dependsOn: strings(item["depends_on"]),
                    branchLabels: strings(item["branch_labels"]),
                    message: item["message"]?.stringValue))
        }
        return revisions
    }

    static func strings(_ value: JSONValue?) -> [String] {
        (value?.arrayValue ?? []).compactMap(\.stringValue)
    }
}
