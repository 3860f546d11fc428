import Testing

@testable import Support

@Suite struct TimestampTests {
    @Test(
        "a moment is written as RFC 3339 in UTC",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (-86_400_000, "1969-12-31T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_795_342_530_250, "2026-11-22T10:15:30.250Z"),
            (-2_203_891_200_001, "1900-02-28T23:59:59.999Z"),
            (-2_203_891_200_000, "1900-03-01T00:00:00.000Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func text(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
    }

    @Test("every day of 800 years follows the one before it")
    func days() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        // 1600-01-01.
        var day = Int64(-135_140)
        var wrong = 0
        for year in 1600..<2400 {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            for month in 1...12 {
                let length = lengths[month - 1] + (isLeap && month == 2 ? 1 : 0)
                for date in [1, length] {
                    let found = Timestamp(
                        milliseconds: (day + Int64(date) - 1) * 86_400_000
                    ).description
                    let expected = "\(year)-\(padded(month))-\(padded(date))T00:00:00.000Z"
                    if found != expected { wrong += 1 }
                }
                day += Int64(length)
            }
        }
        #expect(wrong == 0)
    }

    @Test("moments are compared and subtracted")
    func arithmetic() {
        let early = Timestamp(milliseconds: -5)
        let late = Timestamp(milliseconds: 7)
        #expect(early < late)
        #expect(late.milliseconds(since: early) == 12)
        #expect(early.milliseconds(since: late) == -12)
    }

    private func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
