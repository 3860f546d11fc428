/// The header fields of a message, in order, with names compared as ASCII without case.
///
/// Holds the message's own bytes and where the names and values lie in them, so that reading a
/// head makes no strings; a `String` is made of the fields that are asked for.
public struct HTTPFields: Sendable {
    /// Where one field line lies in `storage`.
    struct Entry: Sendable {
        var name: Range<Int32>
        var value: Range<Int32>
    }

    private(set) var storage: [UInt8]
    private(set) var entries: [Entry]

    /// Makes a list without fields.
    public init() {
        storage = []
        entries = []
    }

    /// Wraps lines that the parser has checked.
    init(storage: [UInt8], entries: [Entry]) {
        self.storage = storage
        self.entries = entries
    }

    /// The first value of a name; setting replaces all values, setting nil removes them.
    ///
    /// A value with a control byte is not stored: no CR or LF may leave in a field (RFC 9110, 5.5).
    public subscript(name: String) -> String? {
        get { entries.first { matches($0, name) }.map(value) }
        set {
            entries = entries.filter { !matches($0, name) }
            if let newValue { append(name, newValue) }
        }
    }

    /// All values of a name in the order in which they came.
    public func values(of name: String) -> [String] {
        entries.filter { matches($0, name) }.map(value)
    }

    /// All fields in order, names as they were written.
    public var all: [(name: String, value: String)] {
        entries.map { (text($0.name), value($0)) }
    }

    /// The number of field lines.
    public var count: Int { entries.count }

    /// Adds a field line and leaves those of the same name alone.
    ///
    /// - Returns: false, with nothing added, if the name is not a token or the value holds a
    ///   control byte.
    @discardableResult
    public mutating func append(_ name: String, _ value: String) -> Bool {
        let start = storage.count
        storage.append(contentsOf: name.utf8)
        let middle = storage.count
        storage.append(contentsOf: value.utf8)
        guard middle > start, storage[start..<middle].allSatisfy(ASCII.isToken),
            storage[middle...].allSatisfy(ASCII.isFieldValue)
        else {
            storage.removeLast(storage.count - start)
            return false
        }
        entries.append(
            Entry(
                name: Int32(start)..<Int32(middle), value: Int32(middle)..<Int32(storage.count)))
        return true
    }

    /// Whether any of a list field's elements is `token`, in any case (RFC 9110, 5.6.1).
    public func contains(_ name: String, token: String) -> Bool {
        entries.contains { entry in
            matches(entry, name)
                && bytes(entry.value).split(separator: ASCII.comma).contains {
                    ASCII.equal(trim($0), token.utf8)
                }
        }
    }

    func bytes(_ range: Range<Int32>) -> ArraySlice<UInt8> {
        storage[Int(range.lowerBound)..<Int(range.upperBound)]
    }

    private func text(_ range: Range<Int32>) -> String {
        String(decoding: bytes(range), as: UTF8.self)
    }

    private func value(_ entry: Entry) -> String {
        text(entry.value)
    }

    private func matches(_ entry: Entry, _ name: String) -> Bool {
        entry.name.count == name.utf8.count && ASCII.equal(bytes(entry.name), name.utf8)
    }

    private func trim(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isSpace = { (byte: UInt8) in byte == ASCII.space || byte == ASCII.tab }
        let head = bytes.drop(while: isSpace)
        return head.dropLast(head.reversed().prefix(while: isSpace).count)
    }
}

extension HTTPFields: ExpressibleByDictionaryLiteral {
    /// Makes a list of literal fields, in order.
    public init(dictionaryLiteral elements: (String, String)...) {
        self.init()
        storage.reserveCapacity(
            elements.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count })
        entries.reserveCapacity(elements.count)
        for (name, value) in elements { append(name, value) }
    }
}

extension HTTPFields: Equatable {
    /// Whether both lists hold the same lines in the same order; names without case.
    public static func == (left: HTTPFields, right: HTTPFields) -> Bool {
        left.entries.count == right.entries.count
            && zip(left.entries, right.entries).allSatisfy { one, other in
                ASCII.equal(left.bytes(one.name), right.bytes(other.name))
                    && left.bytes(one.value).elementsEqual(right.bytes(other.value))
            }
    }
}
