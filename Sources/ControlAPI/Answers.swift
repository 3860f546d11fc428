internal import HTTPLite
internal import Support

extension APICall {
    /// A JSON answer; with a tag, `304` without a body when the caller has it already.
    package func json(
        _ value: JSONValue, status: HTTPStatus = .ok, tag: EntityTag? = nil
    ) -> HTTPResponse {
        json(value.rendered(), status: status, tag: tag)
    }

    /// A page of a list, tagged by its content.
    package func page(_ items: [JSONValue], nextCursor: String?) -> HTTPResponse {
        let body = JSONValue.object([
            "items": .array(items), "next_cursor": JSONValue(nextCursor),
        ]).rendered()
        return json(body, tag: EntityTag(value: Hash.hex(body)))
    }

    /// A JSON answer to the call.
    package func json(
        _ body: [UInt8], status: HTTPStatus = .ok, tag: EntityTag? = nil
    ) -> HTTPResponse {
        let known = http.fields.values(of: RequestField.ifNoneMatch.rawValue)
        var response: HTTPResponse
        if let tag, tag.matches(ifNoneMatch: known) {
            response = HTTPResponse(status: .notModified)
        } else {
            response = HTTPResponse(
                status: status, fields: ["Content-Type": MediaType.json.text], body: .bytes(body))
        }
        // With a tag a copy may be kept but must be asked about (RFC 9111, section 5.2.2).
        response.fields["Cache-Control"] = tag == nil ? "no-store" : "no-cache"
        if let tag { response.fields[ResponseField.entityTag.rawValue] = tag.text }
        return response
    }
}

/// One page of rows that were asked for with one row more than the page holds.
package struct Page<Row: Sendable>: Sendable {
    let rows: [Row]
    private let isLast: Bool

    init(_ rows: [Row], limit: Int) {
        isLast = rows.count <= limit
        self.rows = Array(rows.prefix(limit))
    }

    /// The cursor of the next page; nil when there is none.
    func nextCursor(_ cursor: Cursor, position: (Row) -> String) -> String? {
        guard !isLast, let last = rows.last else { return nil }
        return cursor.text(after: position(last))
    }
}
