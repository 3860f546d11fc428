internal import Glibc

/// A system call failed; `code` is its `errno`.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    package let call: String
    /// What it was about: a path, mostly.
    package let path: String
    package let code: Int32

    package init(call: String, path: String, code: Int32) {
        self.call = call
        self.path = path
        self.code = code
    }

    package var description: String { "\(call) \(path): \(reason)" }

    /// The system's words for the code.
    package var reason: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let start = buffer.baseAddress, strerror_r(code, start, buffer.count) == 0 else {
                return "error \(code)"
            }
            return String(cString: start)
        }
    }
}

/// Returns `result`, unless it says that the call failed.
@discardableResult
package func check(
    _ result: Int32, _ call: String, _ path: String
) throws(SystemError) -> Int32 {
    guard result >= 0 else { throw SystemError(call: call, path: path, code: errno) }
    return result
}
