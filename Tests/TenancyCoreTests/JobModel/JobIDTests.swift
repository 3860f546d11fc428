import TestSupport
import Testing

@testable import JobModel
@testable import Support

@Suite struct JobIDTests {
    @Test("an id is a UUID of version 7 with the time in front")
    func bits() throws {
        var random = SeededRandom()
        // RFC 9562, appendix A.6.
        let now = Timestamp(milliseconds: 0x017F_22E2_79B0)
        for _ in 0..<1_000 {
            let text = Array(JobID.make(now: now, random: &random).description)
            #expect(String(text.prefix(13)) == "017f22e2-79b0", "\(random)")
            #expect(text[14] == "7", "\(random)")
            #expect("89ab".contains(text[19]), "\(random)")
            #expect(JobID(String(text))?.description == String(text))
        }
    }

    @Test("ids of later moments sort behind, and two of one moment differ")
    func order() {
        var random = SeededRandom()
        let times: [Int64] = [0, 1, 255, 256, 65_535, 1_795_342_530_250, 0xFFFF_FFFF_FFFF]
        let ids = times.map { JobID.make(now: Timestamp(milliseconds: $0), random: &random) }
        #expect(ids == ids.sorted(), "\(random)")
        let moment = Timestamp(milliseconds: 7)
        let same = (0..<1_000).map { _ in JobID.make(now: moment, random: &random) }
        #expect(Set(same).count == 1_000, "\(random)")
    }

    @Test("either case is read and written in lower case")
    func parse() {
        let text = "0197B0C4-5D1C-7aa0-B9B4-0a4c5e3c9f10"
        #expect(JobID(text)?.description == text.lowercased())
        #expect(JobID(text) == JobID(text.lowercased()))
    }

    @Test(
        "what is no UUID is refused",
        arguments: [
            "", "0197b0c4", "0197b0c45d1c7aa0b9b40a4c5e3c9f10",
            "0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f1", "0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f100",
            "0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f1g", "0197b0c4_5d1c-7aa0-b9b4-0a4c5e3c9f10",
            "{197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f10", "0197b0c4-5d1c-7aa0-b9b4-0a4c5e3c9f\u{e9}",
        ])
    func refused(text: String) {
        #expect(JobID(text) == nil)
    }
}
