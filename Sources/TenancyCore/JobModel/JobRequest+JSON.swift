package import Support
internal import Tenants

/// What a job request takes where it says nothing.
package struct JobDefaults: Sendable, Equatable {
    package var concurrency: Int
    package var pageSize: Int
    package var lockTimeoutMilliseconds: Int
    package var statementTimeoutMilliseconds: Int
    package var maxAttempts: Int

    package init(
        concurrency: Int = 10, pageSize: Int = 100, lockTimeoutMilliseconds: Int = 3_000,
        statementTimeoutMilliseconds: Int = 0, maxAttempts: Int = 5
    ) {
        self.concurrency = concurrency
        self.pageSize = pageSize
        self.lockTimeoutMilliseconds = lockTimeoutMilliseconds
        self.statementTimeoutMilliseconds = statementTimeoutMilliseconds
        self.maxAttempts = maxAttempts
    }
}

/// The bounds of what a job request may ask, for the reader and for the API's description.
package enum JobBounds {
    package static let concurrency = 1...1_000
    package static let pageSize = 1...1_000
    /// PostgreSQL holds its timeouts in 32 bits.
    package static let timeoutMilliseconds = 0...2_147_483_647
    package static let maxAttempts = 1...100
    package static let targetLength = 1...255
    package static let commentLength = 0...1_000
    /// Length of a tenant's id or identifier, of a glob, and of a status word.
    package static let nameLength = 1...255
    package static let idCount = 1...10_000
    package static let statusCount = 1...20
    package static let metadataCount = 0...1_000
    package static let tenantLimit = 1...10_000_000
}

extension JobRequest {
    /// Reads a request as the API takes it and as `json` writes it. What is left out or null takes
    /// its default; everything that is wrong is reported at once.
    package static func read(
        _ body: JSONValue, defaults: JobDefaults
    ) throws(FieldIssues) -> JobRequest {
        try ObjectReader.read(body) { reader -> JobRequest? in
            let operation = reader.offered(
                "operation", .required, of: JobOperation.self, later: laterOperations)
            let target = reader.target()
            let tenants = reader.object("tenants", .nullable, TenantSelection.read)
            let allowEmpty = reader.bool("allow_empty", .nullable) ?? false
            let options = reader.options(defaults)
            reader.refuseRollout()
            guard let operation else { return nil }
            var request = JobRequest(
                operation: operation, target: target ?? operation.defaultTarget,
                tenants: tenants ?? TenantSelection(), options: options)
            request.allowEmpty = allowEmpty
            return request
        }
    }

    /// Reads a request for one tenant: the members `target`, `dry_run`, `comment`, the two timeouts
    /// and `max_attempts`, all of which may be left out.
    package static func read(
        _ body: JSONValue, operation: JobOperation, tenants: TenantSelection, defaults: JobDefaults
    ) throws(FieldIssues) -> JobRequest {
        try ObjectReader.read(body) { reader -> JobRequest? in
            let target = reader.target()
            let options = reader.stepOptions(defaults)
            return JobRequest(
                operation: operation, target: target ?? operation.defaultTarget, tenants: tenants,
                options: options)
        }
    }

    /// The request with every default filled in; `read` gives an equal one back.
    package var json: JSONValue {
        [
            "operation": .string(operation.rawValue), "target": .string(target),
            "tenants": tenants.json, "concurrency": JSONValue(concurrency),
            "page_size": JSONValue(pageSize), "lock_timeout_ms": JSONValue(lockTimeoutMilliseconds),
            "statement_timeout_ms": JSONValue(statementTimeoutMilliseconds),
            "max_attempts": JSONValue(maxAttempts), "dry_run": .string(dryRun.rawValue),
            "allow_empty": .bool(allowEmpty), "rollout": nil, "comment": JSONValue(comment),
        ]
    }

    /// A request out of the control database; nil when something else wrote it.
    package init?(stored: JSONValue) {
        do throws(FieldIssues) {
            self = try JobRequest.read(stored, defaults: JobDefaults())
        } catch {
            return nil
        }
    }

    fileprivate struct Options {
        var defaults: JobDefaults
        var dryRun: DryRun
        var comment: String?
    }

