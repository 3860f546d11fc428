internal import ControlStore
internal import Fleet
internal import HTTPLite
internal import JobModel
internal import Revisions
internal import Scheduler
internal import Support
internal import Tenants

/// The only place where errors of the other modules become problems. There is no `default`: a new
/// case must choose its code.
extension Problem {
    /// Why a job is not taken; `ids` are the tenants that the request names, in its order.
    init(_ error: SubmissionError, ids: [String] = []) {
        switch error {
        case .queueFull(let limit):
            self.init(
                .tooManyRequests,
                "\(limit) jobs are waiting already; try again when one of them has ended.")
            fields["Retry-After"] = "10"
        case .target(let error):
            self.init(error, pointer: "/target")
        case .unknownTenants(let names):
            // A name is looked for among all ids, so this is done for those only that are listed.
            self.init(invalid: names) { name in
                let index = ids.firstIndex(of: name).map { "/\($0)" } ?? ""
                return Item(
                    pointer: "/tenants/ids\(index)", detail: "names no tenant: \"\(name)\"")
            }
        case .emptySelection(let registryIsEmpty):
            let reason =
                registryIsEmpty ? "the registry has no tenant at all" : "none of its tenants fits"
            self.init(
                invalid: [
                    Item(
                        pointer: "/tenants",
                        detail: "matches no tenant: \(reason); set allow_empty where that is fine")
                ])
        case .idempotencyMismatch:
            self.init(
                .idempotencyMismatch,
                "This Idempotency-Key came with another request before; use a new key.")
        case .noTenantsToRetry(let id):
            self.init(.conflict, "Job \(id) has no failed or cancelled tenant to try again.")
        case .conflict(let state):
            self.init(
                .conflict, "A job that is \(state.rawValue) cannot be retried before it has ended.")
            extensions["state"] = .string(state.rawValue)
        case .jobNotFound(let id):
            self.init(noJob: id.description)
        case .draining:
            self.init(
                unavailable: "The daemon is shutting down and takes no new job.", retryAfter: 10)
        case .registry(let error):
            self.init(error)
        case .store(let error):
            self.init(error)
        }
    }

    init(_ error: JobControlError) {
        switch error {
        case .jobNotFound(let id):
            self.init(noJob: id.description)
        case .conflict(let action, let state):
            self.init(.conflict, "A job that is \(state.rawValue) cannot be asked to \(action).")
            extensions["state"] = .string(state.rawValue)
        case .elsewhere:
            self.init(
                unavailable:
                    "No daemon leads this job at the moment; it is done as soon as one does.",
                retryAfter: 5)
        case .store(let error):
            self.init(error)
        }
    }

    init(_ error: DirectoryError) {
        switch error {
        case .registry(let error):
            self.init(error)
        case .status(let error):
            self.init(error)
        case .unreachable(let failure):
            let hint = failure.hint.map { "; \($0)" } ?? ""
            self.init(unavailable: failure.message + hint, retryAfter: 5)
        case .placement(let error):
            // Asking again does not help before somebody has changed the row or the config.
            self.init(unavailable: "The tenant cannot be placed: \(error)", retryAfter: 60)
        }
    }

    init(_ error: ResolutionError) {
        switch error {
        case .nothingUnfinished:
            self.init(.conflict, "No step of this tenant is unfinished.")
        case .inHands:
            self.init(.conflict, "A job is at work on this tenant's step; wait for its end.")
        case .placement(let error):
            self.init(DirectoryError.placement(error))
        case .store(let error):
            self.init(error)
        case .tenant(let failure):
            self.init(DirectoryError.unreachable(failure))
        }
    }

    init(_ error: StatusError) {
        guard !error.isAboutValue else {
            self.init(refusedValue: error.description)
            return
        }
        self.init(unavailable: Self.sentence(error.description), retryAfter: 5)
    }

    init(_ error: RegistryError) {
        if case .refusedValue = error {
            self.init(refusedValue: error.description)
            return
        }
        self.init(
            unavailable: Self.sentence(error.description), retryAfter: error.isTemporary ? 5 : 60)
    }

    /// A value that no check has stopped and a database has: asking again would not help.
    private init(refusedValue reason: String) {
        self.init(invalid: [Item(pointer: "", detail: reason)])
    }

    init(_ error: FieldIssues) {
        self.init(
            invalid: error.issues.map { Item(pointer: $0.pointer, detail: $0.detail) },
            omitted: error.omitted)
    }

    init(_ error: JSONError) {
        self.init(.invalidJSON, "At byte \(error.offset): \(error.message)")
        extensions["offset"] = JSONValue(error.offset)
    }

    init(_ error: RevisionError, pointer: String) {
        self.init(invalid: [Item(pointer: pointer, detail: error.message)])
    }

    init(_ error: FolderError) {
        self.init(
            invalid: error.problems.map { problem in
                let place = [problem.file, problem.line.map(String.init)].compactMap(\.self)
                return Item(pointer: place.joined(separator: ":"), detail: problem.message)
            })
    }

    init(_ failure: HTTPFailure) {
        self.init(ProblemCode(failure.reason), Self.sentence(failure.detail))
        for (name, value) in failure.fields.all { fields[name] = value }
        if code == .unavailable || code == .tooManyRequests, fields["Retry-After"] == nil {
            fields["Retry-After"] = "1"
        }
    }

    /// A phrase as a sentence of its own.
    private static func sentence(_ phrase: String) -> String {
        let text = phrase.prefix(1).uppercased() + phrase.dropFirst()
        return text.hasSuffix(".") ? text : text + "."
    }

    init(noJob id: String) {
        self.init(.notFound, "There is no job \"\(id)\".")
    }

    init(noTenant name: String) {
        self.init(.notFound, "There is no tenant with the id or identifier \"\(name)\".")
    }
}

extension ProblemCode {
    /// The code for what the HTTP layer refuses by itself.
    init(_ reason: HTTPFailure.Reason) {
        switch reason {
        case .malformedRequest, .malformedTarget, .malformedField, .malformedHost,
            .ambiguousFraming, .malformedChunk, .incompleteBody, .plainOnTLS:
            self = .badRequest
        case .notFound: self = .notFound
        case .methodNotAllowed: self = .methodNotAllowed
        case .notAcceptable: self = .notAcceptable
        case .requestTimeout: self = .requestTimeout
        case .bodyTooLarge: self = .payloadTooLarge
        case .targetTooLong: self = .uriTooLong
        case .unknownExpectation: self = .expectationFailed
        case .tooManyRequests: self = .tooManyRequests
        case .fieldsTooLarge: self = .headerFieldsTooLarge
        case .internalError: self = .internal
        case .unknownMethod, .unknownCoding: self = .notImplemented
        case .overloaded, .handlerTimeout: self = .unavailable
        case .unsupportedVersion: self = .versionNotSupported
        }
    }
}
