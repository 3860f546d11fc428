import Testing

@testable import Fleet

@Suite("What facts about a database mean")
struct DatabaseRulesTests {
    private static let needs = DatabaseRules.Needs(connections: 10)

    private static func facts(_ change: (inout DatabaseFacts) -> Void = { _ in }) -> DatabaseFacts {
        var facts = DatabaseFacts(
            subject: "db:5432/app", serverVersion: 170_010, clockOffset: 3, clockUncertainty: 1,
            isStandby: false, isReadOnly: false, pooler: .none, connectionLimit: 97,
            connectionLimitName: "max_connections", connectionsInUse: 4, orphans: [],
            invalidIndexes: [])
        change(&facts)
        return facts
    }

    @Test("a sound database has nothing to be done about it")
    func sound() {
        let checks = DatabaseRules.ofTenants.map { $0(Self.facts(), Self.needs) }
        #expect(checks.allSatisfy { $0.status == .ok && $0.remedy == nil })
        #expect(checks.allSatisfy { $0.subject == "db:5432/app" })
        #expect(Set(checks.map(\.name)).count == checks.count)
    }

    @Test(
        "each fault is one check's, says what was found and what to do",
        arguments: [
            (
                "server_version", DoctorCheck.Status.warn, "13.22",
                facts { $0.serverVersion = 130_022 }
            ),
            ("server_version", .warn, "19.0", facts { $0.serverVersion = 190_000 }),
            ("clock", .warn, "2500 ms behind", facts { $0.clockOffset = -2_500 }),
            ("clock", .warn, "60000 ms ahead", facts { $0.clockOffset = 60_000 }),
            ("writable", .fail, "standby", facts { $0.isStandby = true }),
            ("writable", .fail, "read_only", facts { $0.isReadOnly = true }),
            ("connections", .warn, "leaves 8", facts { $0.connectionLimit = 8 }),
            ("connections", .warn, "others have 90", facts { $0.connectionsInUse = 90 }),
            ("pooler", .warn, "transactions", facts { $0.pooler = .transaction }),
            (
                "orphans", .fail, "type lost (7)",
                facts { $0.orphans = [.init(kind: "type", oid: "7", name: "lost")] }
            ),
            (
                "invalid_indexes", .warn, "pg_toast.x_ccnew of t",
                facts {
                    $0.invalidIndexes = [
                        .init(name: "pg_toast.x_ccnew", table: "t", isInToast: true)
                    ]
                }
            ),
        ])
    func fault(
        name: String, status: DoctorCheck.Status, says: String, facts: DatabaseFacts
    ) {
        let wrong = DatabaseRules.ofTenants.map { $0(facts, Self.needs) }
            .filter { $0.status != .ok }
        #expect(wrong.map(\.name) == [name])
        #expect(wrong.first?.status == status)
        #expect(wrong.first?.detail.contains(says) == true, "\(wrong)")
        #expect(wrong.first?.remedy != nil)
    }

    @Test("what the configuration allows for is no fault")
    func allowedFor() {
        let needs = DatabaseRules.Needs(
            connections: 10, hasDirectWay: true, overridesReadOnly: true)
        let facts = Self.facts {
            $0.pooler = .transaction
            $0.isReadOnly = true
            // Not known more closely than that.
            $0.clockOffset = 3_000
            $0.clockUncertainty = 1_500
        }
        #expect(DatabaseRules.ofTenants.allSatisfy { $0(facts, needs).status == .ok })
        #expect(DatabaseRules.pooler(Self.facts { $0.pooler = .session }, needs).status == .ok)
    }

    @Test("a long list is cut")
    func longList() {
        let many = (0...DatabaseExaminer.listed).map { number in
            DatabaseFacts.Orphan(kind: "function", oid: "\(number)", name: "f\(number)")
        }
        let check = DatabaseRules.orphans(Self.facts { $0.orphans = many }, Self.needs)
        #expect(check.detail.hasSuffix("f19 (19) and more"))
    }

    @Test(
        "the control database's tables are made, upgraded, or not the role's to make",
        arguments: [
            (nil, true, DoctorCheck.Status.ok, "serve makes them"), (nil, false, .fail, "may not"),
            (3, true, .ok, "upgrades"), (3, false, .fail, "may not change"),
            (5, false, .ok, "up to"),
            (9, true, .warn, "newer release"),
        ])
    func control(version: Int?, mayCreate: Bool, status: DoctorCheck.Status, says: String) {
        let facts = ControlFacts(
            schema: "migrationd", schemaExists: version != nil, mayCreate: mayCreate,
            version: version, ownVersion: 5)
        let check = ControlRules.check(facts, of: "db:5432/control")
        #expect(check.status == status)
        #expect(check.detail.contains(says), "\(check.detail)")
        #expect((check.remedy == nil) == (status == .ok))
    }
}
