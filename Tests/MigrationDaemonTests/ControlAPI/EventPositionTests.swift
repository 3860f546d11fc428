import HTTPLite
import Testing

@testable import ControlAPI
@testable import MigrationDaemon

@Suite struct EventPositionTests {
    @Test(
        "an event's id names a place in the job",
        arguments: [
            ("0", 0, false), ("17", 17, false), ("17-end", 17, true), ("007", 7, false),
        ] as [(String, Int64, Bool)])
    func good(text: String, number: Int64, isEnd: Bool) {
        #expect(EventPosition(text: text) == EventPosition(number: number, isEnd: isEnd))
    }

    @Test(
        "anything else is none",
        arguments: ["", "-1", "+1", "1.0", "end", "-end", "1-END", "1 ", "99999999999999999999"])
    func bad(text: String) {
        #expect(EventPosition(text: text) == nil)
    }

    @Test("an id is written as it is read")
    func written() {
        for text in ["0", "42", "42-end"] { #expect(EventPosition(text: text)?.text == text) }
    }

    @Test(
        "without an id, or with an empty one, the stream begins at the start; a wrong one is named")
    func fields() throws {
        #expect(try EventPosition(HTTPFields()).number == 0)
        #expect(try EventPosition(["Last-Event-ID": ""]).number == 0)
        #expect(try EventPosition(["Last-Event-ID": "5"]).number == 5)
        let problem = #expect(throws: Problem.self) { try EventPosition(["Last-Event-ID": "x"]) }
        #expect(problem?.items.map(\.pointer) == ["Last-Event-ID:"])
    }

    @Test("places for streams come back when they are left")
    func places() {
        let streams = EventStreams(limit: 2)
        var places = [streams.take(), streams.take()]
        #expect(places.allSatisfy { $0 != nil })
        #expect(streams.take() == nil)
        places.removeLast()
        #expect(streams.take() != nil)
    }
}
