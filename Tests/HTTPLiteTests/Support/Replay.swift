@testable import HTTPLite

/// Feeds bytes to a parser in given pieces and tells its events as short texts.
enum Replay {
    /// The events, with the pieces of a body joined, because cuts may change their number.
    static func events(
        _ bytes: [UInt8], cuts: [Int] = [], limits: Limits = Limits()
    ) -> [String] {
        var parser = RequestParser(limits: SharedLimits(limits))
        var events: [String] = []
        var body: [UInt8] = []
        var from = 0
        for cut in cuts + [bytes.count] {
            bytes[from..<cut].withUnsafeBufferPointer { parser.receive($0) }
            from = cut
            while let event = parser.next() {
                if case .body(let piece) = event {
                    body += piece
                    continue
                }
                if !body.isEmpty { events.append("body \(String(decoding: body, as: UTF8.self))") }
                body = []
                events.append(describe(event))
            }
        }
        if !body.isEmpty { events.append("part \(String(decoding: body, as: UTF8.self))") }
        return events
    }

    static func events(_ text: String, cuts: [Int] = [], limits: Limits = Limits()) -> [String] {
        events(Array(text.utf8), cuts: cuts, limits: limits)
    }

    /// Every way to cut the bytes that a table of tests can afford: whole, each byte apart, in two
    /// at each place, and at seeded places.
    static func cuttings(of count: Int, seed: UInt64) -> [[Int]] {
        guard count > 1 else { return [[]] }
        var cuttings = [[], Array(1..<count)]
        cuttings += (1..<count).map { [$0] }
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            cuttings.append((1..<count).filter { _ in Int.random(in: 0..<8, using: &random) == 0 })
        }
        return cuttings
    }

    private static func describe(_ event: RequestParser.Event) -> String {
        switch event {
        case .head(let head):
            let framing =
                switch head.framing {
                case .none: ""
                case .length(let length): " length \(length)"
                case .chunked: " chunked"
                }
            return "\(head.method) \(head.target.raw)" + (head.isHTTP10 ? " 1.0" : "") + framing
                + (head.keepsAlive ? "" : " close") + (head.expectsContinue ? " continue" : "")
        case .body: return "body"
        case .end: return "end"
        case .failure(let failure): return "\(failure.status.code) \(failure.reason.rawValue)"
        }
    }
}
