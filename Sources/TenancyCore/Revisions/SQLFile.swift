internal import Support

/// One file of a SQL folder, read without looking at the others.
///
/// ```
/// -- revision: a1c0ffee0002
/// -- down_revision: a1c0ffee0001
///
/// -- upgrade
/// CREATE TABLE items (id bigint PRIMARY KEY);
///
/// -- downgrade
/// DROP TABLE items;
/// ```
///
/// `SQLSection` has the other sections that there may be.
struct SQLFile {
    let name: String
    let header: SQLHeader
    let upgrade: StepScript?
    let downgrade: StepScript?
    let checksum: String
    let problems: [FolderProblem]
    let warnings: [String]

    /// Reads a whole file, line ends as they are.
    init(name: String, text: String) {
        var parser = Parser(name: name)
        parser.parse(text)
        self.name = name
        header = parser.header
        upgrade = parser.scripts[.up]
        downgrade = parser.scripts[.down]
        checksum = Hex.encode(Digest.sha256(Array(Self.withUnixLineEnds(text).utf8)))
        problems = parser.problems
        warnings = parser.warnings
    }

    var revision: Revision {
        Revision(
            id: header.id, downRevisions: header.downRevisions, dependsOn: header.dependsOn,
            branchLabels: header.branchLabels, message: header.message, upgrade: upgrade,
            downgrade: downgrade, file: name, checksum: checksum)
    }

    /// So that a checkout with other line ends is the same content.
    private static func withUnixLineEnds(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var previous: Unicode.Scalar = " "
        for scalar in text.unicodeScalars {
            if scalar == "\r" {
                result.append("\n")
            } else if scalar != "\n" || previous != "\r" {
                result.append(scalar)
            }
            previous = scalar
        }
        return String(result)
    }
}

private struct Parser {
    /// A file that is all psql commands is known for what it is by then.
    private static let commandLimit = 20

    let name: String
    var header = SQLHeader()
    var scripts: [Direction: StepScript] = [:]
    var problems: [FolderProblem] = []
    var warnings: [String] = []

    private var section: SQLSection?
    private var sectionLines: [SQLSection: Int] = [:]
    private var batches: [SQLSection: [Batch]] = [:]

    private struct Batch {
        let isTransactional: Bool
        var statements: [SQLStatement] = []
    }

    init(name: String) {
        self.name = name
    }

    mutating func parse(_ text: String) {
        if SchemaPlaceholder.isIn(text) {
            note(
                1, "reserved_character",
                "the file holds U+F8F0 or U+F8F1, private characters that stand for a schema here; "
                    + "write them as an escape, U&'\\F8F0'")
        }
        var reader = SQLReader(text, marksSection: { SQLSection.Mark($0)?.endsStatement == true })
        do throws(SQLSplitError) {
            while let piece = try reader.next() { take(piece) }
        } catch {
            // What follows cannot be read, so nothing is said about missing sections.
            note(error.line, error.reason.rawValue, error.explanation)
            if error.reason == .metaCommand { noteFurtherCommands(text, below: error.line) }
            header.finish()
            addHeaderProblems()
            return
        }
        header.finish()
        addHeaderProblems()
        checkSections()
        for direction in Direction.allCases { scripts[direction] = script(direction) }
    }

    /// A file written for psql has many of its commands: all are named at once, up to a bound. Each is
    /// taken to end with its line.
    private mutating func noteFurtherCommands(_ text: String, below line: Int) {
        let lines = text.split(omittingEmptySubsequences: false) {
            $0 == "\n" || $0 == "\r\n" || $0 == "\r"
        }
        var last = line
        for _ in 1..<Parser.commandLimit {
            var reader = SQLReader(
                lines.dropFirst(last).joined(separator: "\n"), firstLine: last + 1)
            do throws(SQLSplitError) {
                while try reader.next() != nil {}
                return
            } catch {
                guard error.reason == .metaCommand else { return }
                note(error.line, error.reason.rawValue, error.explanation)
                last = error.line
            }
        }
    }

    private mutating func take(_ piece: SQLReader.Piece) {
        switch piece {
        case .comment(let text, let line):
            switch SQLSection.Mark(text) {
            case .section(let section): open(section, line)
            case .transaction(let isOn) where section != nil: begin(isTransactional: isOn)
            case .transaction, nil: if section == nil { header.take(text, line: line) }
            }
        case .statement(let statement):
            if let section, let last = batches[section]?.indices.last {
                let placed = placed(statement)
                batches[section]?[last].statements.append(placed)
            } else {
                note(
                    statement.line, "statement_outside_section",
                    "this statement stands above '-- upgrade'; move it below")
            }
        }
    }

    private func placed(_ statement: SQLStatement) -> SQLStatement {
        guard let name = header.schemaVariable else { return statement }
        let text = SchemaVariable(name: name).read(statement.text)
        return SQLStatement(text: text, line: statement.line)
    }

    private mutating func open(_ section: SQLSection, _ line: Int) {
        self.section = section
        if let first = sectionLines[section] {
            note(
                line, "duplicate_section",
                "this section already begins on line \(first); join the two")
        } else {
            sectionLines[section] = line
        }
        begin(isTransactional: header.isTransactional)
    }

    private mutating func begin(isTransactional: Bool) {
        guard let section else { return }
        batches[section, default: []].append(Batch(isTransactional: isTransactional))
    }

    private mutating func checkSections() {
        if sectionLines[.upgrade] == nil && sectionLines[.noUpgrade] == nil {
            note(
                1, "missing_section",
                "there is no '-- upgrade' line; put it above the statements, or above nothing "
                    + "for a merge")
        }
        for (section, line) in sectionLines {
            if section.isWithoutSchema, sectionLines[section.withSchema] == nil {
                note(
                    line, "missing_section",
                    "this section is for tenants without a schema of their own, and there is none "
                        + "for the others; write '-- \(section.withSchema.title)' above it")
            }
            guard section == .noUpgrade else { continue }
            if sectionLines[.upgrade] != nil {
                note(line, "duplicate_section", "'-- upgrade' is there too; remove one of them")
            } else if let statement = batches[section]?.lazy.flatMap(\.statements).first {
                note(
                    statement.line, "statement_outside_section",
                    "this statement stands below '-- upgrade: none'; move it, or take ': none' away"
                )
            }
        }
    }

    private mutating func script(_ direction: Direction) -> StepScript? {
        let section = SQLSection(direction)
        guard let batches = judged(section) else { return nil }
        return StepScript(batches: batches, withoutSchema: judged(section.withoutSchema))
    }

    private mutating func judged(_ section: SQLSection) -> [StepScript.Batch]? {
        guard sectionLines[section] != nil, let all = batches[section] else { return nil }
        let used = all.filter { !$0.statements.isEmpty }
        return (used.isEmpty ? Array(all.prefix(1)) : used).flatMap { batch in
            let (script, findings) = StepScript.judge(
                batch.statements, isTransactional: batch.isTransactional)
            for finding in findings {
                switch finding {
                case .problem(let line, let code, let message): note(line, code, message)
                case .warning(let line, let message): warnings.append("\(name):\(line): \(message)")
                }
            }
            return script.batches
        }
    }

    private mutating func addHeaderProblems() {
        for problem in header.problems { note(problem.line, problem.code, problem.message) }
    }

    private mutating func note(_ line: Int, _ code: String, _ message: String) {
        problems.append(FolderProblem(file: name, line: line, code: code, message: message))
    }
}
