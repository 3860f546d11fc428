internal import Engine
internal import PostgresClient
internal import Support
internal import Tenants

/// One setting: where it stands, what it may be, and what it is when nothing is said.
///
/// The list is the only one: the loader, the example file's test and the documentation's test go
/// by it.
struct ConfigKey: Sendable {
    /// What values a key takes.
    enum Kind: Sendable {
        case flag
        case integer(ClosedRange<Int>)
        case choice([String])
        /// Any text that is not empty.
        case text
        /// A file or folder, relative to the configuration's own.
        case path
        /// A program: a path when it has a slash, else a name for `PATH`.
        case command
        /// A PostgreSQL URL or `keyword=value` list.
        case connection
        /// A PostgreSQL URL with places for a tenant.
        case template
        case schema
        case schemaPrefix
        case encryptionKey
        case table
        case columns
        case tokens
        case clients
        /// Permissions of a file in octal digits.
        case fileMode
        case texts
        case schemas
    }

    /// The members' names from the root, joined by dots.
    let path: String
    let kind: Kind
    let standard: JSONValue
    let isSecret: Bool

    init(_ path: String, _ kind: Kind, _ standard: JSONValue, isSecret: Bool = false) {
        self.path = path
        self.kind = kind
        self.standard = standard
        self.isSecret = isSecret
    }

    var steps: [String] { path.split(separator: ".").map(String.init) }

    /// The environment variable that replaces the file's value.
    var variable: String { Self.prefix + path.replacing(".", with: "_").uppercased() }

    /// The environment variable that names a file with the value; secrets only.
    var fileVariable: String? { isSecret ? variable + "_FILE" : nil }

    /// Without a value of its own a key may be null.
    var presence: Presence { standard.isNull ? .nullable : .optional }

    static let prefix = "MIGRATIOND_"

    static func named(_ path: String) -> ConfigKey? { byPath[path] }

    private static let byPath = Dictionary(uniqueKeysWithValues: all.map { ($0.path, $0) })

    static let all: [ConfigKey] =
        server + limits + storage + tenancy + migrations + scheduler + log

    /// Up to a day: what is longer is more likely an error in writing than a wish.
    private static let milliseconds = 0...86_400_000
    private static let someMilliseconds = 1...86_400_000

    private static let server: [ConfigKey] = [
        ConfigKey("server.host", .text, "127.0.0.1"),
        ConfigKey("server.port", .integer(0...65_535), 8080),
        ConfigKey("server.unix_socket", .path, nil),
        ConfigKey("server.unix_socket_mode", .fileMode, "0660"),
        ConfigKey("server.tls.certificate_file", .path, nil),
        ConfigKey("server.tls.private_key_file", .path, nil),
        ConfigKey("server.tls.client_ca_file", .path, nil),
        ConfigKey("server.tls.require_client_certificate", .flag, true),
        ConfigKey("server.tls.clients", .clients, []),
        ConfigKey("server.tokens", .tokens, [], isSecret: true),
        ConfigKey("server.open_metrics", .flag, false),
        ConfigKey("server.allow_unauthenticated", .flag, false),
    ]

    private static let limits: [ConfigKey] = [
        ConfigKey("server.limits.request_line_bytes", .integer(8_192...65_536), 16_384),
        ConfigKey("server.limits.header_bytes", .integer(8_192...1_048_576), 65_536),
        ConfigKey("server.limits.header_fields", .integer(16...1_000), 100),
        ConfigKey("server.limits.body_bytes", .integer(1_024...1_073_741_824), 1_048_576),
        ConfigKey("server.limits.connections", .integer(1...1_000_000), 1_024),
        ConfigKey("server.limits.connections_per_client", .integer(1...1_000_000), 256),
        ConfigKey("server.limits.requests_per_connection", .integer(1...1_000_000_000), 10_000),
        ConfigKey("server.limits.requests_per_second_per_caller", .integer(0...1_000_000), 2_000),
        ConfigKey("server.limits.requests_per_second_per_address", .integer(0...1_000_000), 2_000),
        ConfigKey("server.limits.event_streams", .integer(0...100_000), 64),
        ConfigKey("server.limits.header_timeout_ms", .integer(someMilliseconds), 10_000),
        ConfigKey("server.limits.body_timeout_ms", .integer(someMilliseconds), 30_000),
        ConfigKey("server.limits.write_timeout_ms", .integer(someMilliseconds), 30_000),
        ConfigKey("server.limits.idle_timeout_ms", .integer(someMilliseconds), 70_000),
    ]

