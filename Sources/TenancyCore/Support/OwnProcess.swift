internal import CSystem

/// What other processes may see of this one.
package enum OwnProcess {
    /// Keeps everybody but root out of this process's memory, environment and descriptors, other
    /// processes of the same user included, and turns core dumps off (PR_SET_DUMPABLE, prctl(2)).
    ///
    /// A program that is started from here begins dumpable again; a child that only forks does not.
    package static func hide() { _ = csystem_set_dumpable(0) }

    /// Whether `hide` has worked.
    package static var isHidden: Bool { csystem_is_dumpable() == 0 }
}
