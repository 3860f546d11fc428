/// Makes the connections of workers, all of them under the same bounds.
package struct WorkerConnections: Sendable {
    package let slots: ServerSlots
    private let connectTimeout: Duration
    private let onNotice: @Sendable (PostgresNotice) -> Void

    /// `onNotice` hears what servers say beside their results.
    package init(
        slots: ServerSlots, connectTimeout: Duration,
        onNotice: @escaping @Sendable (PostgresNotice) -> Void
    ) {
        self.slots = slots
        self.connectTimeout = connectTimeout
        self.onNotice = onNotice
    }

    /// A connection that is not open yet; whoever asks for it closes it.
    package func make(
        on thread: ConnectionThread = ConnectionThread(),
        schemaLimit: Int = WorkerConnection.migratedSchemas
    ) -> WorkerConnection {
        WorkerConnection(
            thread: thread, slots: slots, connectTimeout: connectTimeout, schemaLimit: schemaLimit,
            onNotice: onNotice)
    }
}
