/// One thing that is wrong in a folder of migrations.
public struct FolderProblem: Sendable, Equatable, CustomStringConvertible {
    /// The file's name without its folder; `nil` when the folder itself is the trouble.
    public let file: String?
    /// Counted from 1; `nil` when the file as a whole is the trouble.
    public let line: Int?
    /// A stable name for programs.
    public let code: String
    /// What is wrong and what to do about it.
    public let message: String

    public init(file: String?, line: Int?, code: String, message: String) {
        self.file = file
        self.line = line
        self.code = code
        self.message = scrub(message)
    }

    /// `FILE:LINE: MESSAGE`, as compilers and editors write it.
    public var description: String {
        switch (file, line) {
        case (let file?, let line?): "\(file):\(line): \(message)"
        case (let file?, nil): "\(file): \(message)"
        case (nil, _): message
        }
    }
}

/// Why a folder of migrations is refused: every problem in it, ordered by file and line.
public struct FolderError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Never empty.
    public let problems: [FolderProblem]

    public init(problems: [FolderProblem]) {
        self.problems = problems
    }

    /// One line a problem.
    public var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
