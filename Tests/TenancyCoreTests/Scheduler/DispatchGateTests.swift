import Testing

@testable import JobModel
@testable import Scheduler

@Suite struct DispatchGateTests {
    private func gate(_ change: (inout DispatchGate) -> Void) -> DispatchGate {
        var gate = DispatchGate()
        change(&gate)
        return gate
    }

    @Test("every reason that holds a job is named, and no other")
    func holds() {
        let table: [(DispatchGate, [JobHold.Reason])] = [
            (gate { _ in }, []),
            (gate { $0.isPaused = true }, [.paused]),
            (gate { $0.isLeaseInDoubt = true }, [.controlDatabase]),
            (gate { $0.unrecorded = DispatchGate.unrecordedLimit }, []),
            (gate { $0.unrecorded = DispatchGate.unrecordedLimit + 1 }, [.controlDatabase]),
            (gate { ($0.quota, $0.busyWorkers) = (2, 1) }, []),
            (gate { ($0.quota, $0.busyWorkers) = (2, 2) }, [.replicaQuota]),
            (gate { $0.quota = 0 }, [.replicaQuota]),
            (
                gate { ($0.isPaused, $0.isLeaseInDoubt, $0.quota) = (true, true, 0) },
                [.paused, .controlDatabase, .replicaQuota]
            ),
        ]
        for (gate, holds) in table {
            #expect(gate.holds == holds, "\(gate)")
            #expect(gate.answer == (holds.isEmpty ? .open : .held(holds)), "\(gate)")
        }
    }

    @Test("unavailable servers are named, and stop no worker that finds out when they are back")
    func serverUnavailable() {
        let waiting = gate { $0.isServerUnavailable = true }
        #expect(waiting.holds == [.serverUnavailable] && waiting.answer == .open)
        let paused = gate { ($0.isServerUnavailable, $0.isPaused) = (true, true) }
        #expect(paused.holds == [.paused, .serverUnavailable])
        #expect(paused.answer == .held([.paused]))
    }

    @Test("a job that ends, and one worker too many, are closed whatever else holds them")
    func closed() {
        for isPaused in [false, true] {
            #expect(gate { ($0.isEnding, $0.isPaused) = (true, isPaused) }.answer == .closed)
            let crowded = gate { ($0.workers, $0.limit, $0.isPaused) = (3, 2, isPaused) }
            #expect(crowded.answer == .closed)
        }
        #expect(gate { ($0.workers, $0.limit) = (2, 2) }.answer == .open)
    }

    @Test("the reasons have the API's words")
    func words() {
        #expect(
            JobHold.Reason.allCases.map(\.rawValue)
                == ["paused", "control_database", "replica_quota", "server_unavailable"])
    }
}
