internal import HTTPLite
internal import Logging
internal import Support

/// One line for each answer. The query is left out: it may hold what nobody should read later.
enum AccessLog {
    static func write(_ entry: AccessEntry, to logger: Logger) {
        logger.info(
            "Request",
            metadata: [
                "method": "\(entry.method)", "path": "\(entry.path)",
                "status": "\(entry.status.map { "\($0.code)" } ?? "-")",
                "bytes": "\(entry.responseBytes)",
                "ms": "\(entry.duration.milliseconds)", "peer": "\(entry.peer)",
                "request_id": "\(entry.requestID)", "complete": "\(entry.isComplete)",
            ])
    }
}
