internal import ChildProcesses
internal import FoundationEssentials
internal import Support

/// The Python programs that the binary carries with it, and how they are started.
///
/// A small bootstrap is run as `python /dev/fd/3`; it finds the modules, as one JSON object, in the
/// descriptor 4. So there is nothing to install, and no file that could be changed or be missing.
enum PythonPrograms {
    /// What a program is started as.
    enum Main: String {
        case exporter = "migrationd_export"
        case worker = "migrationd_worker"
    }

    static var bootstrap: [UInt8] { PackageResources.bootstrap_py }

    private static let modules: [(name: String, source: [UInt8])] = [
        ("migrationd_children", PackageResources.migrationd_children_py),
        ("migrationd_clock", PackageResources.migrationd_clock_py),
        ("migrationd_committed", PackageResources.migrationd_committed_py),
        ("migrationd_committing", PackageResources.migrationd_committing_py),
        ("migrationd_compare", PackageResources.migrationd_compare_py),
        ("migrationd_drivers", PackageResources.migrationd_drivers_py),
        ("migrationd_export", PackageResources.migrationd_export_py),
        ("migrationd_failures", PackageResources.migrationd_failures_py),
        ("migrationd_inputs", PackageResources.migrationd_inputs_py),
        ("migrationd_observe", PackageResources.migrationd_observe_py),
        ("migrationd_online", PackageResources.migrationd_online_py),
        ("migrationd_protocol", PackageResources.migrationd_protocol_py),
        ("migrationd_recorder", PackageResources.migrationd_recorder_py),
        ("migrationd_render", PackageResources.migrationd_render_py),
        ("migrationd_rows", PackageResources.migrationd_rows_py),
        ("migrationd_schema", PackageResources.migrationd_schema_py),
        ("migrationd_servers", PackageResources.migrationd_servers_py),
        ("migrationd_sessions", PackageResources.migrationd_sessions_py),
        ("migrationd_stand_in", PackageResources.migrationd_stand_in_py),
        ("migrationd_state", PackageResources.migrationd_state_py),
        ("migrationd_steps", PackageResources.migrationd_steps_py),
        ("migrationd_targets", PackageResources.migrationd_targets_py),
        ("migrationd_values", PackageResources.migrationd_values_py),
        ("migrationd_worker", PackageResources.migrationd_worker_py),
    ]

    /// The same for the same programs.
    static let bundleDigest = Hex.encode(Digest.sha256(bundle(.exporter)))

    /// The modules by name, and the one to begin with.
    static func bundle(_ main: Main) -> [UInt8] {
        var members = modules.map { name, source in
            (name, JSONValue.string(String(decoding: source, as: UTF8.self)))
        }
        members.append(("main", .string(main.rawValue)))
        return JSONValue.object(JSONObject(uniqueMembers: members)).rendered()
    }

    static func command(_ python: String, as user: SystemUser? = nil) -> [String] {
        (user?.prefix ?? []) + [python, "/dev/fd/3"]
    }

    /// Ours without what the daemon alone is told: its URLs and tokens are not for a project's code.
    /// Another user has a home and a name of its own, and cannot read systemd's credentials.
    static func environment(
        as user: SystemUser? = nil, of own: [String: String] = ProcessInfo.processInfo.environment
    ) -> [String] {
        var variables = own.filter {
            !$0.key.hasPrefix("MIGRATIOND_") && $0.key != "NOTIFY_SOCKET"
        }
        if let user {
            variables["HOME"] = user.home
            variables["USER"] = user.name
            variables["LOGNAME"] = user.name
            variables["CREDENTIALS_DIRECTORY"] = nil
        }
        return variables.map { "\($0.key)=\($0.value)" }.sorted()
    }
}
