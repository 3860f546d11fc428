import JobModel
import Testing

@testable import DaemonConfiguration
@testable import Engine
@testable import PostgresClient
@testable import Support
@testable import Tenants

/// Loads a configuration with the files of a table instead of a disk's.
func load(
    _ text: String?, environment: [String: String] = [:], files: [String: String] = [:],
    besides: Set<String> = []
) throws(ConfigError) -> DaemonConfig {
    try ConfigLoader.load(
        file: text.map { Array($0.utf8) }, baseDirectory: "/etc/migrationd",
        environment: environment, otherVariables: besides
    ) { path throws(FileError) in
        guard let content = files[path] else { throw FileError(path: path, reason: "not there") }
        return Array(content.utf8)
    }
}

@Suite struct ConfigLoaderTests {
    @Test("without a file and an environment the standard values hold")
    func standards() throws {
        let config = try load(nil)
        #expect(config.server.host == "127.0.0.1")
        #expect(config.server.port == 8080)
        #expect(config.server.limits.bodyBytes == 1_048_576)
        #expect(config.control.databaseURL.reveal() == "postgresql:///control")
        #expect(config.registry.columns == TenantColumns())
        #expect(config.registry.table == .table(schema: nil, name: "tenants"))
        #expect(config.tenancy.isolationRule.strategy == .schema)
        #expect(config.migrations.path == "/etc/migrationd/migrations")
        #expect(config.migrations.python == "python3")
        #expect(config.scheduler.lockTimeout == .seconds(3))
        #expect(config.scheduler.targetLockTimeout == .seconds(600))
        #expect(config.log.level == .info)
        #expect(try load("{}") == config)
    }

