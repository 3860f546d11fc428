internal import CSystem
internal import Descriptors
internal import Glibc

/// What a descriptor is ready for, or what is asked of it.
struct Readiness: OptionSet, Sendable {
    let rawValue: UInt8
    static let input = Readiness(rawValue: 1)
    static let output = Readiness(rawValue: 2)
    /// The peer has reset or both sides have ended; reported without being asked for.
    static let hangup = Readiness(rawValue: 4)
}

/// Waits for descriptors; level-triggered, so that a partial read is reported again.
protocol Poller: ~Copyable {
    func add(
        _ descriptor: borrowing OwnedDescriptor, token: UInt64, interest: Readiness
    ) throws(SocketError)
    func modify(_ descriptor: borrowing OwnedDescriptor, token: UInt64, interest: Readiness)
    /// To be called before the descriptor is closed: its number may be another's afterwards.
    func remove(_ descriptor: borrowing OwnedDescriptor)
    /// Waits for at most the timeout, without one if nil; returns how many descriptors are ready.
    mutating func wait(timeout: Interval?) -> Int
    /// One of the descriptors that the last wait found ready.
    func event(_ index: Int) -> (token: UInt64, readiness: Readiness)
}

/// epoll(7).
struct EpollPoller: Poller, ~Copyable {
    private static let capacity = 256

    private let epoll: OwnedDescriptor
    private var tokens = [UInt64](repeating: 0, count: Self.capacity)
    private var events = [UInt32](repeating: 0, count: Self.capacity)

    init() throws(SocketError) {
        let number = csystem_epoll_create()
        guard number >= 0 else { throw SocketError(.poll, "epoll") }
        epoll = OwnedDescriptor(owning: number)
    }

    func add(
        _ descriptor: borrowing OwnedDescriptor, token: UInt64, interest: Readiness
    ) throws(SocketError) {
        guard control(EPOLL_CTL_ADD, descriptor, token, interest) == 0 else {
            throw SocketError(.poll, "a socket")
        }
    }

    func modify(_ descriptor: borrowing OwnedDescriptor, token: UInt64, interest: Readiness) {
        _ = control(EPOLL_CTL_MOD, descriptor, token, interest)
    }

    func remove(_ descriptor: borrowing OwnedDescriptor) {
        _ = control(EPOLL_CTL_DEL, descriptor, 0, [])
    }

    mutating func wait(timeout: Interval?) -> Int {
        // A millisecond more than asked: waking early would only spin until the deadline.
        let milliseconds = timeout.map {
            $0.nanoseconds <= 0 ? 0 : Int32(clamping: $0.nanoseconds / 1_000_000 + 1)
        }
        // EINTR ends the wait without events, which every caller takes for an early wake.
        let count = epoll.withDescriptor {
            csystem_epoll_wait(
                $0, &tokens, &events, Int32(Self.capacity), milliseconds ?? -1)
        }
        return max(0, Int(count))
    }

    func event(_ index: Int) -> (token: UInt64, readiness: Readiness) {
        (tokens[index], Self.readiness(events[index]))
    }

    private func control(
        _ operation: Int32, _ target: borrowing OwnedDescriptor, _ token: UInt64,
        _ interest: Readiness
    ) -> Int32 {
        var events: UInt32 = 0
        if interest.contains(.input) { events |= EPOLLIN.rawValue }
        if interest.contains(.output) { events |= EPOLLOUT.rawValue }
        return epoll.withDescriptor { epoll in
            target.withDescriptor { csystem_epoll_control(epoll, operation, $0, events, token) }
        }
    }

    private static func readiness(_ events: UInt32) -> Readiness {
        var readiness: Readiness = []
        if events & EPOLLIN.rawValue != 0 { readiness.insert(.input) }
        if events & EPOLLOUT.rawValue != 0 { readiness.insert(.output) }
        if events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { readiness.insert(.hangup) }
        return readiness
    }
}