    private static let storage: [ConfigKey] = [
        ConfigKey("control.database_url", .connection, "postgresql:///control", isSecret: true),
        ConfigKey("control.schema", .schema, "migrationd"),
        ConfigKey("registry.source", choice(DaemonConfig.Registry.Source.self), "table"),
        ConfigKey("registry.database_url", .connection, nil, isSecret: true),
        ConfigKey("registry.table", .table, "tenants"),
        ConfigKey("registry.columns", .columns, [:]),
        ConfigKey("registry.file", .path, nil),
    ]

    private static let tenancy: [ConfigKey] = [
        ConfigKey("tenancy.isolation_strategy", choice(IsolationStrategy.self), "schema"),
        ConfigKey("tenancy.database_url", .connection, "postgresql:///app", isSecret: true),
        ConfigKey("tenancy.database_url_template", .template, nil, isSecret: true),
        ConfigKey("tenancy.direct_database_url", .connection, nil, isSecret: true),
        ConfigKey("tenancy.direct_database_url_template", .template, nil, isSecret: true),
        ConfigKey("tenancy.schema_prefix", .schemaPrefix, "tenant_"),
        ConfigKey("tenancy.premium_tenants", .texts, []),
        ConfigKey("tenancy.premium_isolation_strategy", choice(Isolation.self), "schema"),
        ConfigKey("tenancy.standard_isolation_strategy", choice(Isolation.self), "rls"),
        ConfigKey("tenancy.encryption_key", .encryptionKey, nil, isSecret: true),
        ConfigKey("tenancy.create_missing_schemas", .flag, false),
        ConfigKey("tenancy.override_read_only", .flag, false),
        ConfigKey("tenancy.extra_search_path", .schemas, []),
    ]

    private static let migrations: [ConfigKey] = [
        ConfigKey("migrations.source", choice(DaemonConfig.Migrations.Source.self), "sql"),
        ConfigKey("migrations.path", .path, "migrations"),
        ConfigKey("migrations.python", .command, "python3"),
        ConfigKey("migrations.driver", choice(PythonDriver.self), nil),
        ConfigKey("migrations.user", .text, nil),
        ConfigKey("migrations.workers", .integer(1...64), 2),
        ConfigKey("migrations.read_timeout_ms", .integer(someMilliseconds), 120_000),
        ConfigKey("migrations.cache_folder", .path, nil),
    ]

    private static let scheduler: [ConfigKey] = [
        ConfigKey("scheduler.concurrency", .integer(1...1_000), 10),
        ConfigKey("scheduler.page_size", .integer(1...1_000), 100),
        ConfigKey("scheduler.max_running_jobs", .integer(1...100), 4),
        ConfigKey("scheduler.per_server_connections", .integer(1...10_000), 50),
        ConfigKey(
            "scheduler.transaction_per", choice(TransactionScope.self),
            "step"),
        ConfigKey("scheduler.lock_timeout_ms", .integer(someMilliseconds), 3_000),
        ConfigKey("scheduler.concurrent_lock_timeout_ms", .integer(milliseconds), 600_000),
        ConfigKey("scheduler.statement_timeout_ms", .integer(milliseconds), 0),
        ConfigKey("scheduler.max_attempts", .integer(1...100), 5),
        ConfigKey("scheduler.drain_timeout_ms", .integer(milliseconds), 30_000),
        ConfigKey("scheduler.server_recovery_timeout_ms", .integer(milliseconds), 600_000),
        ConfigKey("scheduler.target_lock_timeout_ms", .integer(milliseconds), 600_000),
        ConfigKey("scheduler.connect_timeout_ms", .integer(someMilliseconds), 10_000),
        ConfigKey("scheduler.lease_ms", .integer(1_000...600_000), 15_000),
    ]

    private static let log: [ConfigKey] = [
        ConfigKey("log.level", choice(DaemonConfig.Log.Level.self), "info"),
        ConfigKey("log.format", choice(DaemonConfig.Log.Format.self), "text"),
    ]

    private static func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ type: Choice.Type
    ) -> Kind {
        .choice(type.allCases.map(\.rawValue))
    }
}
