import Testing

@testable import JobModel
@testable import Scheduler

@Suite struct JobMachineTests {
    private typealias Event = JobMachine.Event
    private typealias Action = JobMachine.Action

    /// Every state with every event that can meet it.
    @Test(
        "each event does one thing in each state",
        arguments: [
            (.queued, .started, .start, .running), (.running, .started, .start, .running),
            (.paused, .started, .start, .paused), (.cancelling, .started, .start, .cancelling),

            (.queued, .pauseAsked, .hold, .paused), (.running, .pauseAsked, .hold, .paused),
            (.paused, .pauseAsked, .nothing, .paused),
            (.cancelling, .pauseAsked, .refuse, .cancelling),
            (.succeeded, .pauseAsked, .refuse, .succeeded),
            (.failed, .pauseAsked, .refuse, .failed),
            (.cancelled, .pauseAsked, .refuse, .cancelled),

            (.queued, .resumeAsked, .nothing, .queued),
            (.running, .resumeAsked, .nothing, .running),
            (.paused, .resumeAsked, .goOn, .running),
            (.cancelling, .resumeAsked, .refuse, .cancelling),
            (.succeeded, .resumeAsked, .refuse, .succeeded),
            (.failed, .resumeAsked, .refuse, .failed),
            (.cancelled, .resumeAsked, .refuse, .cancelled),

            (.queued, .cancelAsked, .stop, .cancelling),
            (.running, .cancelAsked, .stop, .cancelling),
            (.paused, .cancelAsked, .stop, .cancelling),
            (.cancelling, .cancelAsked, .stop, .cancelling),
            (.succeeded, .cancelAsked, .refuse, .succeeded),
            (.failed, .cancelAsked, .refuse, .failed),
            (.cancelled, .cancelAsked, .refuse, .cancelled),

            (.running, .tenantsEnded(failures: 0, isBroken: false), .finish, .succeeded),
            (.running, .tenantsEnded(failures: 1, isBroken: false), .finish, .failed),
            (.running, .tenantsEnded(failures: 0, isBroken: true), .finish, .failed),
            (.paused, .tenantsEnded(failures: 0, isBroken: false), .finish, .succeeded),
            (.paused, .tenantsEnded(failures: 2, isBroken: true), .finish, .failed),
            (.cancelling, .tenantsEnded(failures: 0, isBroken: false), .finish, .cancelled),
            (.cancelling, .tenantsEnded(failures: 3, isBroken: true), .finish, .cancelled),
        ] as [(JobState, JobMachine.Event, JobMachine.Action, JobState)])
    func step(
        state: JobState, event: JobMachine.Event, action: JobMachine.Action, next: JobState
    ) {
        var machine = JobMachine(state: state)
        #expect(machine.handle(event) == action)
        #expect(machine.state == next)
    }

    @Test("the states that end a job are the ones that nothing leads out of")
    func final() {
        for state in JobState.allCases {
            var machine = JobMachine(state: state)
            let isSteerable = [Event.pauseAsked, .resumeAsked, .cancelAsked].contains {
                machine.handle($0) != .refuse
            }
            #expect(state.isFinal != isSteerable)
        }
    }
}
