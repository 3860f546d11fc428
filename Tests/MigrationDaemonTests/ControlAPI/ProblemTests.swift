import Foundation
import HTTPLite
import Testing

@testable import ControlAPI
@testable import ControlStore
@testable import Fleet
@testable import JobModel
@testable import MigrationDaemon
@testable import PostgresClient
@testable import Revisions
@testable import Scheduler
@testable import Support
@testable import Tenants

@Suite struct ProblemTests {
    private static let id = JobID("0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f10")

    @Test("a problem document has every member of RFC 9457 and the contract's own")
    func document() throws {
        var problem = Problem(invalid: [
            .init(pointer: "/concurrency", detail: "must be between 1 and 1000"),
            .init(pointer: "?limit", detail: "stands twice"),
        ])
        problem.extensions["state"] = "paused"
        let response = problem.response(instance: "/v1/jobs", requestID: "r-1")
        #expect(response.status.code == 422)
        #expect(response.fields["Content-Type"] == "application/problem+json")
        try Golden.expect(response.json, is: "problem.json")
    }

    @Test("a request that could not be read has no instance")
    func withoutInstance() {
        let failure = HTTPFailure(.malformedRequest, "the request line is malformed")
        let response = Routes.response(to: failure, requestID: "r-2")
        #expect(response.status.code == 400)
        #expect(response.json["instance"]?.isNull == true)
        #expect(response.json["code"] == "bad_request")
        #expect(response.json["detail"] == "The request line is malformed.")
    }

    @Test(
        "every refusal of the HTTP layer keeps its status and its fields",
        arguments: HTTPFailure.Reason.allCases)
    func httpFailure(reason: HTTPFailure.Reason) {
        let failure = HTTPFailure(reason, "why", fields: ["Allow": "GET"])
        let problem = Problem(failure)
        #expect(problem.code.status == failure.status.code, "\(reason)")
        #expect(problem.fields["Allow"] == "GET")
        let asksForRetry = problem.code == .unavailable || problem.code == .tooManyRequests
        #expect((problem.fields["Retry-After"] != nil) == asksForRetry)
    }

    static var submissions: [(SubmissionError, ProblemCode, [String])] {
        guard let id else { return [] }
        return [
            (.queueFull(limit: 9), .tooManyRequests, []),
            (.target(.unknownRevision("zz")), .invalidRequest, ["/target"]),
            (.unknownTenants(["b", "z"]), .invalidRequest, ["/tenants/ids/1", "/tenants/ids"]),
            (.idempotencyMismatch, .idempotencyMismatch, []),
            (.noTenantsToRetry(id), .conflict, []),
            (.conflict(state: .running), .conflict, []),
            (.jobNotFound(id), .notFound, []),
            (.draining, .unavailable, []),
            (.registry(.unavailable(reason: "no route")), .unavailable, []),
        ]
    }

    @Test("every reason not to take a job has its code", arguments: submissions)
    func submission(error: SubmissionError, code: ProblemCode, pointers: [String]) {
        let problem = Problem(error, ids: ["a", "b"])
        #expect(problem.code == code)
        #expect(problem.items.map(\.pointer) == pointers)
        if code == .unavailable || code == .tooManyRequests {
            #expect(problem.fields["Retry-After"] != nil)
        }
    }

    @Test("a document lists a hundred things that are wrong, and says how many it leaves out")
    func bounded() {
        let ids = (0..<10_000).map { "t-\($0)" }
        let unknown = Problem(.unknownTenants(ids), ids: ids)
        #expect(unknown.items.count == 100)
        #expect(unknown.items.last?.pointer == "/tenants/ids/99")
        #expect(unknown.detail.hasSuffix("; and 9997 more (100 are listed, 9900 left out)"))
        let issue = FieldIssue(path: [.key("a")], detail: "is not known")
        let fields = Problem(FieldIssues([issue], omitted: 5))
        #expect(fields.detail == "/a: is not known; and 3 more (1 are listed, 5 left out)")
        #expect(Problem(FieldIssues([issue])).detail == "/a: is not known")
    }

    @Test("a value that a database refuses is never called unavailable")
    func refusedValue() {
        let refusal = ServerError(sqlState: "22P02", message: "invalid input syntax")
        for problem in [
            Problem(StatusError(.server(refusal))),
            Problem(RegistryError.refusedValue(reason: "invalid input syntax")),
        ] {
            #expect(problem.code == .invalidRequest)
            #expect(problem.fields["Retry-After"] == nil)
            #expect(problem.items.first?.detail.contains("invalid input syntax") == true)
        }
    }

    static var controls: [(JobControlError, ProblemCode)] {
        guard let id else { return [] }
        return [
            (.jobNotFound(id), .notFound), (.conflict(action: "pause", state: .failed), .conflict),
            (.elsewhere, .unavailable),
        ]
    }

    @Test("every reason to refuse a command to a job has its code", arguments: controls)
    func control(error: JobControlError, code: ProblemCode) {
        #expect(Problem(error).code == code)
    }

    @Test("a conflict names the state")
    func conflictState() {
        let problem = Problem(JobControlError.conflict(action: "pause", state: .failed))
        #expect(problem.json(instance: "/", requestID: "r")["state"] == "failed")
    }

    static let directory: [(DirectoryError, String)] = [
        (.registry(.invalid(reason: "no table")), "60"),
        (
            .unreachable(TenantFailure(code: .server(.unreachable), message: "No.", hint: "Look.")),
            "5"
        ),
    ]

    @Test("a tenant that cannot be asked is 503 with the reason", arguments: directory)
    func directoryError(error: DirectoryError, retryAfter: String) {
        let problem = Problem(error)
        #expect(problem.code == .unavailable)
        #expect(problem.fields["Retry-After"] == retryAfter)
    }

    @Test("a folder's problems are told with file and line")
    func folder() {
        let error = FolderError(problems: [
            FolderProblem(file: "1.sql", line: 3, code: "x", message: "one"),
            FolderProblem(file: "2.sql", line: nil, code: "x", message: "two"),
            FolderProblem(file: nil, line: nil, code: "x", message: "three"),
        ])
        #expect(Problem(error).items.map(\.pointer) == ["1.sql:3", "2.sql", ""])
    }

    @Test("docs/errors.md lists every problem code with its status, and no other")
    func documented() throws {
        let page = try Golden.page("errors.md")
        let section = page.components(separatedBy: "\n## ").first { $0.hasPrefix("Problem codes") }
        let rows = (section ?? "").split(separator: "\n").filter { $0.hasPrefix("| `") }
        let documented = rows.map { row in
            row.split(separator: "|").prefix(2)
                .map { $0.trimmingCharacters(in: [" ", "`"]) }.joined(separator: " ")
        }
        let known = ProblemCode.allCases.map { "\($0.rawValue) \($0.status)" }
        #expect(documented.sorted() == known.sorted())
    }
}
