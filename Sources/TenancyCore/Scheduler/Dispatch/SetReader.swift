internal import Engine
internal import Logging
internal import PostgresClient
internal import Revisions
internal import Tenants

/// Reads the revisions of a page of targets set-wise, over one connection a database that is kept
/// from page to page.
final class SetReader {
    /// Connections kept; a fleet over more shared databases than this reconnects now and then.
    private static let limit = 8

    private let environment: JobEnvironment
    private let reader: VersionReader
    private var connections: [(key: String, connection: WorkerConnection)] = []

    init(
        _ environment: JobEnvironment, session: SessionSettings, table: VersionTableName
    ) {
        self.environment = environment
        self.reader = VersionReader(settings: session, table: table)
    }

    /// The state of each target that shares its database with another one of them. A database of one
    /// target is left to the worker, which has to connect to it in any case, unless the job is about
    /// what the rows say; and where the reading fails, to the workers, which report why.
    func read(
        _ targets: [Target], includingSingle: Bool = false
    ) async -> [Target: VersionState] {
        var states: [Target: VersionState] = [:]
        let readable = targets.filter {
            $0.connection.isPostgres && reader.table.tells(of: $0.schema)
        }
        let databases = Dictionary(grouping: readable) { $0.connection.databaseKey }
        for (key, targets) in databases where includingSingle || targets.count > 1 {
            do throws(PostgresError) {
                let connection = try await connection(key).connection(
                    for: targets[0].connection, schemas: targets.count)
                let read = try await reader.read(targets.map(\.schema), on: connection)
                for (target, state) in zip(targets, read) { states[target] = state }
            } catch {
                environment.logger.info(
                    "Revisions could not be read set-wise",
                    metadata: [
                        "server": "\(targets[0].connection.serverKey)", "reason": "\(error)",
                    ])
            }
        }
        return states
    }

    /// Gives connections back to servers where somebody waits for a slot.
    func yieldContended() async {
        for (_, connection) in connections { await connection.yieldIfContended() }
    }

    func close() async {
        for (_, connection) in connections { await connection.close() }
        connections.removeAll()
    }

    private func connection(_ key: String) async -> WorkerConnection {
        if let index = connections.firstIndex(where: { $0.key == key }) {
            let entry = connections.remove(at: index)
            connections.append(entry)
            return entry.connection
        }
        if connections.count == SetReader.limit {
            await connections.removeFirst().connection.close()
        }
        let connection = environment.makeConnection(
            schemaLimit: WorkerConnection.readSchemas)
        connections.append((key, connection))
        return connection
    }
}
