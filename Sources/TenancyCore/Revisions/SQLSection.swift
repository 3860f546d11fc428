/// A section of a SQL migration, by the comment that opens it.
struct SQLSection: Hashable, Sendable {
    private(set) var title: String
    /// Whether it is for targets without a schema of their own only.
    private(set) var isWithoutSchema = false

    static let upgrade = SQLSection(title: "upgrade")
    /// The revision can be stamped, and no plan leads through it.
    static let noUpgrade = SQLSection(title: "upgrade: none")

    private init(title: String) {
        self.title = title
    }

    init(_ direction: Direction) {
        title = direction == .up ? "upgrade" : "downgrade"
    }

    /// What runs instead of this section where a target has no schema of its own.
    var withoutSchema: SQLSection {
        var section = self
        section.title += " without schema"
        section.isWithoutSchema = true
        return section
    }

    /// The section that this one stands in for.
    var withSchema: SQLSection {
        SQLSection(title == Self.upgrade.withoutSchema.title ? .up : .down)
    }

    /// A comment that means something below the header.
    enum Mark: Equatable, Sendable {
        case section(SQLSection)
        /// From here on statements commit together, or each on its own.
        case transaction(isOn: Bool)

        init?(_ comment: String) {
            guard let mark = Self.all[comment.lowercased()] else { return nil }
            self = mark
        }

        /// Whether it ends a statement that lacks its semicolon.
        var endsStatement: Bool {
            if case .section = self { true } else { false }
        }

        private static let all: [String: Mark] = {
            let sections = Direction.allCases.map(SQLSection.init)
            let all = sections + sections.map(\.withoutSchema) + [.noUpgrade]
            var marks = Dictionary(
                uniqueKeysWithValues: all.map { ($0.title, Mark.section($0)) })
            marks["transaction: on"] = .transaction(isOn: true)
            marks["transaction: off"] = .transaction(isOn: false)
            return marks
        }()
    }
}
