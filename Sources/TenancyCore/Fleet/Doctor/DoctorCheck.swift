internal import Support

/// One thing that was looked at, how it is, and what to do about it.
package struct DoctorCheck: Sendable, Equatable {
    /// How bad a finding is.
    package enum Status: String, Sendable, CaseIterable {
        case ok
        /// Works, and will cost somebody something.
        case warn
        /// Jobs, or the tenants' backups, do not work as it is.
        case fail
    }

    /// A stable word, as docs/cli.md lists them.
    package let name: String
    /// The server and database that it is about, if it is about one.
    package let subject: String?
    package let status: Status
    /// What was found; never credentials.
    package let detail: String
    /// Nil where all is well.
    package let remedy: String?

    package init(
        _ name: String, of subject: String? = nil, _ status: Status, _ detail: String,
        remedy: String? = nil
    ) {
        self.name = name
        self.subject = subject
        self.status = status
        self.detail = scrub(detail, limit: DoctorCheck.detailLimit)
        self.remedy = remedy.map { scrub($0, limit: DoctorCheck.detailLimit) }
    }

    /// A list of names is cut by whoever makes it; this bounds a server's own words.
    private static let detailLimit = 4_000
}
