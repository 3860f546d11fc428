internal import Support

/// The place in a list where the next page begins, as an opaque text.
///
/// A cursor names its list and carries a hash of the filters, so that one from another list or
/// another question is refused. It holds nothing that the caller has not seen, so it needs no key.
struct Cursor: Sendable {
    /// The list and its filters, which the cursor must have come from.
    let list: String

    private static let version = "1"

    /// Writes the cursor for the page after `position`.
    func text(after position: String) -> String {
        let text = [Self.version, Hash.hex(list), position].joined(separator: "\n")
        return Base64URL.encode(Array(text.utf8))
    }

    /// The position in a cursor; nil when it is none of this list's.
    func position(in text: String) -> String? {
        guard let bytes = Base64URL.decode(text),
            let plain = String(validating: bytes, as: UTF8.self)
        else { return nil }
        let parts = plain.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == Self.version, parts[1] == Hash.hex(list),
            !parts[2].isEmpty, !parts[2].utf8.contains(0)
        else { return nil }
        return String(parts[2])
    }

    /// The position that a query's cursor holds; nil on the first page.
    func position(_ query: QueryValues) throws(Problem) -> String? {
        guard let text = query.text(.cursor) else { return nil }
        guard let position = position(in: text) else { throw .foreignCursor }
        return position
    }
}

extension Problem {
    /// A cursor that this list did not hand out.
    static let foreignCursor = Problem(invalid: [
        Item(
            pointer: "?cursor",
            detail: "is not a cursor of this list; begin again without one")
    ])
}

/// FNV-1a of 64 bits: for entity tags and cursors, where nobody gains by a collision.
enum Hash {
    static func hex(_ text: String) -> String { hex(text.utf8) }

    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// Base 64 with the alphabet for addresses and without padding (RFC 4648, section 5).
enum Base64URL {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var (pending, count) = (0, 0)
        for byte in bytes {
            (pending, count) = (pending << 8 | Int(byte), count + 8)
            while count >= 6 {
                count -= 6
                text.append(alphabet[pending >> count & 0x3F])
            }
            pending &= (1 << count) - 1
        }
        if count > 0 { text.append(alphabet[pending << (6 - count) & 0x3F]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes; nil for foreign characters and for a tail that no encoder writes.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (pending, count) = (0, 0)
        for character in text.utf8 {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            (pending, count) = (pending << 6 | value, count + 6)
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(pending >> count & 0xFF))
            }
            pending &= (1 << count) - 1
        }
        return count < 6 && pending == 0 ? bytes : nil
    }
}
