internal import Glibc

/// A program that was run to its end, and what it said.
package struct ProcessResult: Sendable {
    /// As `waitpid` tells it; `ChildProcess.ending` puts it into words.
    package let status: Int32
    package let output: [UInt8]
    /// The last lines of its standard error.
    package let errorTail: String

    /// Why there is no result.
    package enum Failure: Error, Equatable, Sendable {
        case notStarted(SystemError)
        /// It did not end in time and was killed; `errorTail` is what it said last.
        case timedOut(errorTail: String)
        /// The waiting task was cancelled, and the program killed.
        case cancelled
        case tooMuchOutput(bytes: Int)
    }

    /// Bounds of a run.
    package struct Limits: Sendable {
        package var time: Duration
        /// More output than this is no answer.
        package var outputBytes: Int
        package var errorBytes: Int

        package init(
            time: Duration = .seconds(300), outputBytes: Int = 16 << 20, errorBytes: Int = 2_000
        ) {
            self.time = time
            self.outputBytes = outputBytes
            self.errorBytes = errorBytes
        }
    }

    /// Runs `command` with `input` as its standard input and `files` as its descriptors from 3 on.
    package static func run(
        _ command: [String], input: [UInt8] = [], files: [[UInt8]] = [],
        environment: [String] = ChildProcess.bareEnvironment, directory: String? = nil,
        limits: Limits = Limits()
    ) async throws(Failure) -> ProcessResult {
        let running: RunningProgram
        do throws(SystemError) {
            let launch = ChildProcess.Launch(
                command: command, environment: environment, directory: directory)
            running = try RunningProgram(launch, input, files)
        } catch {
            throw .notStarted(error)
        }
        let ended = await end(of: running.child, within: limits.time)
        let errorTail = FileTail.lines(
            running.error.tail(limits.errorBytes),
            isCut: running.error.size > limits.errorBytes)
        guard let status = ended else {
            throw Task.isCancelled ? .cancelled : .timedOut(errorTail: errorTail)
        }
        let size = running.output.size
        guard size <= limits.outputBytes else { throw .tooMuchOutput(bytes: size) }
        return ProcessResult(
            status: status, output: running.output.tail(size), errorTail: errorTail)
    }

    /// The wait status; `nil` for a child that had to be killed, for the time or for a cancelled task.
    private static func end(of child: ChildProcess, within limit: Duration) async -> Int32? {
        let end = ContinuousClock.now + limit
        var pause = Duration.milliseconds(2)
        while true {
            if let status = child.reap() { return status }
            guard ContinuousClock.now < end, (try? await Task.sleep(for: pause)) != nil else {
                child.kill()
                return nil
            }
            pause = min(pause * 2, .milliseconds(20))
        }
    }
}

/// A child and the files that it writes.
private struct RunningProgram: ~Copyable {
    let child: ChildProcess
    let output: MemoryFile
    let error: MemoryFile

    init(
        _ launch: ChildProcess.Launch, _ input: [UInt8], _ others: [[UInt8]]
    ) throws(SystemError) {
        let output = try MemoryFile()
        let error = try MemoryFile()
        var files = ChildFiles()
        try files.add(MemoryFile(input).descriptor)
        try files.add(output.descriptor)
        try files.add(error.descriptor)
        for content in others { try files.add(MemoryFile(content).descriptor) }
        child = try ChildProcess.spawn(launch, files)
        self.output = output
        self.error = error
    }
}
