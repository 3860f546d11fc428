internal import Engine
internal import Logging
internal import PostgresClient
internal import Revisions
internal import Tenants

/// Reads the revisions of a page of targets in batches, over one connection a database that is kept
/// from page to page.
final class BatchReader {
    /// Connections kept; a fleet over more shared databases than this reconnects now and then.
    private static let limit = 8

    private let connections: WorkerConnections
    private let logger: Logger
    private let reader: VersionReader
    private var open: [(key: String, connection: WorkerConnection)] = []

    init(_ reader: VersionReader, connections: WorkerConnections, logger: Logger) {
        self.reader = reader
        self.connections = connections
        self.logger = logger
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
                logger.info(
                    "Revisions could not be read in batches",
                    metadata: [
                        "server": "\(targets[0].connection.serverKey)", "reason": "\(error)",
                    ])
            }
        }
        return states
    }

    /// Gives connections back to servers where somebody waits for a slot.
    func yieldContended() async {
        for (_, connection) in open { await connection.yieldIfContended() }
    }

    func close() async {
        for (_, connection) in open { await connection.close() }
        open.removeAll()
    }

    private func connection(_ key: String) async -> WorkerConnection {
        if let index = open.firstIndex(where: { $0.key == key }) {
            let entry = open.remove(at: index)
            open.append(entry)
            return entry.connection
        }
        if open.count == BatchReader.limit {
            await open.removeFirst().connection.close()
        }
        let connection = connections.make(schemaLimit: WorkerConnection.readSchemas)
        open.append((key, connection))
        return connection
    }
}
