import Testing

@testable import DaemonConfiguration
@testable import Support

@Suite struct ExposedFileTests {
    private static let own: UInt32 = 10_001

    @Test(
        "others may not read secrets, nor change anything; the daemon's own group may",
        arguments: [
            (ExposedFile.Content.secret, 0o600, 0, nil), (.secret, 0o400, 0, nil),
            (.secret, 0o440, own, nil), (.secret, 0o640, own, nil),
            (.secret, 0o660, own, nil), (.secret, 0o640, 5, "read"),
            (.secret, 0o644, own, "read"), (.secret, 0o604, 5, "read"),
            (.secret, 0o666, 5, "read and change"), (.secret, 0o620, 5, "change"),
            (.plain, 0o644, 0, nil), (.plain, 0o664, 5, "change"), (.plain, 0o664, own, nil),
            (.plain, 0o646, own, "change"), (.plain, 0o777, 5, "change"),
        ] as [(ExposedFile.Content, UInt32, UInt32, String?)])
    func warnings(
        content: ExposedFile.Content, mode: UInt32, group: UInt32, expected: String?
    ) {
        let file = ExposedFile("/etc/migrationd/config.json", content)
        let warning = file.warning(
            FilePermissions(mode: mode, group: group), ownGroups: [Self.own, 0])
        #expect(
            warning?.hasPrefix("others may \(expected ?? "") /etc/migrationd/config.json, mode 0")
                ?? (expected == nil), "\(warning ?? "nothing")")
        #expect((warning == nil) == (expected == nil))
        if content == .plain { #expect(warning?.contains("secrets") != true) }
    }

    @Test("a file that cannot be looked at is nothing to warn of")
    func unknown() {
        #expect(ExposedFile("/x", .secret).warning(nil, ownGroups: []) == nil)
    }

    @Test(
        "a configuration holds secrets when it sets a password or a key",
        arguments: [
            ("{}", false), (#"{"server": {"tokens": [{"sha256": "ab"}]}}"#, false),
            (#"{"control": {"database_url": "postgresql:///control"}}"#, false),
            (#"{"control": {"database_url": "postgresql://u:p@h/control"}}"#, true),
            (#"{"registry": {"database_url": null}}"#, false),
            (#"{"tenancy": {"encryption_key": "k"}}"#, true),
            (#"{"tenancy": {"database_url_template": "postgresql://u:p@h/{tenant_id}"}}"#, true),
        ])
    func secrets(file: String, expected: Bool) {
        #expect(ConfigLoader.holdsSecrets(file: Array(file.utf8)) == expected)
    }
}
