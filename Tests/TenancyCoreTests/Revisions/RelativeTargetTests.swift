import Testing

@testable import Revisions

@Suite("Relative targets")
struct RelativeTargetTests {
    @Test(
        "a target that counts is taken apart as Alembic takes it apart",
        arguments: [
            ("+1", nil, nil, 1), ("-2", nil, nil, -2), ("+0", nil, nil, 0),
            ("+1x", nil, nil, 1), ("+\u{FF12}", nil, nil, 2), ("ab_1-3", nil, "ab_1", -3),
            ("2024-05", nil, "2024", -5), ("größe+1", nil, "größe", 1),
            ("main@+2", "main", nil, 2), ("main@ab+2", "main", "ab", 2),
            ("a@b@-1", "a@b", nil, -1), ("a.b@c+1", "a.b", "c", 1),
            ("+99999999999999999999", nil, nil, 1_000_000_000),
        ] as [(String, String?, String?, Int)])
    func parses(target: String, label: String?, symbol: String?, steps: Int) {
        let relative = RelativeTarget(target)
        #expect(relative?.label == label)
        #expect(relative?.symbol == symbol)
        #expect(relative?.steps == steps)
    }

    @Test(
        "a target that does not begin as one counts nothing",
        arguments: ["", "head", "a1b2", "rev.1+1", "a b+1", "a/b-1", "@", "a@", "+", "a@b", "a+b"])
    func ignores(target: String) {
        #expect(RelativeTarget(target) == nil)
    }
}
