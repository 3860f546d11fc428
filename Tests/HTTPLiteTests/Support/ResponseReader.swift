/// Reads responses strictly; nil where their framing is broken.
struct ResponseReader {
    struct Response: Equatable {
        var status: Int
        var fields: [(name: String, value: String)]
        var body: [UInt8]

        subscript(name: String) -> String? {
            fields.first { $0.name.lowercased() == name.lowercased() }?.value
        }

        var text: String { String(decoding: body, as: UTF8.self) }

        static func == (left: Response, right: Response) -> Bool {
            left.status == right.status && left.body == right.body
        }
    }

    private var bytes: ArraySlice<UInt8>
    private var methods: [String]

    /// - Parameters:
    ///   - bytes: all that came.
    ///   - methods: the requests' methods in order, because answers to HEAD have no body.
    init(_ bytes: [UInt8], methods: [String] = []) {
        self.bytes = bytes[...]
        self.methods = methods
    }

    /// The responses that are complete, interim ones included; nil if something is left over.
    mutating func all() -> [Response]? {
        var responses: [Response] = []
        while !bytes.isEmpty {
            guard let response = next() else { return nil }
            responses.append(response)
        }
        return responses
    }

    /// The next response, nil if it is not complete or broken.
    mutating func next() -> Response? {
        let start = bytes
        guard var response = head() else {
            bytes = start
            return nil
        }
        if response.status < 200 { return response }
        let method = methods.isEmpty ? "GET" : methods.removeFirst()
        let lengths = response.fields.filter { $0.name.lowercased() == "content-length" }
        if method == "HEAD" || response.status == 204 || response.status == 304 { return response }
        if response["Transfer-Encoding"] == "chunked" {
            guard lengths.isEmpty, let body = chunks() else {
                bytes = start
                return nil
            }
            response.body = body
        } else if lengths.count == 1, let length = Int(lengths[0].value), bytes.count >= length {
            response.body = Array(bytes.prefix(length))
            bytes = bytes.dropFirst(length)
        } else {
            bytes = start
            return nil
        }
        return response
    }

    private mutating func head() -> Response? {
        guard let line = self.line(), line.hasPrefix("HTTP/1.1 "), line.utf8.count > 13,
            let status = Int(line.dropFirst(9).prefix(3))
        else { return nil }
        var fields: [(String, String)] = []
        while let line = self.line() {
            if line.isEmpty { return Response(status: status, fields: fields, body: []) }
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            fields.append((String(line[..<colon]), String(value)))
        }
        return nil
    }

    private mutating func chunks() -> [UInt8]? {
        var body: [UInt8] = []
        while let line = self.line(), let size = Int(line, radix: 16) {
            guard bytes.count >= size + 2 else { return nil }
            body += bytes.prefix(size)
            bytes = bytes.dropFirst(size)
            guard self.line() == "" else { return nil }
            if size == 0 { return body }
        }
        return nil
    }

    private mutating func line() -> String? {
        guard let lf = bytes.firstIndex(of: 10), lf > bytes.startIndex, bytes[lf - 1] == 13 else {
            return nil
        }
        defer { bytes = bytes[(lf + 1)...] }
        let line = bytes[..<(lf - 1)]
        return line.contains(13) ? nil : String(decoding: line, as: UTF8.self)
    }
}
