/// Compresses large JSON for clients that ask for it. Streams are left alone: a coding would hold
/// their pieces back.
public struct GzipMiddleware: HTTPMiddleware {
    /// Below this many bytes an answer fits into a few packets either way.
    public var minimumBytes = 4_096
    /// Above this many bytes an answer is sent as it is: it would hold a core for too long.
    public var maximumBytes = 16 << 20
    /// zlib's level: the fastest takes JSON to about a tenth already.
    private static let level: Int32 = 1

    /// Makes the middleware with its standard bounds.
    public init() {}

    public func handle(
        _ request: HTTPRequest, next: any HTTPHandler
    ) async throws -> HTTPResponse {
        var response = try await next.handle(request)
        // The answer that a 304 stands for depends on the field (RFC 9110, section 15.4.5).
        if response.status == .notModified { addVary(&response.fields) }
        guard case .bytes(let bytes) = response.body, isCandidate(response, bytes) else {
            return response
        }
        addVary(&response.fields)
        guard ContentCoding.prefersGzip(request.fields),
            let coded = await Self.compressed(bytes)
        else { return response }
        response.body = .bytes(coded)
        response.fields["Content-Encoding"] = "gzip"
        // Other bytes are not the ones of a strong tag (RFC 9110, section 8.8.3.3).
        if let tag = response.fields["ETag"], !tag.hasPrefix("W/") {
            response.fields["ETag"] = "W/" + tag
        }
        return response
    }

    private func isCandidate(_ response: HTTPResponse, _ bytes: [UInt8]) -> Bool {
        guard bytes.count >= minimumBytes, bytes.count <= maximumBytes,
            response.fields["Content-Encoding"] == nil, response.status.code != 206,
            !response.fields.contains("Cache-Control", token: "no-transform"),
            let type = response.fields["Content-Type"]
        else { return false }
        let name = type.prefix { $0 != ";" && $0 != " " }.lowercased()
        return name == "application/json" || name.hasSuffix("+json") || name.hasPrefix("text/")
    }

    /// Off the loop's thread, which serves all connections.
    private static func compressed(_ bytes: [UInt8]) async -> [UInt8]? {
        await withTaskExecutorPreference(globalConcurrentExecutor) {
            await deflated(bytes)
        }
    }

    @concurrent
    private static func deflated(_ bytes: [UInt8]) async -> [UInt8]? {
        Gzip.compress(bytes, level: level)
    }

    private func addVary(_ fields: inout HTTPFields) {
        if !fields.contains("Vary", token: "accept-encoding") {
            fields.append("Vary", "Accept-Encoding")
        }
    }
}
