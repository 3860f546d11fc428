import ArgumentParser
import Foundation
import Support
import Testing

@testable import MigrationDaemon

@Suite struct CommandTests {
    private func job(
        state: String, reason: JSONValue = nil, counts: JSONValue, rate: JSONValue = nil,
        eta: JSONValue = nil
    ) throws -> JobProgress {
        try #require(
            JobProgress([
                "id": "j", "operation": "upgrade", "target": "head", "state": .string(state),
                "state_reason": reason, "version": 3, "counts": counts,
                "tenants_per_second": rate, "eta_ms": eta,
                "first_errors": [["identifier": "acme", "error": "lock timeout"]],
            ]))
    }

    @Test("a job's line in a log")
    func line() throws {
        let running = try job(
            state: "running",
            counts: ["total": 10, "pending": 4, "running": 1, "succeeded": 3, "failed": 2],
            rate: 81.2)
        #expect(
            running.line
                == "j upgrade head running: 5/10 tenants 3 succeeded 2 failed 1 running 81.2/s")
        #expect(running.firstErrors == ["acme: lock timeout"])
    }

    @Test("what is waited for stands in the place of a rate, and a rate of nothing is none")
    func waiting() throws {
        let counts: JSONValue = ["total": 4, "succeeded": 1, "running": 1]
        let still = try job(state: "running", counts: counts, rate: 2.0, eta: 1_500)
        #expect(
            still.line(waiting: "acme still running")
                == "j upgrade head running: 1/4 tenants 1 succeeded 1 running - acme still running")
        #expect(!still.bar(columns: 100, waiting: "acme").contains("/s"))
        for (state, rate) in [("running", 0.0), ("paused", 2.0), ("queued", 2.0)] {
            let job = try job(state: state, counts: counts, rate: JSONValue(rate), eta: 1)
            #expect(!job.line.contains("/s") && !job.bar(columns: 100).contains("left"))
        }
        let fresh = try job(state: "running", counts: ["total": 4], rate: 0.1)
        #expect(!fresh.line.contains("/s"))
    }

    @Test("a job's bar on a terminal never leaves its line")
    func bar() throws {
        let half = try job(
            state: "running", counts: ["total": 4, "succeeded": 1, "failed": 1], rate: 2.0,
            eta: 1_500)
        #expect(half.bar(columns: 40).count < 40)
        #expect(half.bar(columns: 50, waiting: "a\u{1B}b: lock_timeout").count < 50)
        #expect(
            half.bar(columns: 60) == "[##########...........] 2/4 1 failed 2.0/s 2 s left running")
        let empty = try job(state: "queued", counts: ["total": 0])
        #expect(empty.bar(columns: 80).hasPrefix("[......"))
    }

    @Test(
        "the shell is told how a job ended",
        arguments: [
            ("succeeded", JSONValue.null, CommandStatus.success), ("failed", nil, .failure),
            ("failed", "failure_budget_exceeded", .stopped), ("cancelled", nil, .stopped),
        ])
    func commandStatus(state: String, reason: JSONValue, status: CommandStatus) throws {
        let job = try job(state: state, reason: reason, counts: [:])
        #expect(job.isFinal)
        #expect(job.commandStatus == status)
    }

    @Test("options become the members of a request, and what is not given is left out")
    func requestOptions() throws {
        let command = try #require(
            try Migrationd.parseAsRoot([
                "job", "start", "--operation", "upgrade", "--tenant", "a", "--tenant", "b",
                "--metadata", "plan=enterprise", "--metadata", "seats=3", "--behind-only",
                "--concurrency", "4", "--dry-run", "plan", "--allow-empty",
            ]) as? JobStart)
        #expect(
            try command.request.json() == [
                "operation": "upgrade",
                "tenants": [
                    "ids": ["a", "b"], "metadata": ["plan": "enterprise", "seats": 3],
                    "behind_only": true,
                ], "concurrency": 4, "allow_empty": true, "dry_run": "plan",
            ])
        let short = try #require(
            try Migrationd.parseAsRoot(["job", "start", "--operation", "check"]) as? JobStart)
        #expect(try short.request.json() == ["operation": "check"])
    }

    @Test(
        "a problem tells the shell whose mistake it is",
        arguments: [
            (422, CommandStatus.usage), (404, .usage), (401, .usage), (429, .unreachable),
            (503, .unreachable),
        ])
    func problem(status: Int, expected: CommandStatus) {
        let failure = APIClient.failure(
            status,
            [
                "title": "The request is not valid", "code": "invalid_request",
                "errors": [["pointer": "/target", "detail": "there is no revision zz"]],
            ])
        #expect(failure.status == expected)
        #expect(
            failure.message
                == "The request is not valid (invalid_request).\n  /target: there is no revision zz"
        )
    }

    @Test(
        "an address without a scheme and a host is refused",
        arguments: ["", "localhost:8080", "ftp://a", "http://", "/v1", "http://a/v1"])
    func address(text: String) {
        #expect(throws: CommandFailure.self) { try APIClient(address: text, token: nil) }
    }

    @Test("segments and query values are escaped")
    func escaping() {
        #expect(APIClient.escaped("a/b ?ü") == "a%2Fb%20%3F%C3%BC")
        #expect(Query(["b": "x,y", "a": nil, "c": "1"]).text == "?b=x%2Cy&c=1")
        #expect(Query(["a": nil]).text == "")
    }

    @Test("questions about a graph are answered in the form of the vectors")
    func vectors() throws {
        let document: JSONValue = [
            "graph": [
                "revisions": [
                    ["id": "aaaa", "down_revisions": [], "depends_on": [], "branch_labels": []],
                    ["id": "bbbb", "down_revisions": ["aaaa"]],
                ]
            ],
            "cases": [
                ["operation": "upgrade", "current": ["aaaa"], "target": "head"],
                ["operation": "heads", "current": [], "target": ""],
                ["operation": "upgrade", "current": [], "target": "zz"],
            ],
        ]
        let answers = try #require(try VectorAnswers.answer(document)["answers"]?.arrayValue)
        #expect(
            answers[0] == [
                "steps": [
                    [
                        "revision": "bbbb", "direction": "up", "delete_versions": [],
                        "insert_versions": [], "update_version": ["aaaa", "bbbb"],
                    ]
                ], "result": ["bbbb"],
            ])
        #expect(answers[1]["result"] == ["bbbb"])
        #expect(answers[2]["error"]?["class"] == "ResolutionError")
    }

    @Test("docs/cli.md has every command, and every exit code")
    func documented() throws {
        let page = try Golden.page("cli.md")
        let names = Migrationd.configuration.subcommands.flatMap { command in
            let own = command.configuration.commandName ?? "\(command)".lowercased()
            let inner = command.configuration.subcommands.map { $0.configuration.commandName ?? "" }
            return inner.isEmpty ? [own] : inner.map { "\(own) \($0)" }
        }
        for name in names { #expect(page.contains("`migrationd \(name)"), "\(name)") }
        for status in CommandStatus.allCases { #expect(page.contains("| \(status.rawValue) |")) }
    }
}
