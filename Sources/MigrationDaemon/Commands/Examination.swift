internal import DaemonConfiguration
internal import Fleet
internal import PostgresClient
internal import Support
internal import Tenants

/// The databases that a configuration names, looked at one after the other.
struct Examination {
    private let settings: DaemonConfig
    private let databases: Int
    private let examiner: DatabaseExaminer

    init(_ settings: DaemonConfig, databases: Int) {
        self.settings = settings
        self.databases = databases
        examiner = DatabaseExaminer(connectTimeout: settings.scheduler.connectTimeout)
    }

    /// The control database and its tables.
    func control() async -> [DoctorCheck] {
        let parameters: ConnectionParameters
        do throws(CommandFailure) {
            parameters = try Daemon.parameters(
                settings.control.databaseURL, "control.database_url")
        } catch {
            return [Self.configuration(error)]
        }
        let needs = DatabaseRules.Needs(connections: Daemon.controlConnections + 1)
        do throws(PostgresError) {
            let facts = try await examiner.examine(parameters)
            let control = try await examiner.examineControl(
                parameters, schema: settings.control.schema)
            return DatabaseRules.ofServer.map { $0(facts, needs) }
                + [ControlRules.check(control, of: facts.subject)]
        } catch {
            return [DatabaseRules.unreachable("control.database_url", error)]
        }
    }

    /// The registry, and each database that it places tenants in. A server that does not answer is
    /// not asked for its other databases.
    func tenants() async -> [DoctorCheck] {
        let found: TenantDatabases
        do throws(CommandFailure) {
            let registry = try Daemon.registry(settings)
            let resolver = try Daemon.resolver(settings.tenancy)
            do throws(RegistryError) {
                found = try await TenantDatabases.read(registry, resolver, limit: databases)
            } catch {
                return [
                    DoctorCheck(
                        "registry", .fail, error.description,
                        remedy: "check the section registry, and the role's right to read it")
                ]
            }
        } catch {
            return [Self.configuration(error)]
        }
        var checks = [found.check]
        var silent: Set<String> = []
        for parameters in found.databases where !silent.contains(parameters.serverKey) {
            do throws(PostgresError) {
                let facts = try await examiner.examine(parameters)
                checks += DatabaseRules.ofTenants.map { $0(facts, needs) }
            } catch {
                let subject = "\(parameters.serverKey)/\(parameters.database)"
                checks.append(DatabaseRules.unreachable(subject, error))
                if Self.isServers(error) { silent.insert(parameters.serverKey) }
            }
        }
        return checks
    }

    /// What one job may open to a server, by the configuration's defaults.
    private var needs: DatabaseRules.Needs {
        let scheduler = settings.scheduler
        let tenancy = settings.tenancy
        return DatabaseRules.Needs(
            connections: min(
                scheduler.perServerConnections, scheduler.concurrency * scheduler.maxRunningJobs),
            hasDirectWay: tenancy.directDatabaseURL != nil
                || tenancy.directDatabaseURLTemplate != nil,
            overridesReadOnly: tenancy.overridesReadOnly)
    }

    /// Whether the server itself is away, rather than one of its databases or roles refused.
    private static func isServers(_ error: PostgresError) -> Bool {
        switch error {
        case .connectFailed(let refusal): refusal.sqlState == SQLState.cannotConnect
        case .deadlinePassed: true
        case .server, .connectionLost, .cancelled: false
        }
    }

    private static func configuration(_ error: CommandFailure) -> DoctorCheck {
        DoctorCheck(
            "configuration", .fail, error.message,
            remedy: "correct it; docs/configuration.md has every key")
    }
}
