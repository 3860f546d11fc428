/// The release that this build belongs to, as `/v1/info` and `migrationd --version` show it.
package enum Version {
    package static let current = "0.1.0"

    /// How this program was compiled. A figure without it says nothing.
    #if DEBUG
        package static let build = "debug"
    #else
        package static let build = "release"
    #endif
}
