/// A request target whose syntax is proven (RFC 9112, 3.2).
struct RequestTarget: Sendable, Equatable {
    /// The target as it was sent.
    let raw: String
    /// The path, percent-encoded; `*` in asterisk-form.
    let path: String
    let query: HTTPQuery
    /// The authority of an absolute target; it takes the place of `Host` (RFC 9112, 3.2.2).
    let authority: String?

    /// Reads a target that holds only visible ASCII and no `#`.
    ///
    /// CONNECT's authority-form never gets here: the parser refuses the method.
    init(_ bytes: ArraySlice<UInt8>, method: HTTPMethod) throws(HTTPFailure) {
        raw = String(decoding: bytes, as: UTF8.self)
        if bytes.first == ASCII.slash {
            authority = nil
        } else if bytes.count == 1, bytes.first == UInt8(ascii: "*") {
            guard method == .options else {
                throw Self.malformed("only OPTIONS may ask for *", "RFC 9112, 3.2.4")
            }
            (path, query, authority) = (raw, .empty, nil)
            return
        } else {
            let rest = try Self.afterScheme(bytes)
            let host = rest.prefix { $0 != ASCII.slash && $0 != UInt8(ascii: "?") }
            guard HostSyntax.isValid(host), !host.isEmpty else {
                throw Self.malformed("the target's authority is not host[:port]", "RFC 9110, 4.2")
            }
            authority = String(decoding: host, as: UTF8.self)
            if rest.count == host.count {
                // RFC 9112, 3.2.4: OPTIONS of an authority without path means the server as a whole.
                (path, query) = (method == .options ? "*" : "/", .empty)
                return
            }
            (path, query) = try Self.split(rest.dropFirst(host.count))
            return
        }
        if bytes.contains(UInt8(ascii: "?")) || authority != nil {
            (path, query) = try Self.split(bytes)
        } else {
            try Self.checkPath(bytes)
            (path, query) = (raw, .empty)
        }
    }

    private static func afterScheme(
        _ bytes: ArraySlice<UInt8>
    ) throws(HTTPFailure) -> ArraySlice<UInt8> {
        for scheme in ["http://", "https://"] where bytes.count >= scheme.utf8.count {
            if ASCII.equal(bytes.prefix(scheme.utf8.count), scheme.utf8) {
                return bytes.dropFirst(scheme.utf8.count)
            }
        }
        throw malformed("the target is neither a path nor an http URI", "RFC 9112, 3.2")
    }

    private static func split(
        _ bytes: ArraySlice<UInt8>
    ) throws(HTTPFailure) -> (String, HTTPQuery) {
        let path = bytes.prefix { $0 != UInt8(ascii: "?") }
        try checkPath(path)
        guard let query = HTTPQuery(decoding: bytes.dropFirst(path.count + 1)) else {
            throw malformed("the query holds a broken escape, NUL or no UTF-8", "RFC 3986, 2.1")
        }
        return (path.isEmpty ? "/" : String(decoding: path, as: UTF8.self), query)
    }

    /// Refuses what two readers could take for different paths.
    ///
    /// Dot segments, encoded or not, have no meaning for an API and climb where somebody
    /// resolves them late (RFC 3986, 5.2.4 and 7.3).
    private static func checkPath(_ path: ArraySlice<UInt8>) throws(HTTPFailure) {
        guard path.contains(where: { $0 == ASCII.percent || $0 == ASCII.dot }) else { return }
        for segment in path.split(separator: ASCII.slash) {
            guard let decoded = PercentCoding.decode(segment) else {
                throw malformed("the path holds a broken escape, NUL or no UTF-8", "RFC 3986, 2.1")
            }
            let parts = decoded.utf8.split(
                separator: ASCII.slash, omittingEmptySubsequences: true)
            for part in parts where part.elementsEqual(".".utf8) || part.elementsEqual("..".utf8) {
                throw malformed("the path holds a dot segment", "RFC 3986, 5.2.4")
            }
        }
    }

    private static func malformed(_ detail: String, _ rfc: String) -> HTTPFailure {
        HTTPFailure(.malformedTarget, detail, rfc: rfc)
    }
}

/// `uri-host [ ":" port ]` (RFC 9110, 7.2; RFC 3986, 3.2.2).
enum HostSyntax {
    /// Whether the bytes are a host, perhaps empty, with an optional port.
    static func isValid(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        if rest.first == UInt8(ascii: "[") {
            guard let end = rest.firstIndex(of: UInt8(ascii: "]")) else { return false }
            let literal = rest[(rest.startIndex + 1)..<end]
            guard !literal.isEmpty,
                literal.allSatisfy({
                    ASCII.hexValue($0) != nil || $0 == ASCII.colon || $0 == ASCII.dot
                })
            else { return false }
            rest = rest[(end + 1)...]
        } else {
            let name = rest.prefix { $0 != ASCII.colon }
            guard isName(name) else { return false }
            rest = rest.dropFirst(name.count)
        }
        guard let first = rest.first else { return true }
        return first == ASCII.colon && rest.count <= 6 && rest.dropFirst().allSatisfy(ASCII.isDigit)
    }

    private static func isName(_ name: ArraySlice<UInt8>) -> Bool {
        if name.allSatisfy(ASCII.isRegisteredName) { return true }
        return name.allSatisfy { ASCII.isRegisteredName($0) || $0 == ASCII.percent }
            && PercentCoding.decode(name) != nil
    }
}
