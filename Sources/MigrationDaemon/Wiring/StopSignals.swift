internal import Dispatch
internal import Glibc

/// The signals that end the program, as a stream: SIGTERM and SIGINT.
struct StopSignals: Sendable {
    let received: AsyncStream<Int32>
    private let sources: Sources

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
        received = stream
        sources = Sources([SIGTERM, SIGINT], continuation)
    }

    /// Waits for the next of them.
    func next() async {
        var iterator = received.makeAsyncIterator()
        _ = await iterator.next()
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
