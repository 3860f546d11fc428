import TestSupport
import Testing

@testable import ControlStore
@testable import JobModel
@testable import Support

@Suite struct LastResultTests {
    private static let job = makeJob(makeRequest()).id

    private func result(_ state: TenantState, at moment: Int64 = 5) -> TenantResult {
        var result = TenantResult(tenantID: "a", identifier: "a", state: state)
        if state.isFinal { result.finishedAt = Timestamp(milliseconds: moment) }
        return result
    }

    @Test("what counts as a migration, what as a reading, and what as neither")
    func kinds() {
        for operation in JobOperation.allCases {
            for dryRun in DryRun.allCases {
                let request = makeRequest(operation, dryRun: dryRun)
                let isReading = operation == .check || dryRun == .plan
                #expect(request.changesTenants == !isReading)
                for state in TenantState.allCases {
                    let last = LastResults(result(state), of: request, job: Self.job)
                    let tells = [.succeeded, .skipped, .failed].contains(state)
                    #expect(last.migration?.state == (tells && !isReading ? state : nil))
                    #expect(last.reading?.state == (tells && isReading ? state : nil))
                }
            }
        }
    }

    @Test("a step in doubt is a failed migration")
    func inDoubt() {
        var doubtful = result(.failed)
        doubtful.failure = TenantFailure(code: .step(.inDoubt), message: "nobody knows")
        let last = LastResults(doubtful, of: makeRequest(), job: Self.job)
        #expect(last.migration?.state == .failed && last.migration?.error == "nobody knows")
    }

    // MARK: - Beside the release before

    private static let known = LastResult(
        job: job, operation: .upgrade, state: .failed, finishedAt: Timestamp(milliseconds: 20))

    private func other(
        _ state: TenantState, job: JobID? = makeJob(makeRequest()).id, at moment: Int64
    ) -> LastResult {
        LastResult(
            job: job, operation: nil, state: state, finishedAt: Timestamp(milliseconds: moment))
    }

    @Test("what the release before has noted counts as what its job was, if it is newer")
    func merging() {
        for changesTenants in [true, false] {
            for (moment, isNews) in [(10, false), (20, false), (30, true)] as [(Int64, Bool)] {
                let noted = other(.succeeded, at: moment)
                var both = LastResults(migration: Self.known, reading: Self.known)
                both.merge(noted, changesTenants: changesTenants)
                #expect(both.migration == (changesTenants && isNews ? noted : Self.known))
                #expect(both.reading == (!changesTenants && isNews ? noted : Self.known))
            }
            var none = LastResults()
            none.merge(other(.cancelled, at: 30), changesTenants: changesTenants)
            #expect(none == LastResults())
            let first = other(.failed, at: 1)
            none.merge(first, changesTenants: changesTenants)
            #expect((changesTenants ? none.migration : none.reading) == first)
        }
    }

    @Test("a job that is known already is not taken in twice")
    func knownJob() {
        var migrated = LastResults(migration: Self.known)
        migrated.merge(other(.succeeded, job: Self.job, at: 30), changesTenants: true)
        #expect(migrated == LastResults(migration: Self.known))
        var read = LastResults(reading: Self.known)
        read.merge(other(.succeeded, job: Self.job, at: 30), changesTenants: true)
        #expect(read == LastResults(reading: Self.known))
    }

    @Test("whatever is read, cancelled or noted in between, the newest migration is what is told")
    func property() {
        var random = SeededRandom()
        for _ in 0..<500 {
            var last = LastResults()
            var migration: TenantState?
            var reading: TenantState?
            for moment in 1...Int64.random(in: 1...12, using: &random) {
                let operation = JobOperation.allCases.randomElement(using: &random) ?? .check
                let dryRun = DryRun.allCases.randomElement(using: &random) ?? .none
                let state = TenantState.allCases.randomElement(using: &random) ?? .failed
                let request = makeRequest(operation, dryRun: dryRun)
                let next = LastResults(
                    result(state, at: moment), of: request, job: makeJob(request).id)
                if Bool.random(using: &random) {
                    last.migration = next.migration ?? last.migration
                    last.reading = next.reading ?? last.reading
                } else if let noted = next.migration ?? next.reading {
                    last.merge(noted, changesTenants: request.changesTenants)
                }
                guard state.isFinal, state != .cancelled else { continue }
                if operation == .check || dryRun == .plan {
                    reading = state
                } else {
                    migration = state
                }
            }
            #expect(last.migration?.state == migration, "\(random)")
            #expect(last.reading?.state == reading, "\(random)")
        }
    }
}