    private init(
        operation: JobOperation, target: String, tenants: TenantSelection, options: Options
    ) {
        let numbers = options.defaults
        self.init(
            operation: operation, target: target, tenants: tenants,
            concurrency: numbers.concurrency, pageSize: numbers.pageSize,
            lockTimeoutMilliseconds: numbers.lockTimeoutMilliseconds,
            statementTimeoutMilliseconds: numbers.statementTimeoutMilliseconds,
            maxAttempts: numbers.maxAttempts, dryRun: options.dryRun, comment: options.comment)
    }
}

extension TenantSelection {
    fileprivate static func read(_ reader: inout ObjectReader) -> TenantSelection? {
        var selection = TenantSelection()
        let names = JobBounds.nameLength
        selection.ids = reader.strings("ids", .nullable, count: JobBounds.idCount, length: names)
        selection.match = reader.glob("match")
        if let status = reader.strings(
            "status", .nullable, count: JobBounds.statusCount, length: names)
        {
            selection.status = status
        }
        selection.isolation = reader.choice("isolation", .nullable, of: Isolation.self)
        selection.metadata = reader.storableMembers(
            "metadata", .nullable, count: JobBounds.metadataCount)
        selection.behindOnly = reader.bool("behind_only", .nullable) ?? false
        selection.limit = reader.integer("limit", .nullable, in: JobBounds.tenantLimit)
        return selection
    }

    fileprivate var json: JSONValue {
        [
            "ids": ids.map { JSONValue($0) } ?? nil, "match": JSONValue(match?.description),
            "status": JSONValue(status), "isolation": JSONValue(isolation?.rawValue),
            "metadata": metadata.map { .object($0) } ?? nil, "behind_only": .bool(behindOnly),
            "limit": JSONValue(limit),
        ]
    }
}

/// Words of the API's contract that this version does not have.
private let laterOperations = ["fingerprint", "adopt"]
private let laterDryRuns = ["rehearse"]
private let notOffered = "is not offered by this version"

extension ObjectReader {
    /// A word that this version knows. Whoever is told the words to choose from is told of those only,
    /// and whoever writes one of a later version that it is too early.
    fileprivate mutating func offered<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, _ presence: Presence, of type: Choice.Type, later: [String]
    ) -> Choice? {
        if let word = value(key, .nullable)?.stringValue, later.contains(word) {
            report(key, "\"\(word)\" \(notOffered)")
            return nil
        }
        return choice(key, presence, of: type)
    }

    fileprivate mutating func glob(_ key: String) -> Glob? {
        guard let text = string(key, .nullable) else { return nil }
        do throws(GlobError) {
            return try Glob(text)
        } catch {
            report(key, error.description)
            return nil
        }
    }

    fileprivate mutating func target() -> String? {
        string("target", .nullable, length: JobBounds.targetLength)
    }

    fileprivate mutating func options(_ defaults: JobDefaults) -> JobRequest.Options {
        var options = stepOptions(defaults)
        if let number = integer("concurrency", .nullable, in: JobBounds.concurrency) {
            options.defaults.concurrency = number
        }
        if let number = integer("page_size", .nullable, in: JobBounds.pageSize) {
            options.defaults.pageSize = number
        }
        return options
    }

    /// What a job of one tenant has a use for as well.
    fileprivate mutating func stepOptions(_ defaults: JobDefaults) -> JobRequest.Options {
        var numbers = defaults
        let timeout = JobBounds.timeoutMilliseconds
        if let number = integer("lock_timeout_ms", .nullable, in: timeout) {
            numbers.lockTimeoutMilliseconds = number
        }
        if let number = integer("statement_timeout_ms", .nullable, in: timeout) {
            numbers.statementTimeoutMilliseconds = number
        }
        if let number = integer("max_attempts", .nullable, in: JobBounds.maxAttempts) {
            numbers.maxAttempts = number
        }
        let dryRun = offered("dry_run", .nullable, of: DryRun.self, later: laterDryRuns)
        let comment = string("comment", .nullable, length: JobBounds.commentLength)
        return JobRequest.Options(defaults: numbers, dryRun: dryRun ?? .none, comment: comment)
    }

    /// Waves are part of the contract but not of this version; to start without the ones that were
    /// asked for would migrate the whole fleet at once.
    fileprivate mutating func refuseRollout() {
        guard let rollout = value("rollout", .nullable), rollout.objectValue?.isEmpty != true else {
            return
        }
        report("rollout", "\(notOffered): leave it out or null")
    }
}
