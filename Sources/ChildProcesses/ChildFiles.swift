internal import CSystem
package import Descriptors
internal import Glibc

/// The descriptors that a child is given, from 0 on.
///
/// They are copies, and this value owns them: whatever becomes of the originals, the child gets
/// what was added. The copies are closed with this value.
package struct ChildFiles: ~Copyable, Sendable {
    /// No child gets more. The copies lie above, so that no `dup2` in the child overwrites one.
    private static let limit: Int32 = 16

    private var copies: [Int32?] = []

    package init() {}

    deinit {
        for copy in copies { copy.map(DescriptorClosing.close) }
    }

    /// Gives the child `file` as its next descriptor.
    package mutating func add(_ file: borrowing OwnedDescriptor) throws(SystemError) {
        precondition(copies.count < Self.limit, "no child gets \(Self.limit) descriptors")
        copies.append(
            try file.withDescriptor { (number) throws(SystemError) in
                try check(fcntl(number, F_DUPFD_CLOEXEC, Self.limit), "dup", "a child's file")
            })
    }

    /// Gives the child `/dev/null` as its next descriptor if that is 0, 1 or 2, else none.
    package mutating func addNothing() { copies.append(nil) }

    /// Gives the child the reading end of a pipe.
    ///
    /// - Returns: the writing end, which does not block.
    package mutating func addPipeToChild() throws(SystemError) -> OwnedDescriptor {
        let ends = try pipe()
        try add(ends.reading)
        return ends.takeWriting()
    }

    /// Gives the child the writing end of a pipe.
    ///
    /// - Returns: the reading end, which does not block.
    package mutating func addPipeFromChild() throws(SystemError) -> OwnedDescriptor {
        let ends = try pipe()
        try add(ends.writing)
        return ends.takeReading()
    }

    /// Lends the copies' numbers, by the child's own, to `body`.
    borrowing func withCopies<Result>(_ body: ([Int32?]) -> Result) -> Result {
        defer { extendLifetime(self) }
        return body(copies)
    }

    private func pipe() throws(SystemError) -> PipeEnds {
        var ends: [Int32] = [-1, -1]
        try check(csystem_pipe(&ends), "pipe", "a child's file")
        return PipeEnds(
            reading: OwnedDescriptor(owning: ends[0]), writing: OwnedDescriptor(owning: ends[1]))
    }
}

private struct PipeEnds: ~Copyable {
    let reading: OwnedDescriptor
    let writing: OwnedDescriptor

    consuming func takeReading() -> OwnedDescriptor { reading.notBlocking() }
    consuming func takeWriting() -> OwnedDescriptor { writing.notBlocking() }
}

extension OwnedDescriptor {
    fileprivate consuming func notBlocking() -> OwnedDescriptor {
        withDescriptor { _ = fcntl($0, F_SETFL, O_NONBLOCK) }
        return self
    }
}
