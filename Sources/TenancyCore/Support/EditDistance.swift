/// Suggests the known name that a mistyped one is nearest to.
package enum EditDistance {
    /// The candidate with the fewest edits from `name`, when they are few for its length.
    static func nearest(to name: String, among candidates: some Sequence<String>) -> String? {
        // Comparing costs the product of both lengths, so a long name is not compared.
        guard name.utf8.count <= 64 else { return nil }
        let limit = min(3, 1 + name.utf8.count / 4)
        return
            candidates
            .map { (name: $0, distance: distance(Array(name.utf8), Array($0.utf8))) }
            .filter { $0.distance <= limit }
            .min { $0.distance < $1.distance }?
            .name
    }

    /// `; did you mean "..."?`, or nothing without a near candidate.
    package static func suffix(for name: String, among candidates: some Sequence<String>) -> String
    {
        nearest(to: name, among: candidates).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    /// Levenshtein's distance, a row at a time.
    private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var row = Array(0...second.count)
        for (line, left) in first.enumerated() {
            var diagonal = row[0]
            row[0] = line + 1
            for (column, right) in second.enumerated() {
                let replaced = diagonal + (left == right ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[second.count]
    }
}
