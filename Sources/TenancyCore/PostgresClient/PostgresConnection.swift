internal import CLibPQ
internal import Glibc
package import Support

/// What one statement answered.
package struct StatementResult: Sendable, Equatable {
    /// The command tag, such as `CREATE TABLE` or `UPDATE 1`.
    package let tag: String
    /// The names of the columns, none for a statement without rows.
    package let columns: [String]
    /// Rows as text; SQL NULL is `nil`.
    package let rows: [[String?]]
}

/// One connection to a PostgreSQL server, driven through libpq's asynchronous calls on a thread of
/// its own, so that every wait has a deadline and can be interrupted.
///
/// A method suspends its caller, blocks only the connection's thread, and ends at the deadline or
/// when the calling task is cancelled. In both cases the server is asked to cancel the statement,
/// has `cancelPatience` to answer, and the connection is closed, which rolls back what was open.
package actor PostgresConnection {
    /// How long a server may take to confirm a cancellation before its connection is given up.
    static let cancelPatience = Duration.seconds(5)

    private nonisolated let thread: ConnectionThread
    private nonisolated let interrupt = Interrupt()
    private var handle: ConnectionHandle?

    /// The server's version as libpq counts it, such as 150018 for 15.18.
    package nonisolated let serverVersion: Int
    /// The session's process id as it was told at the start; a pooler tells one of its own.
    package nonisolated let backendID: Int32

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        thread.asUnownedSerialExecutor()
    }

    private init(thread: ConnectionThread, handle: sending ConnectionHandle) {
        self.thread = thread
        self.serverVersion = Int(handle.withRaw(PQserverVersion))
        backendID = handle.withRaw(PQbackendPID)
        self.handle = handle
    }

    /// Connects by the given libpq keywords, on `thread`.
    ///
    /// - Throws: `connectFailed`, `deadlinePassed`, or `cancelled`.
    package static func connect(
        _ parameters: ConnectionParameters, on thread: ConnectionThread = ConnectionThread(),
        deadline: Deadline = .after(.seconds(10)),
        onNotice: @escaping @Sendable (PostgresNotice) -> Void = { _ in }
    ) async throws(PostgresError) -> PostgresConnection {
        let connector = Connector(thread: thread)
        let result: Result<PostgresConnection, PostgresError> =
            await withTaskCancellationHandler {
                await connector.connect(parameters, deadline: deadline, onNotice: onNotice)
            } onCancel: {
                connector.interrupt.request()
            }
        return try result.get()
    }

    /// Whether the connection can still be used.
    package var isOpen: Bool {
        handle.map { $0.status == CONNECTION_OK } ?? false
    }

    /// Whether a transaction block is open, failed ones included.
    package var isInTransaction: Bool {
        handle.map { $0.withRaw(PQtransactionStatus) != PQTRANS_IDLE } ?? false
    }

    /// Sends one message of any number of statements (the simple query protocol), and returns the
    /// result of each.
    ///
    /// A `ServerError` says in `completedStatements` which statement failed. The data of COPY TO
    /// STDOUT (text format) is thrown away, unless `keepingCopies` makes it the statement's rows.
    package func execute(
        _ sql: String, keepingCopies: Bool = false, deadline: Deadline = .never
    ) async throws(PostgresError) -> [StatementResult] {
        try requireText([sql])
        return try await interruptibly { connection in
            connection.roundTrip(deadline: deadline, keepsCopies: keepingCopies) {
                PQsendQuery($0, sql)
            }
        }
    }

    /// Sends one statement with parameters as text (the extended query protocol).
    ///
    /// - Returns: the rows alone.
    package func query(
        _ sql: String, _ parameters: [String?] = [], deadline: Deadline = .never
    ) async throws(PostgresError) -> [[String?]] {
        try await run(sql, parameters, deadline: deadline).rows
    }

    /// Sends one statement with parameters as text (the extended query protocol).
    package func run(
        _ sql: String, _ parameters: [String?] = [], deadline: Deadline = .never
    ) async throws(PostgresError) -> StatementResult {
        try requireText(parameters)
        let results = try await interruptibly { connection in
            connection.roundTrip(deadline: deadline) { raw in
                withCStrings(parameters) { values in
                    PQsendQueryParams(
                        raw, sql, Int32(parameters.count), nil, values, nil, nil, 0)
                }
            }
        }
        return results.last ?? StatementResult(tag: "", columns: [], rows: [])
    }

    /// Waits for notifications of the channels that the session listens to (LISTEN).
    ///
    /// - Returns: their payloads; none when the deadline passed first.
    package func notifications(until deadline: Deadline) async throws(PostgresError) -> [String] {
        interrupt.reset()
        let result = await withTaskCancellationHandler {
            awaitNotifications(until: deadline)
        } onCancel: {
            interrupt.request()
        }
        return try result.get()
    }

    private func awaitNotifications(
        until deadline: Deadline
    ) -> Result<[String], PostgresError> {
        guard let handle else {
            return .failure(.connectionLost(message: "the connection is closed"))
        }
        while true {
            let payloads = handle.takeNotifications()
            if !payloads.isEmpty { return .success(payloads) }
            switch waitFor(handle, POLLIN, interrupt: interrupt, deadline: deadline) {
            case .interrupted: return .failure(.cancelled(completedStatements: nil))
            case .timedOut: return .success([])
            case .ready:
                guard handle.withRaw(PQconsumeInput) == 1, handle.status == CONNECTION_OK else {
                    return .failure(lost(handle))
                }
            }
        }
    }

    /// PostgreSQL's texts hold no null byte, and C would take what follows it for absent.
    private func requireText(_ texts: [String?]) throws(PostgresError) {
        if texts.contains(where: { $0?.utf8.contains(0) == true }) {
            throw .server(
                ServerError(
                    sqlState: SQLState.characterNotInRepertoire,
                    message: "a null byte cannot stand in a text"))
        }
    }

    /// Closes the connection; what runs on the server is told to end.
    package func close() {
        handle = nil
    }

    // MARK: - One round trip

    private func interruptibly(
        _ body: @Sendable (isolated PostgresConnection) -> Result<[StatementResult], PostgresError>
    ) async throws(PostgresError) -> [StatementResult] {
        interrupt.reset()
        let result = await withTaskCancellationHandler {
            body(self)
        } onCancel: {
            interrupt.request()
        }
        return try result.get()
    }

    private func roundTrip(
        deadline: Deadline, keepsCopies: Bool = false, send: (OpaquePointer) -> Int32
    ) -> Result<[StatementResult], PostgresError> {
        guard let handle else {
            return .failure(.connectionLost(message: "the connection is closed"))
        }
        guard handle.withRaw(send) == 1 else { return .failure(lost(handle)) }
        var exchange = Exchange(
            handle: handle, interrupt: interrupt, deadline: deadline, keepsCopies: keepsCopies)
        let result = exchange.run()
        if !exchange.isReusable { self.handle = nil }
        return result
    }

    private func lost(_ handle: ConnectionHandle) -> PostgresError {
        let message = handle.errorMessage
        self.handle = nil
        return .connectionLost(message: message)
    }
}

