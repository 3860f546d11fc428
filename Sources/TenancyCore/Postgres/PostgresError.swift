/// An error as the server reported it (PostgreSQL manual, "Error and Notice Message Fields").
///
/// DETAIL is left out on purpose: it quotes values of rows.
public struct ServerError: Sendable, Equatable {
    /// Five characters; empty when the connection broke without one.
    public var sqlState: String
    /// The primary message.
    public let message: String
    public let hint: String?
    /// Where in the message text, in Unicode scalars from 1; most DDL errors carry none.
    public let position: Int?
    public let table: String?
    public let constraint: String?
    /// How many statements of the message had completed before.
    public let completedStatements: Int

    public init(
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
public enum PostgresError: Error, Sendable, Equatable {
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

    public var sqlState: String? {
        switch self {
        case .connectFailed(let refusal): refusal.sqlState
        case .server(let error): error.sqlState
        case .connectionLost, .deadlinePassed, .cancelled: nil
        }
    }
}

extension PostgresError: CustomStringConvertible {
    public var description: String {
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
public enum SQLState {
    public static let featureNotSupported = "0A000"
    public static let cannotConnect = "08001"
    public static let characterNotInRepertoire = "22021"
    public static let divisionByZero = "22012"
    public static let invalidCatalogName = "3D000"
    public static let invalidSchemaName = "3F000"
    public static let wrongObjectType = "42809"
    public static let undefinedTable = "42P01"
    public static let duplicateTable = "42P07"
    public static let duplicateSchema = "42P06"
    public static let duplicateObject = "42710"
    public static let duplicateFunction = "42723"
    public static let undefinedObject = "42704"
    public static let undefinedFunction = "42883"
    public static let uniqueViolation = "23505"
    public static let unsafeNewEnumValue = "55P04"
    public static let internalError = "XX000"
    public static let lockNotAvailable = "55P03"
    public static let deadlockDetected = "40P01"
    public static let serializationFailure = "40001"
    public static let queryCanceled = "57014"
    public static let adminShutdown = "57P01"
    public static let crashShutdown = "57P02"
    public static let cannotConnectNow = "57P03"
    public static let tooManyConnections = "53300"
    public static let insufficientPrivilege = "42501"
    public static let readOnlyTransaction = "25006"

    /// Whether a value was at fault: of another type, out of range, no text (class 22).
    public static func isDataException(_ state: String) -> Bool { state.hasPrefix("22") }

    /// Whether the same statement may succeed when it is tried again.
    public static func isRetryable(_ state: String) -> Bool {
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
