/// One step from a JSON value to a value inside it.
package enum PathStep: Sendable, Hashable {
    case key(String)
    case index(Int)
}

/// One thing that is wrong with a member of a JSON value.
package struct FieldIssue: Error, Sendable, Equatable {
    /// The way from the root to the member.
    package let path: [PathStep]
    /// What is wrong, read after the member's name: `must be between 1 and 1000`.
    package let detail: String

    package init(path: [PathStep], detail: String) {
        self.path = path
        self.detail = detail
    }

    /// The path as a JSON pointer (RFC 6901); empty for the whole value.
    package var pointer: String {
        path.map { step in
            switch step {
            case .index(let index): "/\(index)"
            case .key(let key): "/" + Self.escaped(key)
            }
        }.joined()
    }

    /// The path as people write it: `server.tokens[0].sha256`; empty for the whole value.
    package var keyPath: String { path.keyPath }

    /// RFC 6901 section 3: `~` is written `~0`, and `/` is `~1`.
    private static func escaped(_ key: String) -> String {
        key.unicodeScalars.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
    }
}

extension FieldIssue: CustomStringConvertible {
    package var description: String { keyPath.isEmpty ? detail : "\(keyPath) \(detail)" }
}

extension [PathStep] {
    /// The path as people write it: `server.tokens[0].sha256`.
    package var keyPath: String {
        reduce(into: "") { text, step in
            switch step {
            case .index(let index): text += "[\(index)]"
            case .key(let key): text += text.isEmpty ? key : ".\(key)"
            }
        }
    }
}

/// The work of reading a JSON value, counted: a hostile text must not cost more than its size.
struct ReadingEffort: Sendable, Equatable {
    /// Members that were compared with the known ones.
    var members = 0
    /// Names for which a near one was looked for.
    var guesses = 0

    static func += (sum: inout ReadingEffort, other: ReadingEffort) {
        sum.members += other.members
        sum.guesses += other.guesses
    }
}

/// What is wrong with a JSON value; never empty.
package struct FieldIssues: Error, Sendable, Equatable, CustomStringConvertible {
    package let issues: [FieldIssue]
    /// How many more there are that are not listed.
    package let omitted: Int
    /// What it took to find them.
    let effort: ReadingEffort

    package init(_ issues: [FieldIssue], omitted: Int = 0) {
        self.init(issues, omitted: omitted, effort: ReadingEffort())
    }

    init(_ issues: [FieldIssue], omitted: Int, effort: ReadingEffort) {
        precondition(!issues.isEmpty, "an error needs an issue")
        self.issues = issues
        self.omitted = omitted
        self.effort = effort
    }

    package var description: String {
        let more = omitted == 0 ? [] : ["and \(omitted) more"]
        return (issues.map(\.description) + more).joined(separator: "; ")
    }
}
