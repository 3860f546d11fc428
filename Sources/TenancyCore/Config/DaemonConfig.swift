/// All settings of the daemon. `docs/configuration.md` says what each one means.
///
/// Only `ConfigLoader` makes one, so a value of this type has passed every check.
public struct DaemonConfig: Sendable, Equatable {
    public var server: Server
    public var control: Control
    public var registry: Registry
    public var tenancy: Tenancy
    public var migrations: Migrations
    public var scheduler: Scheduler
    public var log: Log

    public struct Server: Sendable, Equatable {
        public var host: String
        /// 0 lets the system pick one.
        public var port: Int
        /// Listened on beside the address, when set.
        public var unixSocket: String?
        /// Its permissions, `0o660` for example.
        public var unixSocketMode: UInt32
        public var tls: TLS
        public var tokens: [Token]
        public var allowUnauthenticated: Bool
        /// Whether `/metrics` needs no token.
        public var openMetrics: Bool
        public var limits: Limits

        public struct TLS: Sendable, Equatable {
            public var certificateFile: String?
            public var privateKeyFile: String?
            public var clientCAFile: String?
            /// Whether a client without a certificate is turned away in the handshake.
            public var requireClientCertificate: Bool
            /// Who the owners of certificates are.
            public var clients: [Client]

            /// What the owner of a client certificate is known by.
            public struct Client: Sendable, Equatable {
                /// The certificate's subject as RFC 2253 writes it: `CN=ci,O=acme`.
                public var subject: String
                public var name: String
                public var role: Role
            }
        }

        /// What callers are known by: the token itself is not kept.
        public struct Token: Sendable, Equatable {
            public var name: String
            public var role: Role
            /// The 32 bytes of the token's SHA-256.
            public var sha256: [UInt8]
        }

        /// What a caller may do; each role may do what the one before it may.
        public enum Role: String, Sendable, CaseIterable, Comparable {
            case viewer, `operator`, admin

            public static func < (lhs: Role, rhs: Role) -> Bool { lhs.rank < rhs.rank }

            private var rank: Int {
                switch self {
                case .viewer: 0
                case .operator: 1
                case .admin: 2
                }
            }
        }

        /// Bounds of the HTTP server.
        public struct Limits: Sendable, Equatable {
            public var requestLineBytes: Int
            public var headerBytes: Int
            public var headerFields: Int
            public var bodyBytes: Int
            public var connections: Int
            public var connectionsPerClient: Int
            public var requestsPerConnection: Int
            /// Requests a second that a token or certificate may make; zero is no limit.
            public var requestRatePerCaller: Int
            /// Requests a second from one address; zero is no limit.
            public var requestRatePerAddress: Int
            public var eventStreams: Int
            public var headerTimeout: Duration
            public var bodyTimeout: Duration
            public var writeTimeout: Duration
            public var idleTimeout: Duration
        }
    }

    public struct Control: Sendable, Equatable {
        public var databaseURL: Secret
        public var schema: SchemaName
    }

    public struct Registry: Sendable, Equatable {
        public enum Source: String, Sendable, CaseIterable {
            case table, file
        }

        public var source: Source
        /// Where the table is; nil for the tenants' shared database.
        public var databaseURL: Secret?
        public var table: RegistryTable
        public var columns: TenantColumns
        public var file: String?
    }

    public struct Tenancy: Sendable, Equatable {
        public var databaseURL: Secret
        public var databaseURLTemplate: Secret?
        /// The same past a transaction pooler, where the others lead through one.
        public var directDatabaseURL: Secret?
        public var directDatabaseURLTemplate: Secret?
        public var schemaPrefix: String
        public var isolationRule: IsolationRule
        public var encryptionKey: Secret?
        public var createMissingSchemas: Bool
        /// Whether to write where `default_transaction_read_only` is on for the role or the database.
        public var overridesReadOnly: Bool
        /// Schemas that stand behind the tenant's own in `search_path`.
        public var extraSearchPath: [SchemaName]
    }

    public struct Migrations: Sendable, Equatable {
        public enum Source: String, Sendable, CaseIterable {
            case sql, alembic
        }

        public var source: Source
        public var path: String
        /// The interpreter, as a path or a name to be found in `PATH`.
        public var python: String
        /// The driver of every URL that workers get; nil where the project's own code decides.
        public var driver: PythonDriver?
        /// Whom Python runs as; nil is the daemon's own user.
        public var user: String?
        /// Most worker processes that run steps of an Alembic project.
        public var workers: Int
        /// How long an Alembic project may take to load.
        public var readTimeout: Duration
        /// Where a rendered project is kept over restarts.
        public var cacheFolder: String?
    }

    public struct Scheduler: Sendable, Equatable {
        public var concurrency: Int
        public var pageSize: Int
        public var maxRunningJobs: Int
        public var perServerConnections: Int
        public var transactionPer: TransactionScope
        public var lockTimeout: Duration
        /// What bounds the waits of statements that build or drop an index beside the application.
        public var concurrentLockTimeout: Duration
        /// Zero is no limit.
        public var statementTimeout: Duration
        public var maxAttempts: Int
        public var drainTimeout: Duration
        public var serverRecoveryTimeout: Duration
        public var targetLockTimeout: Duration
        public var connectTimeout: Duration
        /// How long a daemon's word on its jobs holds unless it is renewed.
        public var leaseTerm: Duration
    }

    public struct Log: Sendable, Equatable {
        public enum Level: String, Sendable, CaseIterable {
            case trace, debug, info, notice, warning, error, critical
        }

        public enum Format: String, Sendable, CaseIterable {
            case text, json
        }

        public var level: Level
        public var format: Format
    }
}
