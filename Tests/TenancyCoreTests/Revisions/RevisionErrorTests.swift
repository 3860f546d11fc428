import Revisions
import Testing

@Suite("Revision errors")
struct RevisionErrorTests {
    static let all: [RevisionError] = [
        .parentLoop(revision: "a"), .dependencyLoop(revision: "a"), .cycle(["a", "b"]),
        .dependencyCycle(["a", "b"]), .illegalID(revision: "a-b", characters: ["-"]),
        .duplicateLabel(label: "l", revision: "a", usedBy: "b"),
        .missingParent(revision: "a", parent: "b"),
        .missingDependency(revision: "a", dependency: "b"), .emptyTarget,
        .unknownRevision("a"), .ambiguousPrefix("a", candidates: ["aaaa1", "aaaa2"]),
        .notInBranch(revision: "a", branch: "b"),
        .multipleHeads(target: "head", heads: ["a", "b"]),
        .unknownVersionRow("a"), .ambiguousWalk(from: nil, candidates: ["a", "b"]),
        .ambiguousStart(target: "+1", rows: ["a", "b"]), .walkTooShort(target: "+9"),
        .wrongWay(target: "-1", .up),
        .overlapping(revision: "b", with: ["a"]), .notBelowRows(target: "b", rows: []),
        .branchNotBelowRows(target: "x@b"), .notAnAncestor(range: "a:b"), .brokenOrder(["a"]),
        .rowMissing(revision: "a"), .rowAlreadyThere(revision: "a"),
        .rowRepeated(revision: "a", count: 2), .rowsUnclear(revision: "a"),
        .rangeNotAllowed(target: "a:b"), .rangeNeeded(target: "a"),
        .rangeUnreadable(target: "a:b:c"), .purgeOffline, .severalStarts(["a", "b"]),
        .notAtHead(rows: [], heads: ["a"]),
        .missingScript(revision: "a", direction: .up, file: nil),
        .missingScript(revision: "a", direction: .down, file: "a.sql"),
    ]

    @Test("every error has a code of its own and a sentence")
    func isComplete() {
        #expect(Self.all.map(\.code) == RevisionError.Code.allCases)
        for error in Self.all {
            #expect(error.message.count > 20, "\(error.code)")
            #expect(error.description == error.message)
        }
    }

    @Test("a long list of candidates is cut short")
    func isBounded() {
        let heads = (0..<1_000).map { "revision\($0)" }
        let message = RevisionError.multipleHeads(target: "head", heads: heads).message
        #expect(message.contains("and 990 more") && message.utf8.count < 500)
    }
}
