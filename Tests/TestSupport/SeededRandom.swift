internal import FoundationEssentials

/// Random numbers that can be had again: splitmix64 from a seed.
///
/// Put the generator into the comment of an expectation, so that a failure shows the seed:
/// `#expect(law(value), "\(random)")`. `TEST_SEED` in the environment sets it.
public struct SeededRandom: RandomNumberGenerator, CustomStringConvertible, Sendable {
    /// Where the sequence began.
    public let seed: UInt64
    private var state: UInt64

    /// A generator from `seed`, from `TEST_SEED`, or from chance.
    public init(seed: UInt64? = nil) {
        let given = ProcessInfo.processInfo.environment["TEST_SEED"].flatMap { UInt64($0) }
        self.seed = seed ?? given ?? UInt64.random(in: .min ... .max)
        state = self.seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    public var description: String { "TEST_SEED=\(seed)" }
}
