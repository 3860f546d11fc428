import Foundation
import Testing

@testable import HTTPLite

/// Inputs that a fuzzer has found worth keeping, because each reaches something that others do not.
@Suite("Fuzzer's corpus")
struct CorpusTests {
    private static let inputs: [[UInt8]] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fixtures/http/fuzz/corpus.txt")
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map { line in
            let digits = Array(line.utf8)
            return stride(from: 0, to: digits.count - 1, by: 2).compactMap {
                UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)
            }
        }
    }()

    /// As in the fuzzer's harness, so that short inputs reach all bounds.
    private let limits: Limits = {
        var limits = Limits()
        limits.requestLineBytes = 100
        limits.headBytes = 300
        limits.fieldCount = 6
        limits.bodyBytes = 200
        limits.chunkLineBytes = 20
        limits.chunkExtensionBytes = 30
        limits.trailerBytes = 30
        return limits
    }()

    @Test("each input means the same at every cut")
    func replay() {
        #expect(Self.inputs.count > 500)
        var random = SeededGenerator(seed: 1)
        for (number, input) in Self.inputs.enumerated() {
            // The first byte is the harness's seed.
            let bytes = Array(input.dropFirst())
            guard bytes.count > 1 else { continue }
            let whole = Replay.events(bytes, limits: limits)
            let apart = Replay.events(bytes, cuts: Array(1..<bytes.count), limits: limits)
            let cuts = (1..<bytes.count).filter { _ in Int.random(in: 0..<9, using: &random) == 0 }
            #expect(whole == apart, "input \(number)")
            #expect(whole == Replay.events(bytes, cuts: cuts, limits: limits), "input \(number)")
        }
    }
}
