/// Sends the plan's next steps in one message, each step's statements in a transaction with its
/// version row.
struct TransactionalRunner: StepRunner {
    let channel: PostgresChannel
    let progress: TargetProgress
    let state: VersionState
    /// Whether the message has no more than one transaction.
    let isSingle: Bool

    func run() async -> StepResult {
        let message = channel.builder.message(for: progress, state: state, isSingle: isSingle)
        if let interrupted = await channel.send(message, state: state, stage: .start) {
            return .interrupted(interrupted)
        }
        return .committed(steps: message.steps)
    }
}
