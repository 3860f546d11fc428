internal import ChildProcesses

/// Why a private cluster could not be made, started, asked or stopped.
///
/// Server and tool output is carried along where it explains the cause. No case holds a password.
public enum ClusterError: Error, Equatable, Sendable {
    /// No folder holds `initdb`, `postgres` and `psql`; `searched` lists where they were looked for.
    case binariesNotFound(searched: [String])
    /// The chosen folder holds files but no cluster of ours, so nothing in it is touched.
    case folderNotEmpty(folder: String)
    /// The unprivileged user that PostgreSQL must run as cannot enter the folder.
    case folderUnreachable(folder: String, user: String)
    /// The process runs as root and neither `postgres` nor `nobody` exists to run a server as.
    case noUnprivilegedUser
    /// A setting's name is not one of PostgreSQL's form.
    case invalidSetting(name: String)
    /// A tool ended with a failure; `output` is the end of what it said.
    case commandFailed(command: String, status: Int32, output: String)
    /// The server ended before it accepted connections; `log` is the end of its log.
    case serverExited(status: Int32, log: String)
    /// The server did not accept connections in time; `log` is the end of its log.
    case notReady(after: Duration, log: String)
    /// The server did not end in time, not even when killed.
    case notStopped(pid: Int32)
    /// The cluster has been stopped, so there is nothing to ask.
    case stopped
    /// The task that waited was cancelled.
    case cancelled
    /// A system call failed, with what `errno` says.
    case system(call: String, path: String, reason: String)
}

extension ClusterError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .binariesNotFound(let searched):
            "initdb, postgres and psql were not found in \(searched.joined(separator: ", ")); "
                + "install PostgreSQL (Debian: apt-get install postgresql) or put it in PATH"
        case .folderNotEmpty(let folder):
            "\(folder) holds files but no private cluster; choose an empty or a new folder"
        case .folderUnreachable(let folder, let user):
            "PostgreSQL refuses to run as root and user \(user) cannot enter \(folder); "
                + "choose a folder that this user can reach, for example under /tmp"
        case .noUnprivilegedUser:
            "PostgreSQL refuses to run as root and there is no user postgres or nobody to run it as"
        case .invalidSetting(let name):
            "\(name) is not the name of a PostgreSQL setting"
        case .commandFailed(let command, let status, let output):
            "\(command) failed (\(ChildProcess.ending(status))): \(output)"
        case .serverExited(let status, let log):
            "the PostgreSQL server ended at its start (\(ChildProcess.ending(status))): \(log)"
        case .notReady(let limit, let log):
            "the PostgreSQL server was not ready after \(limit): \(log)"
        case .notStopped(let pid):
            "the PostgreSQL server, process \(pid), does not end"
        case .stopped:
            "the PostgreSQL cluster has been stopped"
        case .cancelled:
            "cancelled while waiting for PostgreSQL"
        case .system(let call, let path, let reason):
            "\(call) \(path): \(reason)"
        }
    }

    static func system(_ error: SystemError) -> ClusterError {
        .system(call: error.call, path: error.path, reason: error.reason)
    }
}
