internal import Logging
internal import PostgresClient

/// What tenants' servers say beside their results, in the daemon's log.
enum NoticeLog {
    /// Writes warnings as such, the rest for those who look closely.
    static func writer(to logger: Logger) -> @Sendable (PostgresNotice) -> Void {
        { notice in
            logger.log(
                level: notice.severity == "WARNING" ? .warning : .debug,
                "PostgreSQL sent a notice",
                metadata: [
                    "severity": "\(notice.severity)", "sqlstate": "\(notice.sqlState)",
                    "message": "\(notice.message)",
                ])
        }
    }
}
