package import PostgresClient

/// What facts about a database mean for the daemon: pure, a row a check.
package enum DatabaseRules {
    /// What the configuration asks of a server.
    package struct Needs: Sendable, Equatable {
        /// Connections that jobs may open to it at once.
        package var connections: Int
        /// Whether steps that need a session have a way past a pooler.
        package var hasDirectWay: Bool
        package var overridesReadOnly: Bool

        package init(connections: Int, hasDirectWay: Bool = false, overridesReadOnly: Bool = false)
        {
            self.connections = connections
            self.hasDirectWay = hasDirectWay
            self.overridesReadOnly = overridesReadOnly
        }
    }

    /// Major versions that the tests run on.
    private static let tested = 15...18
    /// Timestamps of results, and of the audit, are the daemon's; this far off they mislead.
    private static let clockTolerance: Int64 = 2_000

    /// One question about a database, answered from what was read of it.
    package typealias Rule = @Sendable (DatabaseFacts, Needs) -> DoctorCheck

    /// What is asked of every database.
    package static let ofServer: [Rule] = [version, clock, writable, connections]
    /// What is asked of one where tenants live, besides.
    package static let ofTenants: [Rule] = ofServer + [pooler, orphans, invalidIndexes]

    /// A database that does not answer.
    package static func unreachable(_ subject: String, _ error: PostgresError) -> DoctorCheck {
        DoctorCheck(
            "connection", of: subject, .fail, "\(error)",
            remedy: "check that the server runs, and the URL's host, role and password")
    }

    static func version(_ facts: DatabaseFacts, _: Needs) -> DoctorCheck {
        let major = facts.serverVersion / 10_000
        let text = "PostgreSQL \(major).\(facts.serverVersion % 10_000)"
        guard tested.contains(major) else {
            return DoctorCheck(
                "server_version", of: facts.subject, .warn, "\(text) is none that was tested",
                remedy: "use \(tested.lowerBound) to \(tested.upperBound), or run the tests on it")
        }
        return DoctorCheck("server_version", of: facts.subject, .ok, text)
    }

    static func clock(_ facts: DatabaseFacts, _: Needs) -> DoctorCheck {
        let offset = abs(facts.clockOffset)
        let text = "\(offset) ms \(facts.clockOffset < 0 ? "behind" : "ahead of") this machine"
        guard offset > clockTolerance + facts.clockUncertainty else {
            return DoctorCheck("clock", of: facts.subject, .ok, "at most \(max(offset, 1)) ms off")
        }
        return DoctorCheck(
            "clock", of: facts.subject, .warn, "the server's clock is \(text)",
            remedy: "keep both by NTP; times of results and of the audit are this machine's")
    }

    static func writable(_ facts: DatabaseFacts, _ needs: Needs) -> DoctorCheck {
        if facts.isStandby {
            return DoctorCheck(
                "writable", of: facts.subject, .fail, "the server is a standby",
                remedy: "name all hosts in the URL, with target_session_attrs=read-write")
        }
        if facts.isReadOnly && !needs.overridesReadOnly {
            return DoctorCheck(
                "writable", of: facts.subject, .fail, "default_transaction_read_only is on",
                remedy: "turn it off, or set tenancy.override_read_only for tenants' databases")
        }
        return DoctorCheck("writable", of: facts.subject, .ok, "takes writes")
    }

    static func connections(_ facts: DatabaseFacts, _ needs: Needs) -> DoctorCheck {
        let free = max(0, facts.connectionLimit - facts.connectionsInUse)
        let limit = "\(facts.connectionLimitName) leaves \(facts.connectionLimit) connections"
        guard facts.connectionLimit < needs.connections || free < needs.connections else {
            return DoctorCheck(
                "connections", of: facts.subject, .ok,
                "\(free) free, \(needs.connections) needed")
        }
        return DoctorCheck(
            "connections", of: facts.subject, .warn,
            "\(limit), others have \(facts.connectionsInUse), and jobs would open "
                + "\(needs.connections)",
            remedy: "lower scheduler.per_server_connections or the jobs' concurrency, or raise the "
                + "limit; jobs that find no place wait")
    }

    static func pooler(_ facts: DatabaseFacts, _ needs: Needs) -> DoctorCheck {
        switch facts.pooler {
        case .none: return DoctorCheck("pooler", of: facts.subject, .ok, "none in between")
        case .session:
            return DoctorCheck("pooler", of: facts.subject, .ok, "one that keeps sessions")
        case .transaction where needs.hasDirectWay:
            return DoctorCheck(
                "pooler", of: facts.subject, .ok,
                "one that pools transactions, and there is a way past it")
        case .transaction:
            return DoctorCheck(
                "pooler", of: facts.subject, .warn,
                "one that pools transactions: steps that need a session, as CREATE INDEX "
                    + "CONCURRENTLY does, are refused",
                remedy: "set tenancy.direct_database_url or direct_database_url_template")
        }
    }

    static func orphans(_ facts: DatabaseFacts, _: Needs) -> DoctorCheck {
        guard let first = facts.orphans.first else {
            return DoctorCheck("orphans", of: facts.subject, .ok, "none")
        }
        let (table, column) =
            switch first.kind {
            case "function": ("pg_proc", "pronamespace")
            case "type": ("pg_type", "typnamespace")
            default: ("pg_class", "relnamespace")
            }
        return DoctorCheck(
            "orphans", of: facts.subject, .fail,
            "objects in schemas that are gone, over which pg_dump fails: "
                + names(facts.orphans.map { "\($0.kind) \($0.name) (\($0.oid))" }),
            remedy: "as a superuser give each a schema that exists, such as UPDATE \(table) SET "
                + "\(column) = 'public'::regnamespace WHERE oid = \(first.oid), and drop it; "
                + "schemas are dropped under the target's lock, see docs/operations.md")
    }

    static func invalidIndexes(_ facts: DatabaseFacts, _: Needs) -> DoctorCheck {
        guard let first = facts.invalidIndexes.first else {
            return DoctorCheck("invalid_indexes", of: facts.subject, .ok, "none")
        }
        let isInToast = facts.invalidIndexes.contains(where: \.isInToast)
        return DoctorCheck(
            "invalid_indexes", of: facts.subject, .warn,
            "INVALID indexes, which every write has to serve: "
                + names(facts.invalidIndexes.map { "\($0.name) of \($0.table)" }),
            remedy: "DROP INDEX CONCURRENTLY \(first.name) and its like, and build anew what was "
                + "wanted; names that end in _ccnew or _ccold are what a REINDEX has left"
                + (isInToast
                    ? "; those in pg_toast need a superuser, or their table's owner with USAGE on "
                        + "pg_toast"
                    : ""))
    }

    private static func names(_ all: [String]) -> String {
        let listed = all.prefix(DatabaseExaminer.listed).joined(separator: ", ")
        return all.count > DatabaseExaminer.listed ? listed + " and more" : listed
    }
}

