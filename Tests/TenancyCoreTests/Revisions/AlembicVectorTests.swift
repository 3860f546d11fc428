import Revisions
import Testing

@Suite("Alembic's answers")
struct AlembicVectorTests {
    @Test(
        "every recorded case is answered as Alembic answers it",
        arguments: try AlembicDocument.load())
    func answers(document: AlembicDocument) {
        let revisions = document.revisions
        for (index, entry) in document.cases.enumerated() {
            let answer = Result { () throws(RevisionError) in try entry.answer(revisions) }
            let mismatch = entry.mismatch(answer)
            #expect(
                mismatch == nil,
                "case \(index): \(entry.operation) \(entry.target as Any) from \(entry.current)")
        }
    }

    @Test("no document and no case is missing")
    func isComplete() throws {
        let documents = try AlembicDocument.load()
        #expect(documents.count == 55)
        #expect(documents.map(\.cases.count).reduce(0, +) == 1_938)
    }
}
