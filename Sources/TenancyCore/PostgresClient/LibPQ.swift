internal import CLibPQ
internal import Support

/// Owns one PGresult; it is cleared exactly once, when this value ends.
struct ResultHandle: ~Copyable {
    private let raw: OpaquePointer

    init(owning raw: OpaquePointer) {
        self.raw = raw
    }

    deinit {
        PQclear(raw)
    }

    var status: ExecStatusType { withRaw(PQresultStatus) }

    /// The command tag's first words, such as `CREATE TABLE` or `UPDATE 1`.
    var commandTag: String { withRaw { String(cString: PQcmdStatus($0)) } }

    /// The columns' names.
    func columns() -> [String] {
        withRaw { raw in (0..<PQnfields(raw)).map { String(cString: PQfname(raw, $0)) } }
    }

    /// Every row as text; SQL NULL is `nil`.
    func rows() -> [[String?]] {
        withRaw { raw in
            let columns = PQnfields(raw)
            return (0..<PQntuples(raw)).map { row in
                (0..<columns).map { column in
                    PQgetisnull(raw, row, column) == 1
                        ? nil : String(cString: PQgetvalue(raw, row, column))
                }
            }
        }
    }

    func serverError(after completed: Int) -> ServerError {
        ServerError(
            sqlState: field("C") ?? "",
            message: field("M").map(scrub)
                ?? withRaw { ConnectionHandle.trimmed(PQresultErrorMessage($0)) },
            hint: field("H").map(scrub), position: field("P").flatMap { Int($0) },
            table: field("t"),
            constraint: field("n"), completedStatements: completed)
    }

    /// One of libpq's PG_DIAG_ fields, which are characters.
    private func field(_ code: Unicode.Scalar) -> String? {
        withRaw { PQresultErrorField($0, Int32(code.value)).map { String(cString: $0) } }
    }

    /// Lends the pointer to `body`: the result, and every text in it, lives until that returns.
    private func withRaw<Value>(_ body: (OpaquePointer) -> Value) -> Value {
        defer { extendLifetime(self) }
        return body(raw)
    }
}

/// Owns one PGconn; the connection is finished exactly once, with the last reference.
final class ConnectionHandle {
    private let raw: OpaquePointer
    private var notices: Unmanaged<NoticeSink>?

    init(owning raw: OpaquePointer) {
        self.raw = raw
    }

    deinit {
        PQfinish(raw)
        notices?.release()
    }

    /// Lends the pointer to `body`, which must not keep it: the connection, with its socket, lives
    /// until that returns.
    func withRaw<Value>(_ body: (OpaquePointer) -> Value) -> Value {
        withExtendedLifetime(self) { body(raw) }
    }

    var status: ConnStatusType { withRaw(PQstatus) }

    var errorMessage: String { withRaw { ConnectionHandle.trimmed(PQerrorMessage($0)) } }

    /// Hands the server's notices to `sink` instead of standard error.
    func setNoticeReceiver(_ receive: @escaping @Sendable (PostgresNotice) -> Void) {
        let sink = Unmanaged.passRetained(NoticeSink(receive))
        notices = sink
        PQsetNoticeReceiver(
            raw,
            { context, result in
                guard let context, let result else { return }
                let sink = Unmanaged<NoticeSink>.fromOpaque(context).takeUnretainedValue()
                func field(_ code: Unicode.Scalar) -> String {
                    PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) } ?? ""
                }
                sink.receive(
                    PostgresNotice(
                        severity: field("V"), sqlState: field("C"), message: scrub(field("M"))))
            }, sink.toOpaque())
    }

    /// The payloads of the notifications that have been read from the socket.
    func takeNotifications() -> [String] {
        var payloads: [String] = []
        while let notification = withRaw(PQnotifies) {
            payloads.append(String(cString: notification.pointee.extra))
            PQfreemem(notification)
        }
        return payloads
    }

    /// libpq's messages end in a newline and may run over several lines.
    static func trimmed(_ message: UnsafeMutablePointer<CChar>?) -> String {
        guard let message else { return "" }
        let lines = String(cString: message).split(whereSeparator: \.isNewline)
        return scrub(lines.map { $0.drop { $0 == "\t" || $0 == " " } }.joined(separator: "; "))
    }
}

private final class NoticeSink {
    let receive: @Sendable (PostgresNotice) -> Void

    init(_ receive: @escaping @Sendable (PostgresNotice) -> Void) {
        self.receive = receive
    }
}

/// A notice or warning that the server sent beside its results.
package struct PostgresNotice: Sendable, Equatable {
    /// `NOTICE`, `WARNING`, `INFO`, `LOG` or `DEBUG`, untranslated.
    package let severity: String
    package let sqlState: String
    package let message: String
}
