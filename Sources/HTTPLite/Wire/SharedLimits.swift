/// The limits as every connection refers to them: once in memory, with times as integers.
///
/// `Limits` is some hundred bytes and `Duration` a 128-bit number; copying the one and dividing
/// the other at each event would cost more than the parsing.
final class SharedLimits: Sendable {
    let sizes: Limits
    let firstByte: Interval
    let handshake: Interval
    let head: Interval
    let bodyIdle: Interval
    let body: Interval
    let handler: Interval
    let write: Interval
    let idle: Interval
    let linger: Interval
    let halfClose: Interval

    init(_ limits: Limits) {
        sizes = limits
        firstByte = Interval(limits.firstByteTimeout)
        handshake = Interval(limits.handshakeTimeout)
        head = Interval(limits.headTimeout)
        bodyIdle = Interval(limits.bodyIdleTimeout)
        body = Interval(limits.bodyTimeout)
        handler = Interval(limits.handlerTimeout)
        write = Interval(limits.writeTimeout)
        idle = Interval(limits.idleTimeout)
        linger = Interval(limits.lingerTimeout)
        halfClose = Interval(limits.halfCloseTimeout)
    }
}
