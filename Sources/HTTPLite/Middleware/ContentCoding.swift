/// Which content coding a client wants (RFC 9110, section 12.5.3).
enum ContentCoding {
    /// Whether gzip is welcome and no worse than the bytes as they are.
    ///
    /// Without the field nothing is coded: a client that does not say that it can decode may be a
    /// person with `curl`.
    static func prefersGzip(_ fields: HTTPFields) -> Bool {
        var weights: [String: Int] = [:]
        for field in fields.values(of: "Accept-Encoding") {
            for item in field.split(separator: ",") {
                let parts = item.split(separator: ";").map(trimmed)
                guard let name = parts.first, !name.isEmpty else { continue }
                weights[name] = weight(parts.dropFirst())
            }
        }
        let other = weights["*"]
        let gzip = weights["gzip"] ?? weights["x-gzip"] ?? other ?? 0
        // Not named, the bytes as they are come last, unless they are given a weight.
        return gzip > 0 && gzip >= (weights["identity"] ?? 0)
    }

    /// A weight in thousandths (RFC 9110, section 12.4.2); one that cannot be read is zero.
    private static func weight(_ parameters: ArraySlice<String>) -> Int {
        guard let parameter = parameters.first(where: { $0.hasPrefix("q=") }) else { return 1_000 }
        let digits = Array(parameter.utf8.dropFirst(2))
        guard let whole = digits.first, digits.count <= 5,
            whole == UInt8(ascii: "0") || whole == UInt8(ascii: "1"),
            digits.count == 1 || digits[1] == UInt8(ascii: "."),
            digits.dropFirst(2).allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return 0 }
        var value = Int(whole - UInt8(ascii: "0"))
        for index in 2..<5 {
            value = value * 10 + (index < digits.count ? Int(digits[index] - UInt8(ascii: "0")) : 0)
        }
        return min(value, 1_000)
    }

    private static func trimmed(_ text: Substring) -> String {
        let rest = text.drop { $0 == " " || $0 == "\t" }
        let end = rest.lastIndex { $0 != " " && $0 != "\t" }
        return end.map { rest[...$0].lowercased() } ?? ""
    }
}
