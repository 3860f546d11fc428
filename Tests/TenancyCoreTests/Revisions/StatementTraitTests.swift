import Testing

@testable import Revisions

@Suite("Statements and transactions")
struct StatementTraitTests {
    private func trait(_ sql: String) -> StatementTrait? {
        StatementTrait(of: SQLStatement(text: sql, line: 1))
    }

    @Test(
        "a statement that PostgreSQL refuses in a transaction block is known by its words",
        arguments: [
            ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY"),
            (
                "create /* c */ unique index\n-- c\nconcurrently i on t (a)",
                "CREATE UNIQUE INDEX CONCURRENTLY"
            ),
            ("DROP INDEX CONCURRENTLY IF EXISTS i", "DROP INDEX CONCURRENTLY"),
            ("REINDEX INDEX CONCURRENTLY i", "REINDEX"),
            ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", "REINDEX"),
            ("REINDEX SCHEMA s", "REINDEX"),
            ("REINDEX (VERBOSE) DATABASE d", "REINDEX"),
            ("REINDEX SYSTEM d", "REINDEX"),
            ("VACUUM (ANALYZE) t", "VACUUM"),
            ("CLUSTER", "CLUSTER"),
            ("CLUSTER VERBOSE", "CLUSTER"),
            ("CLUSTER (VERBOSE)", "CLUSTER"),
            ("CREATE DATABASE d", "CREATE DATABASE"),
            ("DROP DATABASE IF EXISTS d", "DROP DATABASE"),
            ("ALTER DATABASE d SET TABLESPACE s", "ALTER DATABASE"),
            ("ALTER SYSTEM SET work_mem = '1GB'", "ALTER SYSTEM"),
            ("CREATE TABLESPACE s LOCATION '/d'", "CREATE TABLESPACE"),
            ("DROP TABLESPACE s", "DROP TABLESPACE"),
            ("ALTER TABLE IF EXISTS ONLY a.t DETACH PARTITION p CONCURRENTLY", "ALTER TABLE"),
            ("DISCARD ALL", "DISCARD ALL"),
            ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "CREATE SUBSCRIPTION"),
            ("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION"),
            ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", "ALTER SUBSCRIPTION"),
            ("ALTER SUBSCRIPTION s SET PUBLICATION p", "ALTER SUBSCRIPTION"),
        ])
    func isNonTransactional(sql: String, command: String) {
        #expect(trait(sql) == .outsideTransaction(command))
    }

    @Test(
        "a statement that may run with others has no trait",
        arguments: [
            "CREATE INDEX concurrently_built ON t (a)",
            "CREATE INDEX i ON t (a) WHERE b = 'CONCURRENTLY'",
            "CREATE TABLE vacuum_log (id int)",
            "REINDEX TABLE t",
            "REINDEX (CONCURRENTLY false) TABLE t",
            "CLUSTER t USING i",
            "CLUSTER (VERBOSE) t",
            "ALTER TABLE t DETACH PARTITION p",
            "ALTER TABLE t DETACH PARTITION p FINALIZE",
            "ALTER TABLE t ADD COLUMN detach text",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot=off)",
            "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
            "ALTER DATABASE d SET work_mem = '1MB'",
            "DISCARD PLANS",
            "SET LOCAL search_path = a",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET CONSTRAINTS ALL DEFERRED",
            "ROLLBACK TO SAVEPOINT a",
            "rollback work to a",
            "SAVEPOINT a",
            "PREPARE q AS SELECT 1",
            "SELECT set_config('search_path', 'a', true)",
            "SELECT begin, commit FROM t",
            "INSERT INTO t VALUES ('COMMIT')",
            "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1",
            "CREATE TEMPORARY VIEW v AS SELECT 1",
        ])
    func isOrdinary(sql: String) {
        #expect(trait(sql) == nil)
    }

    @Test(
        "transaction control and settings are told apart",
        arguments: [
            ("begin", StatementTrait.transactionControl("BEGIN")),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE", .transactionControl("BEGIN")),
            ("START TRANSACTION", .transactionControl("START TRANSACTION")),
            ("COMMIT", .transactionControl("COMMIT")),
            ("COMMIT PREPARED 'a'", .transactionControl("COMMIT")),
            ("END", .transactionControl("END")),
            ("ABORT", .transactionControl("ABORT")),
            ("ROLLBACK AND CHAIN", .transactionControl("ROLLBACK")),
            ("PREPARE TRANSACTION 'a'", .transactionControl("PREPARE TRANSACTION")),
            ("SET search_path TO a, b", .sessionSetting("search_path")),
            ("set SESSION \"search_path\" = a", .sessionSetting("search_path")),
            ("SET SCHEMA 'a'", .sessionSetting("search_path")),
            ("SET lock_timeout = '2s'", .sessionSetting("lock_timeout")),
            ("SET TIME ZONE 'UTC'", .sessionSetting("timezone")),
            ("SET NAMES 'utf8'", .sessionSetting("client_encoding")),
            ("SET ROLE a", .sessionSetting("role")),
            ("SET SESSION AUTHORIZATION a", .sessionSetting("session authorization")),
            ("RESET ALL", .sessionSetting("all")),
            (
                "SET standard_conforming_strings = off",
                .lexicalSetting("standard_conforming_strings")
            ),
            (
                "SET LOCAL standard_conforming_strings = off",
                .lexicalSetting("standard_conforming_strings")
            ),
            (
                "SELECT pg_catalog.set_config('search_path', '', false)",
                .sessionSetting("search_path")
            ),
            ("CREATE TEMP TABLE t (id int)", .lastingTemporaryTable),
            ("CREATE LOCAL TEMPORARY TABLE t AS SELECT 1", .lastingTemporaryTable),
        ])
    func tellsApart(sql: String, expected: StatementTrait) {
        #expect(trait(sql) == expected)
    }

    @Test(
        "what PostgreSQL makes without a lock on the schema",
        arguments: [
            ("create function f() returns int language sql return 1", true),
            ("CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS ''", true),
            ("CREATE TYPE mood AS ENUM ()", true), ("CREATE DOMAIN d AS int", true),
            ("CREATE TEXT SEARCH DICTIONARY s (TEMPLATE = simple)", true),
            ("DO $$ BEGIN END $$", true), ("CALL p()", true),
            ("CREATE TABLE function (id int)", false), ("CREATE INDEX type ON t (id)", false),
            ("CREATE OR REPLACE VIEW v AS SELECT 1", false), ("CREATE SEQUENCE s", false),
            ("DROP FUNCTION f", false), ("INSERT INTO t VALUES ('CREATE TYPE')", false),
        ])
    func leavesSchemaUnlocked(sql: String, expected: Bool) {
        #expect(StatementWords(sql).leavesSchemaUnlocked == expected)
        #expect(
            StepScript(statements: [SQLStatement(text: sql, line: 1)]).leavesSchemaUnlocked
                == expected)
    }
}
