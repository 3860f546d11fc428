package import Engine
package import JobModel
package import PostgresClient
package import Tenants

/// All settings of the daemon. `docs/configuration.md` says what each one means.
///
/// Only `ConfigLoader` makes one, so a value of this type has passed every check.
package struct DaemonConfig: Sendable, Equatable {
    package var server: Server
    package var control: Control
    package var registry: Registry
    package var tenancy: Tenancy
    package var migrations: Migrations
    package var scheduler: Scheduler
    package var log: Log

    /// The HTTP server, and who may call it.
    package struct Server: Sendable, Equatable {
        package var host: String
        /// 0 lets the system pick one.
        package var port: Int
        /// Listened on beside the address, when set.
        package var unixSocket: String?
        /// Its permissions, `0o660` for example.
        package var unixSocketMode: UInt32
        package var tls: TLS
        package var tokens: [AccessToken]
        package var allowUnauthenticated: Bool
        /// Whether `/metrics` needs no token.
        package var openMetrics: Bool
        package var limits: Limits

        /// Certificates of the server and of its clients.
        package struct TLS: Sendable, Equatable {
            package var certificateFile: String?
            package var privateKeyFile: String?
            package var clientCAFile: String?
            /// Whether a client without a certificate is turned away in the handshake.
            package var requireClientCertificate: Bool
            /// Who the owners of certificates are.
            package var clients: [CertificateOwner]
        }

        /// Bounds of the HTTP server.
        package struct Limits: Sendable, Equatable {
            package var requestLineBytes: Int
            package var headerBytes: Int
            package var headerFields: Int
            package var bodyBytes: Int
            package var connections: Int
            package var connectionsPerClient: Int
            package var requestsPerConnection: Int
            /// Requests a second that a token or certificate may make; zero is no limit.
            package var requestRatePerCaller: Int
            /// Requests a second from one address; zero is no limit.
            package var requestRatePerAddress: Int
            package var eventStreams: Int
            package var headerTimeout: Duration
            package var bodyTimeout: Duration
            package var writeTimeout: Duration
            package var idleTimeout: Duration
        }
    }

    /// Where jobs and results are kept.
    package struct Control: Sendable, Equatable {
        package var databaseURL: Secret
        package var schema: SchemaName
    }

    /// Where tenants are listed.
    package struct Registry: Sendable, Equatable {
        /// What the registry is read from.
        package enum Source: String, Sendable, CaseIterable {
            case table, file
        }

        package var source: Source
        /// Where the table is; nil for the tenants' shared database.
        package var databaseURL: Secret?
        package var table: RegistryTable
        package var columns: TenantColumns
        package var file: String?
    }

    /// Where tenants live.
    package struct Tenancy: Sendable, Equatable {
        package var databaseURL: Secret
        package var databaseURLTemplate: Secret?
        /// The same past a transaction pooler, where the others lead through one.
        package var directDatabaseURL: Secret?
        package var directDatabaseURLTemplate: Secret?
        package var schemaPrefix: String
        package var isolationRule: IsolationRule
        package var encryptionKey: Secret?
        package var createMissingSchemas: Bool
        /// Whether to write where `default_transaction_read_only` is on for the role or the database.
        package var overridesReadOnly: Bool
        /// Schemas that stand behind the tenant's own in `search_path`.
        package var extraSearchPath: [SchemaName]

        /// What of it places tenants.
        package var placementRules: PlacementRules {
            PlacementRules(
                isolation: isolationRule, databaseURL: databaseURL,
                databaseURLTemplate: databaseURLTemplate, directDatabaseURL: directDatabaseURL,
                directDatabaseURLTemplate: directDatabaseURLTemplate, schemaPrefix: schemaPrefix,
                encryptionKey: encryptionKey)
        }
    }

    /// What tenants are migrated with.
    package struct Migrations: Sendable, Equatable {
        /// How the migrations are written.
        package enum Source: String, Sendable, CaseIterable {
            case sql, alembic
        }

        package var source: Source
        package var path: String
        /// The interpreter, as a path or a name to be found in `PATH`.
        package var python: String
        /// The driver of every URL that workers get; nil where the project's own code decides.
        package var driver: PythonDriver?
        /// Whom Python runs as; nil is the daemon's own user.
        package var user: String?
        /// Most worker processes that run steps of an Alembic project.
        package var workers: Int
        /// How long an Alembic project may take to load.
        package var readTimeout: Duration
        /// Where a rendered project is kept over restarts.
        package var cacheFolder: String?
    }

    /// How jobs run.
    package struct Scheduler: Sendable, Equatable {
        package var concurrency: Int
        package var pageSize: Int
        package var maxRunningJobs: Int
        package var perServerConnections: Int
        package var transactionPer: TransactionScope
        package var lockTimeout: Duration
        /// What bounds the waits of statements that build or drop an index beside the application.
        package var concurrentLockTimeout: Duration
        /// Zero is no limit.
        package var statementTimeout: Duration
        package var maxAttempts: Int
        package var drainTimeout: Duration
        package var serverRecoveryTimeout: Duration
        package var targetLockTimeout: Duration
        package var connectTimeout: Duration
        /// How long a daemon's word on its jobs holds unless it is renewed.
        package var leaseTerm: Duration
    }

    /// What is logged, and how.
    package struct Log: Sendable, Equatable {
        /// The least that is logged.
        package enum Level: String, Sendable, CaseIterable {
            case trace, debug, info, notice, warning, error, critical
        }

        /// Lines for people, or JSON for programs.
        package enum Format: String, Sendable, CaseIterable {
            case text, json
        }

        package var level: Level
        package var format: Format
    }
}
