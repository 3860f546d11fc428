internal import JobModel
internal import PostgresClient
internal import Support
internal import Tenants

extension DaemonConfig {
    /// The settings of checked values.
    init(_ values: ConfigValues) {
        server = Server(values)
        control = Control(
            databaseURL: values.secret("control.database_url"),
            schema: Self.schema(values.string("control.schema")))
        registry = Registry(values)
        tenancy = Tenancy(values)
        migrations = Migrations(
            source: values.choice("migrations.source"), path: values.string("migrations.path"),
            python: values.string("migrations.python"),
            driver: values.optionalString("migrations.driver").flatMap {
                PythonDriver(rawValue: $0)
            },
            user: values.optionalString("migrations.user"),
            workers: values.integer("migrations.workers"),
            readTimeout: values.milliseconds("migrations.read_timeout_ms"),
            cacheFolder: values.optionalString("migrations.cache_folder"))
        scheduler = Scheduler(values)
        log = Log(level: values.choice("log.level"), format: values.choice("log.format"))
    }

    fileprivate static func schema(_ text: String) -> SchemaName {
        do throws(SchemaNameError) {
            return try SchemaName(text)
        } catch {
            preconditionFailure("a schema's name passed its check and \(error)")
        }
    }
}

extension DaemonConfig.Server {
    fileprivate init(_ values: ConfigValues) {
        host = values.string("server.host")
        port = values.integer("server.port")
        unixSocket = values.optionalString("server.unix_socket")
        unixSocketMode = UInt32(values.string("server.unix_socket_mode"), radix: 8) ?? 0o600
        tls = TLS(
            certificateFile: values.optionalString("server.tls.certificate_file"),
            privateKeyFile: values.optionalString("server.tls.private_key_file"),
            clientCAFile: values.optionalString("server.tls.client_ca_file"),
            requireClientCertificate: values.flag("server.tls.require_client_certificate"),
            clients: (values["server.tls.clients"].arrayValue ?? []).compactMap {
                CertificateOwner($0)
            })
        tokens = (values["server.tokens"].arrayValue ?? []).compactMap { AccessToken($0) }
        allowUnauthenticated = values.flag("server.allow_unauthenticated")
        openMetrics = values.flag("server.open_metrics")
        limits = Limits(values)
    }
}

extension AccessToken {
    fileprivate init?(_ value: JSONValue) {
        guard let name = value["name"]?.stringValue,
            let role = value["role"]?.stringValue.flatMap(Role.init),
            let sha256 = value["sha256"]?.stringValue.flatMap({ Hex.decode($0) })
        else { return nil }
        self.init(name: name, role: role, sha256: sha256)
    }
}

extension CertificateOwner {
    fileprivate init?(_ value: JSONValue) {
        guard let subject = value["subject"]?.stringValue,
            let name = value["name"]?.stringValue,
            let role = value["role"]?.stringValue.flatMap(Role.init)
        else { return nil }
        self.init(subject: subject, name: name, role: role)
    }
}

extension DaemonConfig.Server.Limits {
    fileprivate init(_ values: ConfigValues) {
        requestLineBytes = values.integer("server.limits.request_line_bytes")
        headerBytes = values.integer("server.limits.header_bytes")
        headerFields = values.integer("server.limits.header_fields")
        bodyBytes = values.integer("server.limits.body_bytes")
        connections = values.integer("server.limits.connections")
        connectionsPerClient = values.integer("server.limits.connections_per_client")
        requestsPerConnection = values.integer("server.limits.requests_per_connection")
        requestRatePerCaller = values.integer("server.limits.requests_per_second_per_caller")
        requestRatePerAddress = values.integer("server.limits.requests_per_second_per_address")
        eventStreams = values.integer("server.limits.event_streams")
        headerTimeout = values.milliseconds("server.limits.header_timeout_ms")
        bodyTimeout = values.milliseconds("server.limits.body_timeout_ms")
        writeTimeout = values.milliseconds("server.limits.write_timeout_ms")
        idleTimeout = values.milliseconds("server.limits.idle_timeout_ms")
    }
}

extension DaemonConfig.Registry {
    fileprivate init(_ values: ConfigValues) {
        source = values.choice("registry.source")
        databaseURL = values.optionalSecret("registry.database_url")
        guard let table = RegistryTable(values.string("registry.table")) else {
            preconditionFailure("the registry's table passed its check and cannot be read")
        }
        self.table = table
        var mapping: [TenantField: String?] = [:]
        for member in values["registry.columns"].objectValue?.members ?? [] {
            guard let field = TenantField(rawValue: member.key) else { continue }
            mapping[field] = .some(member.value.stringValue)
        }
        columns = TenantColumns(mapping: mapping)
        file = values.optionalString("registry.file")
    }
}

extension DaemonConfig.Tenancy {
    fileprivate init(_ values: ConfigValues) {
        databaseURL = Self.withoutTrailingSlash(values.string("tenancy.database_url"))
        databaseURLTemplate = values.optionalSecret("tenancy.database_url_template")
        directDatabaseURL = values.optionalSecret("tenancy.direct_database_url")
        directDatabaseURLTemplate = values.optionalSecret("tenancy.direct_database_url_template")
        schemaPrefix = values.string("tenancy.schema_prefix")
        isolationRule = IsolationRule(
            strategy: values.choice("tenancy.isolation_strategy"),
            premiumTenants: Set(values.strings("tenancy.premium_tenants")),
            premium: values.choice("tenancy.premium_isolation_strategy"),
            standard: values.choice("tenancy.standard_isolation_strategy"))
        encryptionKey = values.optionalSecret("tenancy.encryption_key")
        createMissingSchemas = values.flag("tenancy.create_missing_schemas")
        overridesReadOnly = values.flag("tenancy.override_read_only")
        extraSearchPath = values.strings("tenancy.extra_search_path").map(DaemonConfig.schema)
    }

    /// fastapi-tenancy takes slashes off the end of its URL.
    private static func withoutTrailingSlash(_ url: String) -> Secret {
        let end = url.lastIndex { $0 != "/" }.map { url.index(after: $0) } ?? url.startIndex
        return Secret(String(url[..<end]))
    }
}

extension DaemonConfig.Scheduler {
    fileprivate init(_ values: ConfigValues) {
        concurrency = values.integer("scheduler.concurrency")
        pageSize = values.integer("scheduler.page_size")
        maxRunningJobs = values.integer("scheduler.max_running_jobs")
        perServerConnections = values.integer("scheduler.per_server_connections")
        transactionPer = values.choice("scheduler.transaction_per")
        lockTimeout = values.milliseconds("scheduler.lock_timeout_ms")
        concurrentLockTimeout = values.milliseconds("scheduler.concurrent_lock_timeout_ms")
        statementTimeout = values.milliseconds("scheduler.statement_timeout_ms")
        maxAttempts = values.integer("scheduler.max_attempts")
        drainTimeout = values.milliseconds("scheduler.drain_timeout_ms")
        serverRecoveryTimeout = values.milliseconds("scheduler.server_recovery_timeout_ms")
        targetLockTimeout = values.milliseconds("scheduler.target_lock_timeout_ms")
        connectTimeout = values.milliseconds("scheduler.connect_timeout_ms")
        leaseTerm = values.milliseconds("scheduler.lease_ms")
    }
}
