/// A set of a graph's revisions by their position in load order, one bit each.
///
/// Plans are made of unions and differences of whole lines of descent; words of 64 revisions keep a
/// graph of thousands cheap without precomputing anything.
struct NodeSet: Sendable, Equatable {
    private var words: [UInt64]

    init(capacity: Int) {
        words = Array(repeating: 0, count: (capacity + 63) / 64)
    }

    func contains(_ node: Int) -> Bool {
        words[node >> 6] & (1 << UInt64(node & 63)) != 0
    }

    /// Whether the node was not yet in the set.
    @discardableResult
    mutating func insert(_ node: Int) -> Bool {
        let bit: UInt64 = 1 << UInt64(node & 63)
        let isNew = words[node >> 6] & bit == 0
        words[node >> 6] |= bit
        return isNew
    }

    mutating func remove(_ node: Int) {
        words[node >> 6] &= ~(1 << UInt64(node & 63))
    }

    mutating func formUnion(_ other: NodeSet) {
        for index in words.indices { words[index] |= other.words[index] }
    }

    mutating func subtract(_ other: NodeSet) {
        for index in words.indices { words[index] &= ~other.words[index] }
    }

    mutating func formIntersection(_ other: NodeSet) {
        for index in words.indices { words[index] &= other.words[index] }
    }

    func isDisjoint(with other: NodeSet) -> Bool {
        for index in words.indices where words[index] & other.words[index] != 0 { return false }
        return true
    }

    var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// The members in load order.
    var members: [Int] {
        var members: [Int] = []
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                members.append(index << 6 + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
        return members
    }
}