/// Passes `strings` as an array of C strings that lives for the length of `body`.
private func withCStrings<R>(
    _ strings: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> R
) -> R {
    let copies = strings.map { $0.map { strdup($0) } ?? nil }
    defer { copies.forEach { free($0) } }
    return copies.map { UnsafePointer($0) }.withUnsafeBufferPointer { body($0.baseAddress) }
}

/// Makes a connection on its thread before there is an actor for it.
private actor Connector {
    private nonisolated let thread: ConnectionThread
    nonisolated let interrupt = Interrupt()

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(thread: ConnectionThread) {
        self.thread = thread
    }

    func connect(
        _ parameters: ConnectionParameters, deadline: Deadline,
        onNotice: @escaping @Sendable (PostgresNotice) -> Void
    ) -> Result<PostgresConnection, PostgresError> {
        PostgresConnection.open(
            parameters, thread: thread, interrupt: interrupt, deadline: deadline,
            onNotice: onNotice)
    }
}

extension PostgresConnection {
    /// What every session is opened with unless the URL says otherwise. A dead peer is noticed
    /// within half a minute; `tcp_user_timeout` alone does not do that while a reply is awaited.
    private static let defaults = [
        ("application_name", "migrationd"), ("keepalives", "1"), ("keepalives_idle", "15"),
        ("keepalives_interval", "5"), ("keepalives_count", "3"), ("tcp_user_timeout", "30000"),
    ]
    /// What every session is opened with whatever the URL says: texts are UTF-8 on this side. Of
    /// two values for one keyword libpq takes the later.
    private static let fixed = [("client_encoding", "UTF8")]

