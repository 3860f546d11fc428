import Testing

@testable import Support

@Suite struct EncodingsTests {
    @Test("SHA-256 and HMAC-SHA256 answer their standards' examples")
    func digests() {
        // FIPS 180-4's example, and RFC 4231 test case 2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(Hex.encode(Digest.sha256(Array("abc".utf8))) == abc)
        let code = Digest.hmacSHA256(
            key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        #expect(Hex.encode(code) == expected)
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        #expect(Hex.encode(Digest.sha256([])) == empty)
    }

    @Test("texts are compared in full")
    func comparison() {
        #expect(Digest.equalInConstantTime([1, 2], [1, 2]))
        #expect(!Digest.equalInConstantTime([1, 2], [1, 3]))
        #expect(!Digest.equalInConstantTime([1, 2], [1]))
        #expect(Digest.equalInConstantTime([], []))
    }

    @Test(
        "hexadecimal text is read in either case, and nothing else",
        arguments: [
            ("", []), ("00fF", [0, 255]), ("0", nil), ("0g", nil), (" 0", nil), ("é", nil),
        ] as [(String, [UInt8]?)])
    func hex(text: String, expected: [UInt8]?) {
        #expect(Hex.decode(text) == expected)
    }

    @Test(
        "base 64 is read with the URL alphabet, with or without padding",
        arguments: [
            ("", ""), ("Zg==", "f"), ("Zg", "f"), ("Zm8=", "fo"), ("Zm8", "fo"), ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"), ("Zm9vYmE=", "fooba"), ("Zm9vYmFy", "foobar"),
            ("Pz8-", "??>"), ("Z", nil), ("Zm+v", nil), ("Zm 9", nil), ("Zg=", nil),
            ("Z===", nil), ("====", nil),
        ] as [(String, String?)])
    func base64(text: String, expected: String?) {
        #expect(Base64URL.decode(text).map { String(decoding: $0, as: UTF8.self) } == expected)
    }

    @Test(
        "percent escapes are read as Python reads them",
        arguments: [
            ("a%20b", false, "a b"), ("a+b", false, "a+b"), ("a+b", true, "a b"),
            ("100%", false, "100%"), ("%zz", false, "%zz"), ("%4", false, "%4"),
            ("%C3%A9", false, "é"), ("%25%34%30", false, "%40"), ("%FF", false, nil),
        ] as [(String, Bool, String?)])
    func percent(text: String, plusIsSpace: Bool, expected: String?) {
        let bytes = Array(text.utf8)[...]
        #expect(PercentEncoding.decode(bytes, plusIsSpace: plusIsSpace) == expected)
    }

    @Test("a file is read whole, and one that is missing or too large says so")
    func files() throws {
        #expect(try Files.read(#filePath).starts(with: "import Testing".utf8))
        let missing = #expect(throws: FileError.self) { try Files.read("/nonexistent/file") }
        #expect(missing?.reason == "No such file or directory")
        let folder = #expect(throws: FileError.self) { try Files.read("/") }
        #expect(folder?.path == "/")
        #expect(throws: FileError.self) { try Files.read(#filePath, limit: 10) }
    }
}
