internal import DaemonConfiguration
internal import Logging

/// Makes the daemon's logger as the configuration asks for it.
enum Loggers {
    static func make(level: DaemonConfig.Log.Level, format: DaemonConfig.Log.Format) -> Logger {
        Logger(label: "migrationd") { label in
            LineLogHandler(
                label: label, level: Logger.Level(rawValue: level.rawValue) ?? .info,
                format: format)
        }
    }
}
