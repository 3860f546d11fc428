internal import Glibc

/// A program that is run to its end: initdb, psql, rm.
enum Tool {
    /// More output than this is no answer of a set-up statement.
    static let outputLimit = 16 << 20

    /// Runs `command` with `input` as its standard input and returns its standard output.
    ///
    /// Files without names instead of pipes: nothing waits for a reader, so nothing can block.
    static func run(
        _ command: [String], name: String, input: String = ""
    ) async throws(ClusterError) -> String {
        let files = [try makeNamelessFile(), try makeNamelessFile(), try makeNamelessFile()]
        defer { for file in files { close(file) } }
        try write(input, to: files[0])
        let child = try ChildProcess.spawn(
            command, files: .init(input: files[0], output: files[1], error: files[2]))
        let status = try await end(of: child)
        guard status == 0 else {
            throw .commandFailed(command: name, status: status, output: tail(of: files[2]))
        }
        return try read(files[1], name: name)
    }

    /// The wait status; a child whose waiter is cancelled is killed and reaped first.
    private static func end(of child: ChildProcess) async throws(ClusterError) -> Int32 {
        var status: Int32?
        do {
            _ = try await poll(for: .seconds(300)) {
                status = child.reap()
                return status != nil
            }
        } catch {
            kill(-child.pid, SIGKILL)
            waitpid(child.pid, nil, 0)
            throw error
        }
        if let status { return status }
        kill(-child.pid, SIGKILL)
        var last: Int32 = 0
        waitpid(child.pid, &last, 0)
        return last
    }

    private static func write(_ text: String, to file: Int32) throws(ClusterError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw .system(call: "write", path: "/tmp", code: errno) }
            rest = rest.dropFirst(count)
        }
        lseek(file, 0, SEEK_SET)
    }

    private static func read(_ file: Int32, name: String) throws(ClusterError) -> String {
        let size = Int(lseek(file, 0, SEEK_END))
        guard size <= outputLimit else {
            throw .commandFailed(command: name, status: 0, output: "\(size) bytes of output")
        }
        return bytes(of: file, from: 0, count: size)
    }

    /// The last 2,000 bytes: enough for the last error and what led to it.
    private static func tail(of file: Int32) -> String {
        let size = Int(lseek(file, 0, SEEK_END))
        let text = bytes(of: file, from: max(0, size - 2_000), count: min(size, 2_000))
        return text.split(separator: "\n").joined(separator: "\n")
    }

    private static func bytes(of file: Int32, from offset: Int, count: Int) -> String {
        withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { buffer in
            let got = pread(file, buffer.baseAddress, count, off_t(offset))
            return String(decoding: buffer.prefix(max(0, got)), as: UTF8.self)
        }
    }

    /// The end of a log that another process writes; empty when it cannot be read.
    static func tail(ofFile path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        return tail(of: file)
    }
}
