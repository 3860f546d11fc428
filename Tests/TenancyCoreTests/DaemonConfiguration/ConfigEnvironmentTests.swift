import Testing

@testable import DaemonConfiguration
@testable import PostgresClient
@testable import Tenants

@Suite struct ConfigEnvironmentTests {
    @Test("the environment goes before the file")
    func precedence() throws {
        let config = try load(
            #"{"scheduler": {"concurrency": 5, "page_size": 7}}"#,
            environment: [
                "MIGRATIOND_SCHEDULER_CONCURRENCY": "20",
                "MIGRATIOND_SERVER_ALLOW_UNAUTHENTICATED": "true",
                "MIGRATIOND_CONTROL_DATABASE_URL": "postgresql://h/c",
                "MIGRATIOND_TENANCY_PREMIUM_TENANTS": #"["a", "b"]"#,
                "MIGRATIOND_REGISTRY_COLUMNS": #"{"id": "cid"}"#,
                "MIGRATIOND_SERVER_TLS_CLIENT_CA_FILE": "", "PATH": "/bin",
                "MIGRATIOND_MIGRATIONS_PATH": "revisions",
            ])
        #expect(config.scheduler.concurrency == 20)
        #expect(config.scheduler.pageSize == 7)
        #expect(config.server.allowUnauthenticated)
        #expect(config.control.databaseURL.reveal() == "postgresql://h/c")
        #expect(config.tenancy.isolationRule.premiumTenants == ["a", "b"])
        #expect(config.registry.columns[.id] == "cid")
        #expect(config.server.tls.clientCAFile == nil)
        #expect(config.migrations.path == "/etc/migrationd/revisions")
    }

    @Test("a secret can come from a file, without the line break at its end")
    func secretFiles() throws {
        let config = try load(
            nil,
            environment: [
                "MIGRATIOND_CONTROL_DATABASE_URL_FILE": "/run/secrets/control",
                "MIGRATIOND_TENANCY_ENCRYPTION_KEY_FILE": "key",
            ],
            files: [
                "/run/secrets/control": "postgresql://u:p%20@h/c\r\n",
                "/etc/migrationd/key": String(repeating: "k", count: 32) + "\n",
            ])
        #expect(config.control.databaseURL.reveal() == "postgresql://u:p%20@h/c")
        #expect(config.tenancy.encryptionKey?.reveal().utf8.count == 32)
    }

    @Test(
        "a wrong variable is named",
        arguments: [
            (
                ["MIGRATIOND_SCHEDULER_CONCURRENCY": "ten"],
                "scheduler.concurrency (from MIGRATIOND_SCHEDULER_CONCURRENCY) must be an integer, "
                    + #"found "ten""#
            ),
            (
                ["MIGRATIOND_SERVER_ALLOW_UNAUTHENTICATED": "yes"],
                "server.allow_unauthenticated (from MIGRATIOND_SERVER_ALLOW_UNAUTHENTICATED) "
                    + #"must be true or false, found "yes""#
            ),
            (
                ["MIGRATIOND_TENANCY_PREMIUM_TENANTS": "a,b"],
                "tenancy.premium_tenants (from MIGRATIOND_TENANCY_PREMIUM_TENANTS) must be an "
                    + #"array, found "a,b""#
            ),
            (
                ["MIGRATIOND_SERVER_TOKENS": "sesame"],
                "server.tokens (from MIGRATIOND_SERVER_TOKENS) must be an array"
            ),
            (
                ["MIGRATIOND_SCHEDULER_CONCURENCY": "5"],
                #"(from MIGRATIOND_SCHEDULER_CONCURENCY) is not known; "#
                    + #"did you mean "MIGRATIOND_SCHEDULER_CONCURRENCY"?"#
            ),
            (["MIGRATIOND_X": "5"], "(from MIGRATIOND_X) is not known"),
            (
                ["MIGRATIOND_SCHEDULER_CONCURRENCY_FILE": "5"],
                "(from MIGRATIOND_SCHEDULER_CONCURRENCY_FILE) is not known"
            ),
            (
                [
                    "MIGRATIOND_CONTROL_DATABASE_URL": "postgresql://h/c",
                    "MIGRATIOND_CONTROL_DATABASE_URL_FILE": "/f",
                ],
                "control.database_url (from MIGRATIOND_CONTROL_DATABASE_URL_FILE) must not be set "
                    + "together with MIGRATIOND_CONTROL_DATABASE_URL"
            ),
            (
                ["MIGRATIOND_CONTROL_DATABASE_URL_FILE": "missing"],
                "control.database_url (from MIGRATIOND_CONTROL_DATABASE_URL_FILE) cannot read "
                    + "/etc/migrationd/missing: not there"
            ),
        ] as [([String: String], String)])
    func problems(environment: [String: String], expected: String) {
        let error = #expect(throws: ConfigError.self) { try load(nil, environment: environment) }
        #expect(error.map { "\($0)".hasPrefix(expected) } == true, "\(error.map { "\($0)" } ?? "")")
    }

    @Test("what Kubernetes says of a service of that name is passed over, and so are named others")
    func serviceLinks() throws {
        let environment = [
            "MIGRATIOND_SERVICE_HOST": "10.0.0.1", "MIGRATIOND_SERVICE_PORT": "8080",
            "MIGRATIOND_SERVICE_PORT_HTTP": "8080", "MIGRATIOND_PORT": "tcp://10.0.0.1:8080",
            "MIGRATIOND_PORT_8080_TCP": "tcp://10.0.0.1:8080",
            "MIGRATIOND_PORT_8080_TCP_PROTO": "tcp", "MIGRATIOND_PORT_8080_TCP_PORT": "8080",
            "MIGRATIOND_PORT_8080_TCP_ADDR": "10.0.0.1",
            "MIGRATIOND_METRICS_SERVICE_HOST": "10.0.0.2", "MIGRATIOND_TOKEN": "sesame",
        ]
        #expect(try load(nil, environment: environment, besides: ["MIGRATIOND_TOKEN"]) == load(nil))
        #expect(throws: ConfigError.self) { try load(nil, environment: ["MIGRATIOND_PORT": "1"]) }
    }
}
