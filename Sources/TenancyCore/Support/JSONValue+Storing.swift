extension JSONValue {
    /// What of the value PostgreSQL's `jsonb` cannot hold although it is JSON: U+0000 in a string or
    /// a name, and numbers beyond `numeric` (manual, "JSON Types"). Names are not repeated where they
    /// are what is wrong: the issue is then about the object.
    func unstorable(at path: [PathStep]) -> [FieldIssue] {
        switch self {
        case .null, .bool:
            return []
        case .string(let text):
            return text.utf8.contains(0) ? [FieldIssue(path: path, detail: noNull)] : []
        case .number(let number):
            let detail = "must have at most 131072 digits before the decimal point and 16383 after"
            return number.fitsNumeric ? [] : [FieldIssue(path: path, detail: detail)]
        case .array(let items):
            return items.enumerated().flatMap { index, item in
                item.unstorable(at: path + [.index(index)])
            }
        case .object(let object):
            return object.members.flatMap { member in
                member.key.utf8.contains(0)
                    ? [FieldIssue(path: path, detail: "has a member's name with U+0000")]
                    : member.value.unstorable(at: path + [.key(member.key)])
            }
        }
    }
}

private let noNull = "must not contain the character U+0000"
