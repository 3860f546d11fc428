internal import Glibc
internal import Support

/// What the system says of this process, under the names that Prometheus has for it.
enum ProcessMetrics {
    static func families(since start: Timestamp) -> [MetricFamily] {
        var info = MetricFamily("migrationd_info", .gauge, "The release that runs.")
        info.add(1, [("version", Version.current)])
        var families = [info]
        func add(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double?) {
            guard let value else { return }
            var family = MetricFamily(name, kind, help)
            family.add(value)
            families.append(family)
        }
        add(
            "process_cpu_seconds_total", .counter, "Processor time, user and system.", cpuSeconds)
        add(
            "process_resident_memory_bytes", .gauge, "Resident memory.",
            residentPages.map { Double($0) * Double(sysconf(Int32(_SC_PAGESIZE))) })
        add("process_open_fds", .gauge, "Open file descriptors.", openFiles.map { Double($0) })
        add(
            "process_start_time_seconds", .gauge, "When the daemon started, since 1970.",
            Double(start.milliseconds) / 1_000)
        return families
    }

    private static var cpuSeconds: Double {
        var usage = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &usage)
        return Double(usage.tv_sec) + Double(usage.tv_nsec) / 1e9
    }

    /// proc(5): the second number of statm.
    private static var residentPages: Int? {
        guard let bytes = try? Files.read("/proc/self/statm", limit: 4_096) else { return nil }
        let numbers = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        return numbers.count > 1 ? Int(numbers[1]) : nil
    }

    private static var openFiles: Int? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // `.`, `..`, and the descriptor that reads them.
        return count - 3
    }
}
