internal import Glibc

/// A file descriptor together with the duty to close it, once, when this value ends.
///
/// The number is never handed out for keeps. An optimised build ends an owner after its last use,
/// not at the end of its scope; a bare number that outlives its owner then names whatever was
/// opened next. `withDescriptor` keeps the owner until its closure has returned.
package struct OwnedDescriptor: ~Copyable, Sendable {
    @usableFromInline let number: Int32

    /// Takes over a descriptor that nobody else closes.
    package init(owning number: Int32) {
        precondition(number >= 0, "a failed call has no descriptor to own")
        self.number = number
    }

    deinit { DescriptorClosing.close(number) }

    /// Lends the number to `body`, which must not keep it.
    @inlinable package borrowing func withDescriptor<Result: ~Copyable, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { extendLifetime(self) }
        return try body(number)
    }
}
