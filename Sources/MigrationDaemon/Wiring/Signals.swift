internal import Dispatch
internal import Glibc

/// The signals that control the program: SIGTERM and SIGINT end it, SIGHUP makes it read its files
/// again.
struct Signals: Sendable {
    private let received: AsyncStream<Int32>
    private let sources: Sources

    init() {
        // A reader of our output that goes away is no reason to die in the middle of a fleet.
        signal(SIGPIPE, SIG_IGN)
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
        received = stream
        sources = Sources([SIGTERM, SIGINT, SIGHUP], continuation)
    }

    /// Waits for a signal to stop; each SIGHUP until then calls `reload`.
    func untilStop(onReload reload: () async -> Void = {}) async {
        for await number in received {
            if number != SIGHUP { return }
            await reload()
        }
    }

    /// Safety: the sources are made in `init` and afterwards only kept alive.
    private final class Sources: @unchecked Sendable {
        private let sources: [any DispatchSourceSignal]

        init(_ signals: [Int32], _ continuation: AsyncStream<Int32>.Continuation) {
            sources = signals.map { number in
                // Ignored as a disposition, so that only the source sees it.
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler { continuation.yield(number) }
                source.resume()
                return source
            }
        }
    }
}
