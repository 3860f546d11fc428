/// Neighbouring major versions of PostgreSQL.
package struct ServerVersions: Sendable, Equatable, CustomStringConvertible {
    package let first: Int
    /// `nil` for all that come after the first.
    package let last: Int?

    package init(first: Int, last: Int?) {
        self.first = first
        self.last = last
    }

    /// Whether a server of that version, as libpq counts versions, is one of them.
    package func contains(serverVersion: Int) -> Bool {
        let major = serverVersion / 10_000
        return major >= first && major <= last ?? major
    }

    package var description: String {
        switch last {
        case nil: "\(first) and later"
        case first: "\(first)"
        case let last?: "\(first) to \(last)"
        }
    }
}

/// What a step runs on servers of some versions.
package struct ServerVariant: Sendable, Equatable {
    package let servers: ServerVersions
    package let script: StepScript

    package init(servers: ServerVersions, script: StepScript) {
        self.servers = servers
        self.script = script
    }
}

extension Revision {
    /// The statements of a direction on a server of that version, as libpq counts versions; `nil`
    /// where there are none to send to it.
    package func script(_ direction: Direction, serverVersion: Int) -> StepScript? {
        guard let variants = variants[direction] else { return script(direction) }
        return variants.first { $0.servers.contains(serverVersion: serverVersion) }?.script
    }

    /// Whether Alembic itself has to run a direction on a server of that version.
    package func needsPython(_ direction: Direction, serverVersion: Int) -> Bool {
        pythonReasons[direction] != nil
            || variants[direction] != nil && script(direction, serverVersion: serverVersion) == nil
    }

    /// What a direction runs, on whichever server.
    package func scripts(_ direction: Direction) -> [StepScript] {
        variants[direction]?.map(\.script) ?? [script(direction)].compactMap { $0 }
    }
}

extension RevisionSet {
    /// The revisions as servers of one major version run them.
    package func settled(onMajor major: Int) throws(RevisionError) -> RevisionSet {
        let serverVersion = major * 10_000
        return RevisionSet(
            graph: try RevisionGraph(
                graph.revisions.map { $0.settled(onServerVersion: serverVersion) }),
            warnings: warnings, versionTable: versionTable)
    }
}

extension Revision {
    fileprivate func settled(onServerVersion serverVersion: Int) -> Revision {
        var reasons = pythonReasons
        for direction in Direction.allCases
        where needsPython(direction, serverVersion: serverVersion) && reasons[direction] == nil {
            reasons[direction] = "it was not rendered for PostgreSQL \(serverVersion / 10_000)"
        }
        return Revision(
            id: id, downRevisions: downRevisions, dependsOn: dependsOn, branchLabels: branchLabels,
            message: message, upgrade: script(.up, serverVersion: serverVersion),
            downgrade: script(.down, serverVersion: serverVersion), file: file, checksum: checksum,
            pythonReasons: reasons)
    }
}