/// What facts about the control database mean.
package enum ControlRules {
    /// Judges the control database.
    package static func check(_ facts: ControlFacts, of subject: String) -> DoctorCheck {
        func check(_ status: DoctorCheck.Status, _ detail: String, _ remedy: String? = nil)
            -> DoctorCheck
        { DoctorCheck("control_schema", of: subject, status, detail, remedy: remedy) }
        let name = "schema \(facts.schema)"
        guard let version = facts.version else {
            if facts.mayCreate { return check(.ok, "\(name) has no tables yet; serve makes them") }
            return check(
                .fail, "\(name) has no tables, and the role may not make them",
                facts.schemaExists
                    ? "GRANT USAGE, CREATE ON SCHEMA to the role, or let it own the schema"
                    : "GRANT CREATE ON DATABASE to the role, or CREATE SCHEMA ... AUTHORIZATION it")
        }
        if version > facts.ownVersion {
            return check(
                .warn,
                "\(name) is of a newer release (\(version), this one has \(facts.ownVersion))",
                "run the newer release; this one works with its tables during a rolling update")
        }
        if version == facts.ownVersion { return check(.ok, "\(name) is up to date (\(version))") }
        guard facts.mayCreate else {
            return check(
                .fail,
                "\(name) is of an older release (\(version) of \(facts.ownVersion)), and the role "
                    + "may not change it", "let the role own the schema")
        }
        return check(
            .ok,
            "\(name) is of an older release (\(version) of \(facts.ownVersion)); serve "
                + "upgrades it")
    }
}
