import ChildProcesses
import Testing

@Suite struct CapabilitiesTests {
    private static func status(_ effective: String, _ bounding: String, _ ambient: String) -> String
    {
        "Name:\tmigrationd\nCapInh:\t0000000000000000\nCapPrm:\t\(effective)\n"
            + "CapEff:\t\(effective)\nCapBnd:\t\(bounding)\nCapAmb:\t\(ambient)\nSeccomp:\t0\n"
    }

    @Test(
        "what is missing for children of another user is what their starter has not",
        arguments: [
            ("root", "000001ffffffffff", "000001ffffffffff", "0", true, []),
            ("root with these alone", "e0", "e0", "0", true, []),
            (
                "root of a container without any", "0", "0", "0", true,
                ["CAP_SETUID", "CAP_SETGID", "CAP_KILL"]
            ),
            ("root who may not kill", "c0", "c0", "0", true, ["CAP_KILL"]),
            (
                "another user", "0", "1ffffffffff", "0", false,
                ["CAP_SETUID", "CAP_SETGID", "CAP_KILL"]
            ),
            ("another user with them", "e0", "e0", "e0", false, []),
            (
                "another user whose programs lose them", "e0", "e0", "0", false,
                ["CAP_SETUID", "CAP_SETGID"]
            ),
            ("one is not there", "e0", "e0", "a0", false, ["CAP_SETGID"]),
        ] as [(String, String, String, String, Bool, [String])])
    func missing(
        name: String, effective: String, bounding: String, ambient: String, isRoot: Bool,
        expected: [String]
    ) throws {
        let text = Self.status(effective, bounding, ambient)
        let held = try #require(Capabilities(status: text))
        #expect(held.missingForOtherUsers(isRoot: isRoot) == expected, "\(name)")
    }

    @Test("another text tells nothing", arguments: ["", "CapEff:\tx", "CapEff:\t0\nCapBnd:\t0"])
    func otherText(text: String) {
        #expect(Capabilities(status: text) == nil)
    }
}