    fileprivate static func open(
        _ parameters: ConnectionParameters, thread: ConnectionThread, interrupt: Interrupt,
        deadline: Deadline, onNotice: @escaping @Sendable (PostgresNotice) -> Void
    ) -> Result<PostgresConnection, PostgresError> {
        guard let started = begin(parameters) else {
            return .failure(.connectFailed(ConnectRefusal(.client, "libpq is out of memory")))
        }
        let handle = ConnectionHandle(owning: started)
        handle.setNoticeReceiver(onNotice)
        // So that the message of a refused start-up holds the SQLSTATE, which libpq keeps nowhere.
        handle.withRaw { _ = PQsetErrorVerbosity($0, PQERRORS_VERBOSE) }
        if let error = finishConnecting(
            handle, parameters, interrupt: interrupt, deadline: deadline)
        {
            return .failure(error)
        }
        handle.withRaw { raw in
            PQsetErrorVerbosity(raw, PQERRORS_DEFAULT)
            // Otherwise a server that reads nothing holds up the sending, whatever the deadline is.
            PQsetnonblocking(raw, 1)
        }
        return .success(PostgresConnection(thread: thread, handle: handle))
    }

    /// Begins to connect, with the first address tried; the caller owns what is returned.
    package static func begin(_ parameters: ConnectionParameters) -> OpaquePointer? {
        let given = parameters.keywordValues.map { ($0.keyword, $0.value) }
        let keywords = defaults + given + fixed
        return withCStrings(keywords.map { $0.0 } + [nil]) { names in
            withCStrings(keywords.map { $0.1 } + [nil]) { values in
                PQconnectStartParams(names, values, 0)
            }
        }
    }

    private static func finishConnecting(
        _ handle: ConnectionHandle, _ parameters: ConnectionParameters, interrupt: Interrupt,
        deadline: Deadline
    ) -> PostgresError? {
        var peer = ConnectPeer.unknown
        var state = PGRES_POLLING_WRITING
        while handle.status != CONNECTION_BAD {
            switch state {
            case PGRES_POLLING_OK: return nil
            case PGRES_POLLING_FAILED: return connectFailure(handle, peer, parameters)
            default: break
            }
            let events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT
            switch waitFor(handle, events, interrupt: interrupt, deadline: deadline) {
            case .ready:
                (peer, state) = handle.withRaw { raw in
                    (.look(atSocket: PQsocket(raw)), PQconnectPoll(raw))
                }
            case .interrupted: return .cancelled(completedStatements: 0)
            case .timedOut:
                return .connectFailed(
                    ConnectRefusal(.network, "no connection came about in the time allowed"))
            }
        }
        return connectFailure(handle, peer, parameters)
    }

    private static func connectFailure(
        _ handle: ConnectionHandle, _ peer: ConnectPeer, _ parameters: ConnectionParameters
    ) -> PostgresError {
        // The server tells its version once it has let a session in.
        let hadSession = handle.withRaw { PQparameterStatus($0, "server_version") != nil }
        return .connectFailed(
            refusal(handle.errorMessage, peer, hadSession: hadSession, parameters))
    }
}
