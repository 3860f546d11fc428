/// An access log entry in the making.
struct AccessRecord {
    let request: HTTPRequest?
    let requestID: String
    let peer: String
    let start: Moment
    var status: HTTPStatus?
    var responseBytes = 0

    init(request: HTTPRequest, start: Moment) {
        self.request = request
        self.requestID = request.requestID
        self.peer = request.peer
        self.start = start
    }

    /// The record of a request whose head could not be read.
    init(peer: String, requestID: String, start: Moment) {
        self.request = nil
        self.requestID = requestID
        self.peer = peer
        self.start = start
    }

    func entry(isComplete: Bool, now: Moment) -> AccessEntry {
        AccessEntry(
            requestID: requestID, method: request?.method.name ?? "-", path: request?.path ?? "-",
            status: status, responseBytes: responseBytes,
            duration: now - start, peer: peer, isComplete: isComplete)
    }
}
