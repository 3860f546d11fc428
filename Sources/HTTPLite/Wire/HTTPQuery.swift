/// The parameters of a request's query, decoded, in the order in which they came.
public struct HTTPQuery: Sendable, Equatable {
    /// Name and value of each parameter; `a` and `a=` both have an empty value.
    public let pairs: [Pair]

    /// One parameter.
    public struct Pair: Sendable, Equatable {
        public let name: String
        public let value: String
    }

    static let empty = HTTPQuery(pairs: [])

    init(pairs: [Pair]) {
        self.pairs = pairs
    }

    /// Decodes `a=1&b=x%20y`; nil if an escape is broken, stands for NUL, or is not UTF-8.
    ///
    /// `+` is a space, as in the URL standard's `application/x-www-form-urlencoded`.
    init?(decoding raw: some Collection<UInt8>) {
        var pairs: [Pair] = []
        for part in raw.split(separator: UInt8(ascii: "&")) {
            let name = part.prefix { $0 != UInt8(ascii: "=") }
            guard let name = PercentCoding.decode(name, plusIsSpace: true),
                let value = PercentCoding.decode(
                    part.dropFirst(part.prefix { $0 != UInt8(ascii: "=") }.count + 1),
                    plusIsSpace: true)
            else { return nil }
            pairs.append(Pair(name: name, value: value))
        }
        self.pairs = pairs
    }

    /// The first value of a name.
    public func first(_ name: String) -> String? {
        pairs.first { $0.name == name }?.value
    }

    /// All values of a name in order.
    public func all(_ name: String) -> [String] {
        pairs.filter { $0.name == name }.map(\.value)
    }

    /// The names that occur, each once, in order.
    public var names: [String] {
        var seen: Set<String> = []
        return pairs.map(\.name).filter { seen.insert($0).inserted }
    }
}
