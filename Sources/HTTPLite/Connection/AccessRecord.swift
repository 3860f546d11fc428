/// An access log entry in the making.
struct AccessRecord {
    /// Nil when the request's head could not be read.
    let head: RequestHead?
    let requestID: String
    let start: Moment
    var status: HTTPStatus?
    var responseBytes = 0

    func entry(peer: String, isComplete: Bool) -> AccessEntry {
        // The turn's time is as old as its events; a fast handler would seem to take no time.
        AccessEntry(
            requestID: requestID, method: head?.method.name ?? "-", path: head?.target.path ?? "-",
            status: status, responseBytes: responseBytes,
            duration: (Moment.read() - start).duration, peer: peer, isComplete: isComplete)
    }
}
