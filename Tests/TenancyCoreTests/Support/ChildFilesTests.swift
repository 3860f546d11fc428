import ChildProcesses
import Descriptors
import Glibc
import Testing

@Suite("Descriptors and what a child is given")
struct ChildFilesTests {
    @Test("a child gets what was added, although the owner has ended and its number is another's")
    func outlivesItsOwner() async throws {
        var files = ChildFiles()
        files.addNothing()
        let output = try files.addPipeFromChild()
        files.addNothing()
        for word in ["three ", "four"] {
            try files.add(MemoryFile(Array(word.utf8)).descriptor)
        }
        // Takes the numbers that the two files had.
        let others = [try SharedFile("wrong"), try SharedFile("wrong")]
        let child = try ChildProcess.spawn(
            ChildProcess.Launch(command: ["/bin/sh", "-c", "cat <&3; cat <&4"]), files)
        var status: Int32?
        for _ in 0..<1_000 where status == nil {
            status = child.reap()
            if status == nil { try await Task.sleep(for: .milliseconds(5)) }
        }
        #expect(status == 0)
        let said = output.withDescriptor { number in
            [UInt8](unsafeUninitializedCapacity: 100) { buffer, filled in
                filled = max(0, read(number, buffer.baseAddress, buffer.count))
            }
        }
        #expect(String(decoding: said, as: UTF8.self) == "three four")
        withExtendedLifetime(others) {}
    }
}

private final class SharedFile: Sendable {
    let file: MemoryFile
    init(_ text: String) throws { file = try MemoryFile(Array(text.utf8)) }
}
