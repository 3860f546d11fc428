/// The release that this build belongs to, as `/v1/info` and `migrationd --version` show it.
public enum Version {
    public static let current = "0.1.0"
}
