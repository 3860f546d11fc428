import Foundation
import Testing

@testable import HTTPLite

/// A case of Fixtures/http/cases.json, whose origin is conformance.py beside it.
struct ConformanceCase: Decodable, Sendable, CustomTestStringConvertible {
    struct Step: Decodable, Sendable {
        let text: String?
        let times: Int?
        let end: Bool?
    }

    let id: String
    let title: String
    let steps: [Step]
    let methods: [String]
    /// Alternatives such as `400 close | 200`; see conformance.py for their grammar.
    let expect: String

    var testDescription: String { "\(id): \(title)" }

    static let all: [ConformanceCase] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fixtures/http/cases.json")
        guard let data = try? Data(contentsOf: file),
            let cases = try? JSONDecoder().decode([ConformanceCase].self, from: data)
        else { return [] }
        return cases
    }()

    /// The bytes to send and whether the client then ends its side.
    var input: (bytes: [UInt8], ends: Bool) {
        var bytes: [UInt8] = []
        for step in steps {
            let piece = (step.text ?? "").unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
            for _ in 0..<(step.times ?? 0) { bytes += piece }
        }
        return (bytes, steps.last?.end ?? false)
    }

    /// Whether the outcome is one that the case accepts.
    func accepts(statuses: [Int], hasEnded: Bool) -> Bool {
        expect.split(separator: "|").contains { alternative in
            var words = alternative.split(separator: " ").map(String.init)
            let ending =
                ["close", "open", "wait"].contains(words.last ?? "") ? words.removeLast() : ""
            if words == ["-"] { words = [] }
            guard ending != "close" || hasEnded, ending != "open" || !hasEnded,
                words.count == statuses.count
            else { return false }
            return zip(words, statuses).allSatisfy { word, status in
                word.split(separator: "/").contains { Self.matches($0, status) }
            }
        }
    }

    private static func matches(_ word: Substring, _ status: Int) -> Bool {
        switch word {
        case "*": status < 500
        // The status of the good POST.
        case "B": status == 202
        default: word.hasSuffix("xx") ? word.prefix(1) == "\(status / 100)" : Int(word) == status
        }
    }
}

@Suite("Conformance without sockets")
struct ConformanceTests {
    private static let router: Router = {
        var router = Router()
        router.add(.get, "/healthz") { _ in
            HTTPResponse(status: .ok, body: .bytes(Array("ok\n".utf8)))
        }
        router.add(.post, "/v1/jobs") { request in
            HTTPResponse(status: request.body == Array("{}".utf8) ? .accepted : .badRequest)
        }
        return router
    }()

    @Test("the table is there")
    func table() {
        #expect(ConformanceCase.all.count > 90)
    }

    @Test("each case ends as its table says, whole and in pieces", arguments: ConformanceCase.all)
    func run(test: ConformanceCase) async {
        let (bytes, ends) = test.input
        var first: [UInt8]?
        for size in [bytes.count, 1, 2, 3, 7, 1000] where size > 0 && bytes.count / size < 5000 {
            var server = MemoryServer(router: Self.router)
            for start in stride(from: 0, to: bytes.count, by: size) {
                await server.send(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            if ends { await server.end() }
            var reader = ResponseReader(server.output, methods: test.methods)
            let responses = reader.all()
            #expect(responses != nil, "broken framing, pieces of \(size)")
            let statuses = (responses ?? []).map(\.status).filter { $0 >= 200 }
            #expect(
                test.accepts(statuses: statuses, hasEnded: server.hasEnded),
                "\(test.expect): saw \(statuses), ended \(server.hasEnded), pieces of \(size)")
            // An interim response depends on whether the body has come, the rest must not.
            if !test.id.hasPrefix("expect") { #expect(first ?? server.output == server.output) }
            first = first ?? server.output
        }
    }
}
