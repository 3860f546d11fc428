internal import Support

/// One thing that is wrong in a folder of migrations.
package struct FolderProblem: Sendable, Equatable, CustomStringConvertible {
    /// The file's name without its folder; `nil` when the folder itself is the trouble.
    package let file: String?
    /// Counted from 1; `nil` when the file as a whole is the trouble.
    package let line: Int?
    /// A stable name for programs.
    package let code: String
    /// What is wrong and what to do about it.
    package let message: String

    package init(file: String?, line: Int?, code: String, message: String) {
        self.file = file
        self.line = line
        self.code = code
        self.message = scrub(message)
    }

    /// `FILE:LINE: MESSAGE`, as compilers and editors write it.
    package var description: String {
        switch (file, line) {
        case (let file?, let line?): "\(file):\(line): \(message)"
        case (let file?, nil): "\(file): \(message)"
        case (nil, _): message
        }
    }
}

/// Why a folder of migrations is refused: every problem in it, ordered by file and line.
package struct FolderError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Never empty.
    package let problems: [FolderProblem]

    package init(problems: [FolderProblem]) {
        self.problems = problems
    }

    /// One line a problem.
    package var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
