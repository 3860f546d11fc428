/// The members of a JSON object in the order in which they were written or added.
package struct JSONObject: Sendable {
    /// One name with its value.
    package struct Member: Sendable {
        package let key: String
        package let value: JSONValue
    }

    /// The members in order; no key stands twice.
    package private(set) var members: [Member] = []

    /// Places by key, filled only above `linearLimit`: most objects are small, and for those a
    /// scan is faster than a dictionary. Bytes, because String's hash takes canonically
    /// equivalent keys for one.
    private var places: [[UInt8]: Int] = [:]

    private static let linearLimit = 16

    /// An object without members.
    package init() {}

    /// An object with these members in this order; the keys must differ.
    package init(uniqueMembers: [(String, JSONValue)]) {
        members.reserveCapacity(uniqueMembers.count)
        for (key, value) in uniqueMembers {
            assert(place(of: key) == nil, "the key \(key) stands twice")
            append(key, value)
        }
    }

    /// The number of members.
    package var count: Int { members.count }

    /// Whether there are no members.
    package var isEmpty: Bool { members.isEmpty }

    /// The value of a member. A new key is added at the end; `nil` takes the member out.
    package subscript(key: String) -> JSONValue? {
        get { place(of: key).map { members[$0].value } }
        set {
            switch (place(of: key), newValue) {
            case (let place?, let value?): members[place] = Member(key: key, value: value)
            case (let place?, nil): remove(at: place)
            case (nil, let value?): append(key, value)
            case (nil, nil): break
            }
        }
    }

    /// Adds a member whose key is known to be new.
    package mutating func append(_ key: String, _ value: JSONValue) {
        members.append(Member(key: key, value: value))
        if members.count > Self.linearLimit { indexNewMembers() }
    }

    /// Whether a member of that name is there.
    package func contains(_ key: String) -> Bool { place(of: key) != nil }

    private func place(of key: String) -> Int? {
        if !places.isEmpty { return places[Array(key.utf8)] }
        return members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) }
    }

    private mutating func indexNewMembers() {
        for place in places.count..<members.count {
            places[Array(members[place].key.utf8)] = place
        }
    }

    private mutating func remove(at place: Int) {
        members.remove(at: place)
        places = [:]
        if members.count > Self.linearLimit { indexNewMembers() }
    }
}

extension JSONObject: Equatable {
    package static func == (lhs: JSONObject, rhs: JSONObject) -> Bool {
        lhs.count == rhs.count && lhs.members.allSatisfy { rhs[$0.key] == $0.value }
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.init(uniqueMembers: elements)
    }
}
