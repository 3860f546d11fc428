/// The release that this build belongs to, as `/v1/info` and `migrationd --version` show it.
public enum Version {
    public static let current = "0.1.0"

    /// How this program was compiled. A figure without it says nothing.
    #if DEBUG
        public static let build = "debug"
    #else
        public static let build = "release"
    #endif
}
