/// An error as the server reported it (PostgreSQL manual, "Error and Notice Message Fields").
///
/// DETAIL is left out on purpose: it quotes values of rows.
package struct ServerError: Sendable, Equatable {
    /// Five characters; empty when the connection broke without one.
    package var sqlState: String
    /// The primary message.
    package let message: String
    package let hint: String?
    /// Where in the message text, in Unicode scalars from 1; most DDL errors carry none.
    package let position: Int?
    package let table: String?
    package let constraint: String?
    /// How many statements of the message had completed before.
    package let completedStatements: Int

    package init(
        sqlState: String, message: String, hint: String? = nil, position: Int? = nil,
        table: String? = nil, constraint: String? = nil, completedStatements: Int = 0
    ) {
        self.sqlState = sqlState
        self.message = message
        self.hint = hint
        self.position = position
        self.table = table
        self.constraint = constraint
        self.completedStatements = completedStatements
    }
}

/// What can go wrong between this program and a PostgreSQL server. Never holds credentials.
package enum PostgresError: Error, Sendable, Equatable {
    /// No connection came about: refused by libpq, by the server, or by the network.
    case connectFailed(ConnectRefusal)
    /// The server refused a statement; the connection is usable after a ROLLBACK.
    case server(ServerError)
    /// The connection broke while a statement was under way: what it did is unknown.
    case connectionLost(message: String)
    /// The deadline passed; the statement was cancelled, or the connection given up.
    case deadlinePassed
    /// The task that waited was cancelled, and with it the statement. `completedStatements` of the
    /// message had completed before; `nil` when the server did not say.
    case cancelled(completedStatements: Int?)

    package var sqlState: String? {
        switch self {
        case .connectFailed(let refusal): refusal.sqlState
        case .server(let error): error.sqlState
        case .connectionLost, .deadlinePassed, .cancelled: nil
        }
    }
}

extension PostgresError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .connectFailed(let refusal): refusal.message
        case .server(let error): error.message
        case .connectionLost(let message): "the connection was lost: \(message)"
        case .deadlinePassed: "the time allowed for it ran out"
        case .cancelled: "it was cancelled"
        }
    }
}

/// The SQLSTATEs that decisions are made on (PostgreSQL manual, "PostgreSQL Error Codes").
package enum SQLState {
    package static let featureNotSupported = "0A000"
    package static let cannotConnect = "08001"
    package static let characterNotInRepertoire = "22021"
    package static let divisionByZero = "22012"
    package static let invalidCatalogName = "3D000"
    package static let invalidSchemaName = "3F000"
    package static let wrongObjectType = "42809"
    package static let undefinedTable = "42P01"
    package static let duplicateTable = "42P07"
    package static let duplicateSchema = "42P06"
    package static let duplicateObject = "42710"
    package static let duplicateFunction = "42723"
    package static let undefinedObject = "42704"
    package static let undefinedFunction = "42883"
    package static let uniqueViolation = "23505"
    package static let unsafeNewEnumValue = "55P04"
    package static let internalError = "XX000"
    package static let lockNotAvailable = "55P03"
    package static let deadlockDetected = "40P01"
    package static let serializationFailure = "40001"
    package static let queryCanceled = "57014"
    package static let adminShutdown = "57P01"
    package static let crashShutdown = "57P02"
    package static let cannotConnectNow = "57P03"
    package static let tooManyConnections = "53300"
    package static let insufficientPrivilege = "42501"
    package static let readOnlyTransaction = "25006"

    /// Whether a value was at fault: of another type, out of range, no text (class 22).
    package static func isDataException(_ state: String) -> Bool { state.hasPrefix("22") }

    /// Whether the same statement may succeed when it is tried again.
    package static func isRetryable(_ state: String) -> Bool {
        switch state {
        case lockNotAvailable, deadlockDetected, serializationFailure, adminShutdown, crashShutdown,
            cannotConnectNow, tooManyConnections, readOnlyTransaction:
            true
        default: isConnectionException(state)
        }
    }

    /// Class 08.
    static func isConnectionException(_ state: String) -> Bool { state.hasPrefix("08") }
}
