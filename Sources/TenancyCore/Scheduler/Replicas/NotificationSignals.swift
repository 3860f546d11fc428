internal import Support

/// What a scheduler's waiting parts are woken by.
struct NotificationSignals: Sendable {
    /// Jobs that others lead have changed.
    let jobs = Signal()
    /// Tenants are on offer.
    let offers = Signal()
    /// Commands were given or carried out.
    let commands = Signal()
    /// Leases are to be looked after.
    let leases = Signal()
    /// Leases have been renewed.
    let renewals = Signal()
}
