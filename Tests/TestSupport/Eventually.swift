/// Asks `condition` every 10 ms until it holds; false when it does not within the limit.
///
/// For what no signal announces, such as the end of another process:
/// `#expect(try await eventually { !isAlive(pid) })`.
public func eventually(
    within limit: Duration = .seconds(40), _ condition: () async throws -> Bool
) async throws -> Bool {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else { return false }
        try await Task.sleep(for: .milliseconds(10))
    }
    return true
}
