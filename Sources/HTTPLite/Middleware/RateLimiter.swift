/// Token buckets, one a key: each holds `burst` requests and is refilled at `rate` a second.
///
/// A value without a clock. A key that has rested until its bucket is full is forgotten, so memory
/// is bounded by the keys seen within one refill; beyond `keyLimit` of them new keys share a bucket.
struct RateLimiter: Sendable {
    private struct Rule: Sendable {
        let rate: Double
        let burst: Double

        /// Requests that a bucket allows now.
        func level(of bucket: Bucket, now: Moment) -> Double {
            let seconds = Double((now - bucket.moment).nanoseconds) / 1e9
            return min(burst, bucket.level + max(0, seconds) * rate)
        }

        /// Takes one request out, or says in how many whole seconds there will be one.
        func take(from bucket: inout Bucket?, now: Moment) -> Int? {
            let level = bucket.map { self.level(of: $0, now: now) } ?? burst
            bucket = Bucket(level: level >= 1 ? level - 1 : level, moment: now)
            return level >= 1 ? nil : max(1, Int(((1 - level) / rate).rounded(.up)))
        }
    }

    private struct Bucket: Sendable {
        let level: Double
        let moment: Moment
    }

    private let rule: Rule
    private let keyLimit: Int
    private var buckets: [String: Bucket] = [:]
    private var shared: Bucket?
    private var sweepSize = 64

    /// Makes a limiter.
    init(requestsPerSecond rate: Double, burst: Int, keyLimit: Int = 16_384) {
        precondition(rate > 0 && burst > 0, "a rate and a burst are above zero")
        rule = Rule(rate: rate, burst: Double(burst))
        self.keyLimit = keyLimit
    }

    /// The number of keys that are remembered.
    var keyCount: Int { buckets.count }

    /// Lets a request pass, or says in how many whole seconds one will.
    mutating func admit(_ key: String, now: Moment) -> Int? {
        if buckets[key] != nil { return rule.take(from: &buckets[key], now: now) }
        if buckets.count >= min(keyLimit, sweepSize) { forgetRested(now: now) }
        if buckets.count >= keyLimit { return rule.take(from: &shared, now: now) }
        return rule.take(from: &buckets[key], now: now)
    }

    /// Looks through all keys, but only when their number has doubled since the last time.
    private mutating func forgetRested(now: Moment) {
        let rule = rule
        buckets = buckets.filter { rule.level(of: $0.value, now: now) < rule.burst }
        sweepSize = max(64, buckets.count * 2)
    }
}