    @Test("every part of a file reaches its setting")
    func settings() throws {
        let digits = String(repeating: "aB", count: 32)
        let config = try load(
            """
            {"server": {"host": "0.0.0.0", "unix_socket": "run/sock",
                        "tls": {"certificate_file": "/c.pem", "private_key_file": "k.pem",
                                "client_ca_file": "ca.pem", "require_client_certificate": false,
                                "clients": [{"subject": "CN=ci,O=acme", "name": "ci",
                                             "role": "operator"}]},
                        "unix_socket_mode": "600",
                        "limits": {"requests_per_second_per_caller": 7,
                                   "requests_per_second_per_address": 0},
                        "tokens": [{"name": "ci", "role": "admin", "sha256": "\(digits)"}]},
             "registry": {"table": "crm.customers", "columns": {"id": "cid", "metadata": null}},
             "tenancy": {"isolation_strategy": "hybrid", "premium_tenants": ["a", "b"],
                         "premium_isolation_strategy": "database",
                         "database_url_template": "postgresql://h/{database_name}",
                         "extra_search_path": ["extensions"]},
             "migrations": {"source": "alembic", "python": "venv/bin/python", "driver": "psycopg"},
             "scheduler": {"transaction_per": "target"}, "log": {"format": "json"}}
            """)
        #expect(config.server.unixSocket == "/etc/migrationd/run/sock")
        #expect(config.server.tls.certificateFile == "/c.pem")
        #expect(config.server.tls.privateKeyFile == "/etc/migrationd/k.pem")
        #expect(!config.server.tls.requireClientCertificate)
        #expect(
            config.server.tls.clients == [
                .init(subject: "CN=ci,O=acme", name: "ci", role: .operator)
            ])
        #expect(config.server.unixSocketMode == 0o600)
        #expect(config.server.limits.requestRatePerCaller == 7)
        #expect(config.server.limits.requestRatePerAddress == 0)
        #expect(config.server.tokens.map(\.role) == [.admin])
        #expect(config.server.tokens.first?.sha256 == [UInt8](repeating: 0xAB, count: 32))
        #expect(config.registry.table == .table(schema: "crm", name: "customers"))
        #expect(config.registry.columns[.id] == "cid")
        #expect(config.registry.columns[.metadata] == nil)
        #expect(config.registry.columns[.name] == "name")
        #expect(config.tenancy.isolationRule.premiumTenants == ["a", "b"])
        #expect(config.tenancy.isolationRule.premium == .database)
        #expect(config.tenancy.extraSearchPath.map(\.text) == ["extensions"])
        #expect(config.migrations.source == .alembic)
        #expect(config.migrations.driver == .psycopg)
        #expect(config.migrations.python == "/etc/migrationd/venv/bin/python")
        #expect(config.scheduler.transactionPer == .target)
        #expect(config.log.format == .json)
    }

    @Test(
        "a wrong setting is named with what it must be",
        arguments: [
            ("[]", "the file must hold a JSON object"),
            (
                "{\n  \"a\": 1,\n}",
                "the file is not JSON: expected a member's name at line 3, column 1"
            ),
            (
                #"{"sheduler": {}}"#,
                #"sheduler is not known; did you mean "scheduler"?"#
            ),
            (
                #"{"scheduler": {"concurency": 5}}"#,
                #"scheduler.concurency is not known; did you mean "concurrency"?"#
            ),
            (
                #"{"scheduler": {"concurrency": 0}}"#,
                "scheduler.concurrency must be between 1 and 1000, found 0"
            ),
            (
                #"{"scheduler": {"page_size": "10"}}"#,
                #"scheduler.page_size must be an integer, found "10""#
            ),
            (#"{"scheduler": null}"#, "scheduler must not be null"),
            (#"{"scheduler": 5}"#, "scheduler must be an object"),
            (
                #"{"log": {"level": "inof"}}"#,
                #"log.level must be one of "trace", "debug", "info", "notice", "warning", "#
                    + #""error", "critical"; did you mean "info"?, found "inof""#
            ),
            (
                #"{"server": {"host": ""}}"#,
                #"server.host must have 1 to 4096 characters, found """#
            ),
            (
                #"{"server": {"tls": {"certificate_file": "a"}}}"#,
                "server.tls.private_key_file must be set together with certificate_file"
            ),
            (
                #"{"server": {"tls": {"private_key_file": "a"}}}"#,
                "server.tls.certificate_file must be set together with private_key_file"
            ),
            (
                #"{"server": {"tls": {"client_ca_file": "a"}}}"#,
                "server.tls.client_ca_file needs certificate_file and private_key_file"
            ),
            (
                #"{"server": {"tls": {"clients": [{"subject": "CN=a", "name": "a", "#
                    + #""role": "viewer"}]}}}"#,
                "server.tls.clients needs client_ca_file, which says whose certificates are "
                    + "believed"
            ),
            (
                #"{"server": {"tls": {"clients": [{"subject": "CN=a", "name": "a", "#
                    + #""role": "boss"}]}}}"#,
                #"server.tls.clients[0].role must be one of "viewer", "operator", "admin", "#
                    + #"found "boss""#
            ),
            (
                #"{"server": {"unix_socket_mode": "0888"}}"#,
                #"server.unix_socket_mode must be permissions as octal digits, "0660" for "#
                    + #"example, found "0888""#
            ),
            (
                #"{"server": {"host": "0.0.0.0"}}"#,
                #"server.host must be a loopback address while server.tokens is empty, "#
                    + #"found "0.0.0.0"; add a token, or set server.allow_unauthenticated to true "#
                    + "if something else keeps strangers out"
            ),
            (
                #"{"registry": {"source": "file"}}"#,
                #"registry.file must be set when registry.source is "file""#
            ),
            (
                #"{"registry": {"columns": {"id": null}}}"#,
                "registry.columns.id must not be null, found null"
            ),
            (
                #"{"registry": {"columns": {"slug": "x"}}}"#,
                #"registry.columns.slug is not known, found "x""#
            ),
            (
                #"{"registry": {"table": "a.b.c"}}"#,
                "registry.table must be a table name, optionally with its schema and a dot, "
                    + #"or a query in parentheses, found "a.b.c""#
            ),
            (
                #"{"control": {"schema": "pg_x"}}"#,
                #"control.schema is one of PostgreSQL's own, found "pg_x""#
            ),
            (
                #"{"tenancy": {"extra_search_path": ["a", "b\""]}}"#,
                "tenancy.extra_search_path[1] has other characters than ASCII letters, digits "
                    + #"and _ - . $, found "b\"""#
            ),
            (
                #"{"tenancy": {"schema_prefix": "Tenant-"}}"#,
                "tenancy.schema_prefix must be lower-case letters, digits and underscores, "
                    + #"a letter first, found "Tenant-""#
            ),
            (
                #"{"tenancy": {"schema_prefix": ""}}"#,
                #"tenancy.schema_prefix must have 1 to 4096 characters, found """#
            ),
            (
                #"{"tenancy": {"isolation_strategy": "database"}}"#,
                #"tenancy.database_url_template must be set when isolation_strategy is "#
                    + #""database"; tenants with a database_url of their own do not use it"#
            ),
            (
                #"{"tenancy": {"isolation_strategy": "hybrid", "premium_isolation_strategy": "rls"}}"#,
                "tenancy.standard_isolation_strategy must differ from premium_isolation_strategy "
                    + "in hybrid isolation"
            ),
            (
                #"{"tenancy": {"premium_isolation_strategy": "hybrid"}}"#,
                #"tenancy.premium_isolation_strategy must be one of "schema", "database", "rls""#
                    + #", found "hybrid""#
            ),
        ])
    func problems(text: String, expected: String) {
        let error = #expect(throws: ConfigError.self) { try load(text) }
        #expect(error.map { "\($0)" } == expected)
    }

    @Test(
        "a wrong secret is named and never shown",
        arguments: [
            (
                #"{"control": {"database_url": "sesame"}}"#,
                "control.database_url is not a connection"
            ),
            (#"{"control": {"databse_url": "sesame"}}"#, "control.databse_url is not known"),
            (#"{"control": "sesame"}"#, "control must be an object"),
            (#"{"tenancy": {"encryption_key": "sesame"}}"#, "tenancy.encryption_key must have at"),
            (#"{"tenancy": {"encryption_key": ["sesame"]}}"#, "tenancy.encryption_key must be a"),
            (
                #"{"tenancy": {"database_url": "mysql://u:sesame@h/db"}}"#,
                "tenancy.database_url names a mysql database"
            ),
            (
                #"{"tenancy": {"database_url_template": "postgresql://u:sesame@h/db"}}"#,
                "tenancy.database_url_template must contain {tenant_id} or {database_name}"
            ),
            (
                #"{"tenancy": {"database_url_template": "postgresql://u:sesame@h/{tenant}"}}"#,
                "tenancy.database_url_template must have no other braces"
            ),
            (
                #"{"tenancy": {"database_url_template": "sqlite:///sesame/{tenant_id}"}}"#,
                "tenancy.database_url_template names a sqlite database"
            ),
            (
                #"{"server": {"tokens": [{"name": "a", "role": "viewer", "sha256": "sesame"}]}}"#,
                "server.tokens[0].sha256 must be the 64 hexadecimal digits"
            ),
            (#"{"server": {"tokens": "sesame"}}"#, "server.tokens must be an array"),
            (
                #"{"server": {"tokens": [{"name": "a", "role": "viewer", "token": "sesame"}]}}"#,
                "server.tokens[0].sha256 is required\nserver.tokens[0].token is not known"
            ),
        ])
    func secrets(text: String, beginning: String) {
        let error = #expect(throws: ConfigError.self) { try load(text) }
        let description = error.map { "\($0)" } ?? ""
        #expect(description.hasPrefix(beginning), "\(description)")
        #expect(!description.contains("sesame"))
    }

    @Test("a configuration can be printed without showing a secret")
    func printing() throws {
        let url = "postgresql://u:sesame@h/{tenant_id}"
        let config = try load(
            """
            {"control": {"database_url": "\(url)"}, "registry": {"database_url": "\(url)"},
             "tenancy": {"database_url": "\(url)", "database_url_template": "\(url)",
                         "encryption_key": "sesame-sesame-sesame-sesame-sesame"}}
            """)
        var dumped = ""
        dump(config, to: &dumped)
        #expect(!"\(config)\(String(reflecting: config))\(dumped)".contains("sesame"))
    }

    @Test("every problem is reported at once, and a rule only where its keys are sound")
    func several() {
        let digits = String(repeating: "0", count: 64)
        let token = #"{"name": "a", "role": "viewer", "sha256": "\#(digits)"}"#
        let error = #expect(throws: ConfigError.self) {
            try load(
                """
                {"server": {"host": "0.0.0.0", "port": 70000, "tokens": [\(token), \(token)],
                            "tls": {"certificate_file": "a", "private_key_file": 5}},
                 "control": {"schema": ""}, "scheduler": {"page_size": 1001, "x": 1},
                 "tenancy": {"isolation_strategy": "database", "database_url_template": "x{"}}
                """,
                environment: ["MIGRATIOND_LOG_LEVEL": "loud", "MIGRATIOND_LOG_LEVLE": "info"])
        }
        #expect(
            error?.issues.map(\.keyPath) == [
                "", "server.port", "server.tokens[1]", "server.tls.private_key_file",
                "control.schema", "tenancy.database_url_template", "scheduler.page_size",
                "scheduler.x", "log.level",
            ])
    }

    @Test(
        "only loopback addresses are served without tokens",
        arguments: [
            ("127.0.0.1", true), ("127.8.9.255", true), ("localhost", true), ("::1", true),
            ("127.0.0.256", false), ("127.0.0", false), ("127.evil.com", false),
            ("localhost.evil.com", false), ("::", false), ("10.0.0.1", false),
        ])
    func loopback(host: String, isServed: Bool) {
        let text = #"{"server": {"host": "\#(host)"}}"#
        let isLoaded = (try? load(text)) != nil
        #expect(isLoaded == isServed)
        let open = #"{"server": {"host": "\#(host)", "allow_unauthenticated": true}}"#
        #expect(throws: Never.self) { try load(open) }
    }
}
