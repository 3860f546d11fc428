import ChildProcesses
import Testing

@Suite("Programs that run to their end")
struct ProcessResultTests {
    private func shell(
        _ script: String, input: String = "", files: [String] = [],
        limits: ProcessResult.Limits = ProcessResult.Limits()
    ) async throws(ProcessResult.Failure) -> ProcessResult {
        try await ProcessResult.run(
            ["/bin/sh", "-c", script], input: Array(input.utf8),
            files: files.map { Array($0.utf8) }, environment: ["GREETING=hello"],
            directory: "/usr", limits: limits)
    }

    @Test func aProgramGetsItsInputItsFilesItsEnvironmentAndNothingElse() async throws {
        let program = try await shell(
            "cat; cat <&3; cat <&4; echo $GREETING $HOME; pwd; ls /proc/self/fd | wc -l; exit 3",
            input: "in ", files: ["three ", "four "])
        #expect(ChildProcess.ending(program.status) == "exit code 3")
        // 0 to 4, and the folder that ls reads.
        #expect(
            String(decoding: program.output, as: UTF8.self)
                == "in three four hello\n/usr\n6\n")
    }

    @Test func theLastLinesOfAnErrorAreKept() async throws {
        let program = try await shell(
            "seq 1 100000 >&2", limits: ProcessResult.Limits(errorBytes: 20))
        #expect(program.errorTail.hasSuffix("99999\n100000"))
        #expect(program.errorTail.utf8.count <= 20)
    }

    @Test(
        "of a text without its beginning, a line without its own is left out",
        arguments: [
            ("one\ntwo\n\nthree\n", false, "one\ntwo\nthree"),
            ("s3cret@db/x\ntwo\nthree", true, "two\nthree"),
            ("\none\ntwo", true, "one\ntwo"),
            ("s3cret@db/x failed", true, "db/x failed"),
            ("s3cret is wrong", true, "is wrong"),
            ("s3cret", true, ""), ("", true, ""),
        ])
    func tails(text: String, isCut: Bool, expected: String) {
        #expect(FileTail.lines(Array(text.utf8), isCut: isCut) == expected)
    }

    @Test func aProgramThatTakesTooLongIsKilledWithItsChildren() async throws {
        let limits = ProcessResult.Limits(time: .seconds(3))
        let failure = await #expect(throws: ProcessResult.Failure.self) {
            try await shell("echo waiting >&2; sleep 1000 & wait", limits: limits)
        }
        #expect(failure == .timedOut(errorTail: "waiting"))
    }

    @Test func aCancelledWaitKillsTheProgram() async throws {
        let running = Task { () -> ProcessResult.Failure? in
            do throws(ProcessResult.Failure) {
                _ = try await shell("sleep 1000")
                return nil
            } catch {
                return error
            }
        }
        running.cancel()
        #expect(await running.value == .cancelled)
    }

    @Test func moreOutputThanAllowedIsNoAnswer() async throws {
        let failure = await #expect(throws: ProcessResult.Failure.self) {
            try await shell("seq 1 1000", limits: ProcessResult.Limits(outputBytes: 100))
        }
        #expect(failure == .tooMuchOutput(bytes: 3_893))
    }

    @Test func aProgramThatIsNotThereIsNamed() async throws {
        let failure = await #expect(throws: ProcessResult.Failure.self) {
            try await ProcessResult.run(["/nosuch/program"])
        }
        #expect(
            failure
                == .notStarted(SystemError(call: "start", path: "/nosuch/program", code: 2)))
    }
}
