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
    let name: String
    var header = SQLHeader()
    var scripts: [Direction: StepScript] = [:]
    var problems: [FolderProblem] = []
    var warnings: [String] = []

    private var statements: [Direction: [SQLStatement]] = [:]
    private var section: Direction?
    private var sectionLines: [Direction: Int] = [:]

    init(name: String) {
        self.name = name
    }

    mutating func parse(_ text: String) {
        var reader = SQLReader(text, marksSection: { Self.section($0) != nil })
        do throws(SQLSplitError) {
            while let piece = try reader.next() { take(piece) }
        } catch {
            // What follows cannot be read, so nothing is said about missing sections.
            note(error.line, error.reason.rawValue, error.explanation)
            header.finish()
            addHeaderProblems()
            return
        }
        header.finish()
        addHeaderProblems()
        if sectionLines[.up] == nil {
            note(
                1, "missing_section",
                "there is no '-- upgrade' line; put it above the statements, or above nothing "
                    + "for a merge")
        }
        for direction in Direction.allCases where sectionLines[direction] != nil {
            judge(direction)
        }
    }

    private mutating func take(_ piece: SQLReader.Piece) {
        switch piece {
        case .comment(let text, let line):
            if let section = Self.section(text) {
                open(section, line)
            } else if section == nil {
                header.take(text, line: line)
            }
        case .statement(let statement):
            if let section {
                statements[section, default: []].append(statement)
            } else {
                note(
                    statement.line, "statement_outside_section",
                    "this statement stands above '-- upgrade'; move it below")
            }
        }
    }

    private mutating func open(_ direction: Direction, _ line: Int) {
        section = direction
        if let first = sectionLines[direction] {
            note(
                line, "duplicate_section",
                "this section already begins on line \(first); join the two")
        } else {
            sectionLines[direction] = line
        }
    }

    private mutating func judge(_ direction: Direction) {
        let (script, findings) = StepScript.judge(
            statements[direction] ?? [], isTransactional: header.isTransactional)
        scripts[direction] = script
        for finding in findings {
            switch finding {
            case .problem(let line, let code, let message): note(line, code, message)
            case .warning(let line, let message): warnings.append("\(name):\(line): \(message)")
            }
        }
    }

    private mutating func addHeaderProblems() {
        for problem in header.problems { note(problem.line, problem.code, problem.message) }
    }

    private mutating func note(_ line: Int, _ code: String, _ message: String) {
        problems.append(FolderProblem(file: name, line: line, code: code, message: message))
    }

    private static func section(_ comment: String) -> Direction? {
        switch comment.lowercased() {
        case "upgrade": .up
        case "downgrade": .down
        default: nil
        }
    }
}
