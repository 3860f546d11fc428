import Testing

@testable import HTTPLite

/// Runs a server on a free port for one test.
func withServer(
    _ router: Router, adjust: (inout HTTPServerConfiguration) -> Void = { _ in },
    _ body: (HTTPServer, ListenerAddress) async throws -> Void
) async throws {
    var configuration = HTTPServerConfiguration(listeners: [.tcp(host: "127.0.0.1", port: 0)])
    adjust(&configuration)
    let server = HTTPServer(configuration: configuration, handler: router)
    let address = try #require(try server.start().first)
    do {
        try await body(server, address)
    } catch {
        await server.shutdown(deadline: .zero)
        throw error
    }
    await server.shutdown(deadline: .zero)
    #expect(server.stats.connections == 0)
}

/// Asks until the condition holds; false if it does not within the limit.
func eventually(
    within limit: Duration = .seconds(20), _ condition: () async -> Bool
) async -> Bool {
    let end = ContinuousClock.now + limit
    while await !condition() {
        guard ContinuousClock.now < end else { return false }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return true
}

/// A point that a handler reaches and a test waits for, or the other way round.
actor Signal {
    private var isSet = false
    private var waiters: [CheckedContinuation<Void, Never>] = []

    func set() {
        isSet = true
        for waiter in waiters { waiter.resume() }
        waiters = []
    }

    func wait() async {
        if isSet { return }
        await withCheckedContinuation { waiters.append($0) }
    }
}

/// Waits until the task is cancelled.
func untilCancelled() async throws {
    while true { try await Task.sleep(for: .seconds(3600)) }
}
