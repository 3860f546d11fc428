internal import ArgumentParser
internal import Support

/// What a command tells the shell.
enum CommandStatus: Int32, CaseIterable, Sendable {
    case success = 0
    /// Some tenants failed, or what was to be checked is wrong.
    case failure = 1
    /// The command line is wrong, or the daemon refuses the request.
    case usage = 2
    /// The daemon cannot be reached, or cannot serve now.
    case unreachable = 3
    /// The job was cancelled, or stopped by its failure budget.
    case stopped = 4
}

/// Why a command ends without its result.
struct CommandFailure: Error, Sendable, Equatable {
    let status: CommandStatus
    /// For people, on the standard error; empty when everything has been said.
    let lines: [String]

    /// A message whose line feeds are our own; those of text from outside would make lines, too.
    init(_ status: CommandStatus, _ message: String? = nil) {
        self.init(
            status,
            lines: message.map {
                $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            } ?? [])
    }

    init(_ status: CommandStatus, lines: [String]) {
        self.status = status
        self.lines = lines.map(scrub)
    }

    var message: String { lines.joined(separator: "\n") }
}
