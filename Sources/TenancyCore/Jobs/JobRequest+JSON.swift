extension JobRequest {
    public var json: JSONValue { .null }
    init?(stored: JSONValue) { return nil }
}
