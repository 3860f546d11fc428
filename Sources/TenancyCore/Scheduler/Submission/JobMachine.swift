internal import JobModel

/// The states of a job and what moves it on. Pure: events in, actions out.
struct JobMachine: Sendable {
    enum Event: Equatable {
        /// The scheduler has a place for it.
        case started
        case pauseAsked, resumeAsked, cancelAsked
        /// No tenant is left to do. `isBroken`: the registry could not be read to its end.
        case tenantsEnded(failures: Int, isBroken: Bool)
    }

    enum Action: Equatable {
        case start, hold, goOn, stop, finish
        /// The caller hears 409; the state stays.
        case refuse
        /// Asked for what is already so.
        case nothing
    }

    private(set) var state: JobState

    init(state: JobState = .queued) {
        self.state = state
    }

    mutating func handle(_ event: Event) -> Action {
        switch (state, event) {
        case (.queued, .started): enter(.running, .start)
        // A paused or cancelling job that another replica left resumes in its own state.
        case (.running, .started), (.paused, .started), (.cancelling, .started): .start
        case (.running, .pauseAsked), (.queued, .pauseAsked): enter(.paused, .hold)
        case (.paused, .pauseAsked): .nothing
        case (.paused, .resumeAsked): enter(.running, .goOn)
        case (.running, .resumeAsked), (.queued, .resumeAsked): .nothing
        case (.queued, .cancelAsked), (.running, .cancelAsked), (.paused, .cancelAsked):
            enter(.cancelling, .stop)
        // A second request may turn a graceful end into an immediate one.
        case (.cancelling, .cancelAsked): .stop
        case (.cancelling, .tenantsEnded): enter(.cancelled, .finish)
        case (.running, .tenantsEnded(let failures, let isBroken)),
            (.paused, .tenantsEnded(let failures, let isBroken)):
            enter(failures == 0 && !isBroken ? .succeeded : .failed, .finish)
        case (_, .pauseAsked), (_, .resumeAsked), (_, .cancelAsked): .refuse
        case (_, .started), (_, .tenantsEnded):
            preconditionFailure("\(event) cannot happen to a job that is \(state)")
        }
    }

    private mutating func enter(_ next: JobState, _ action: Action) -> Action {
        state = next
        return action
    }
}
