/// What a process may do beyond what its user may (capabilities(7)).
package struct Capabilities: Equatable, Sendable {
    private let effective: UInt64
    private let bounding: UInt64
    private let ambient: UInt64

    /// Reads `/proc/PID/status`; `nil` for any other text.
    package init?(status: String) {
        var masks: [Substring: UInt64] = [:]
        for line in status.split(separator: "\n") {
            let parts = line.split(maxSplits: 1) { $0 == ":" }
            guard parts.count == 2, parts[0].hasPrefix("Cap") else { continue }
            masks[parts[0]] = UInt64(parts[1].drop { $0 == "\t" || $0 == " " }, radix: 16)
        }
        guard let effective = masks["CapEff"], let bounding = masks["CapBnd"],
            let ambient = masks["CapAmb"]
        else { return nil }
        self.effective = effective
        self.bounding = bounding
        self.ambient = ambient
    }

    /// The names of what is missing for children that run as another user.
    ///
    /// Changing users is done by a program of its own, so the right to it has to survive `execve`: of
    /// root's rights those in the bounding set do, of another user's only the ambient ones. Ending
    /// the children is this process's own work.
    package func missingForOtherUsers(isRoot: Bool) -> [String] {
        let inherited = isRoot ? bounding : ambient
        let rights: [(name: String, bit: UInt64, held: UInt64)] = [
            ("CAP_SETUID", 1 << 7, inherited), ("CAP_SETGID", 1 << 6, inherited),
            ("CAP_KILL", 1 << 5, effective),
        ]
        return rights.filter { $0.held & $0.bit == 0 }.map(\.name)
    }
}
