package import JobModel
package import Revisions
package import Tenants

/// The steps of one attempt on a target, between which a program may keep what it has prepared.
package final class ExternalVisit: Sendable {
    package init() {}
}

/// What a program of the project's own is asked to do with one target.
package struct ExternalStep: Sendable {
    /// `nil` where nothing is to run.
    package let planned: PlannedStep?
    /// The version rows that the program must find.
    package let rows: [String]
    package let target: Target
    /// The identifier of one of the target's tenants.
    package let tenant: String?
    package let versionTable: VersionTableName
    package let session: SessionSettings
    package let visit: ExternalVisit
    /// Whether more steps of the visit need the program.
    package var isFollowed = false

    package init(
        planned: PlannedStep?, rows: [String], target: Target, tenant: String?,
        versionTable: VersionTableName, session: SessionSettings,
        visit: ExternalVisit = ExternalVisit()
    ) {
        self.planned = planned
        self.rows = rows
        self.target = target
        self.tenant = tenant
        self.versionTable = versionTable
        self.session = session
        self.visit = visit
    }
}

/// What a program says of a step that it has carried out. It is not believed: the version rows decide.
package struct ExternalAnswer: Sendable {
    /// What it reports as gone wrong.
    package var failure: TenantFailure?
    /// Statements that it has committed, oldest first.
    package var committed: [String]
    /// Set where it has found other version rows than it was told: which ones, in words.
    package var otherRows: String?
    /// The types that the step has named; later steps of the run know of them.
    package var namedTypes: Set<NamedType>

    package init(
        failure: TenantFailure? = nil, committed: [String] = [], otherRows: String? = nil,
        namedTypes: Set<NamedType> = []
    ) {
        self.failure = failure
        self.committed = committed
        self.otherRows = otherRows
        self.namedTypes = namedTypes
    }
}

/// Carries out what libpq alone cannot: steps that need the project's own code, and all steps of
/// databases that are not PostgreSQL. For each target at most one call is under way.
package protocol ExternalStepRunner: Sendable {
    /// Runs the step. `report` is told of what it commits before it is done, once for each commit, with
    /// everything committed so far.
    ///
    /// - Throws: when the program could not be asked or did not answer; what it had committed by then
    ///   is in the failure.
    func run(
        _ step: ExternalStep, report: @escaping @Sendable ([String]) -> Void
    ) async throws(TenantFailure) -> ExternalAnswer

    /// Reads the version rows; none where there is no version table.
    func readRows(_ step: ExternalStep) async throws(TenantFailure) -> [String]

    /// Makes `rows` the version rows, and runs nothing.
    func stamp(_ step: ExternalStep, _ rows: [String]) async throws(TenantFailure) -> ExternalAnswer

    /// Lets go of what it has kept for the visit.
    func end(_ visit: ExternalVisit) async
}
