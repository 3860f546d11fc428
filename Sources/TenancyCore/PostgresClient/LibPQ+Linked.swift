internal import CLibPQ

extension LibPQ {
    /// The one that the daemon is linked with, asked once.
    package static let linked = LibPQ(
        version: Int(PQlibVersion()), keywords: linkedKeywords(Int(PQlibVersion())))

    private static func linkedKeywords(_ version: Int) -> Set<String> {
        guard let options = PQconndefaults() else {
            // There was no memory for the answer: what that version is known to have.
            return Set(
                ConnectionKeyword.introduced.filter { $0.major <= version / 10_000 }
                    .map(\.keyword))
        }
        defer { PQconninfoFree(options) }
        var keywords: Set<String> = []
        var option = options
        while let keyword = option.pointee.keyword {
            keywords.insert(String(cString: keyword))
            option += 1
        }
        return keywords
    }
}
