package import ChildProcesses
internal import FoundationEssentials
internal import Glibc
internal import Support

/// The user that a project's Python runs as where that is not the daemon's own
/// (`migrations.user`). One exists only where it was found and tried out.
package struct PythonUser: Sendable {
    let system: SystemUser

    /// Every reason why Python cannot run as a user, a line each.
    package struct Refusal: Error, Sendable, Equatable {
        package let problems: [String]
    }

    /// What a process can do about other users.
    package struct Means: Equatable {
        var ownID: UInt32
        /// Capabilities that it needs and does not have.
        var missing: [String]
        var hasSetpriv: Bool
    }

    /// How long Python may take to do nothing.
    private static let trialLimit = Duration.seconds(30)

    /// Finds the user, and tries whether it can run the interpreter and read the project.
    package static func find(
        _ name: String, for options: AlembicProject.Options
    ) async throws(Refusal) -> PythonUser {
        let user = SystemUser.named(name)
        var problems = problems(name, user, Means.own)
        if let user, problems.isEmpty {
            let project = AlembicProject(options)
            if let problem = await interpreterProblem(user, project) { problems.append(problem) }
            if let problem = await folderProblem(user, project) { problems.append(problem) }
            if problems.isEmpty { return PythonUser(system: user) }
        }
        throw Refusal(problems: problems)
    }

    /// What can be said without starting anything.
    package static func problems(_ name: String, _ user: SystemUser?, _ means: Means) -> [String] {
        var problems: [String] = []
        switch user {
        case nil:
            problems.append(
                "migrations.user: this machine has no user \"\(name)\"; create it (useradd "
                    + "--system \(name)), or name another")
        case let user? where user.uid == 0:
            problems.append(
                "migrations.user: \"\(name)\" is root, from whom nothing is kept; name a user "
                    + "without rights")
        case let user? where user.uid == means.ownID:
            problems.append(
                "migrations.user: \"\(name)\" is the user that the daemon itself runs as; name "
                    + "another, or leave the key out")
        default: break
        }
        if !means.missing.isEmpty {
            problems.append(
                "migrations.user: this process, of user id \(means.ownID), may not start and end "
                    + "processes of another user, it lacks "
                    + means.missing.joined(separator: ", ")
                    + "; run it as root, or give it these as ambient capabilities")
        }
        if !means.hasSetpriv {
            problems.append(
                "migrations.user: there is no program \(SystemUser.setpriv), which changes the "
                    + "user; install util-linux")
        }
        return problems
    }

    // MARK: - Trials

    private static func interpreterProblem(
        _ user: SystemUser, _ project: AlembicProject
    ) async -> String? {
        let python = project.options.python
        // Neither site-packages nor the environment: what they lack, the exporter says better.
        guard let said = await complaint(user, [python, "-I", "-S", "-c", "pass"]) else {
            return nil
        }
        return "migrations.python: the user \"\(user.name)\" cannot run \(python) (\(said)); "
            + "name an interpreter that this user can reach, such as a virtual environment below "
            + "/opt"
    }

    private static func folderProblem(
        _ user: SystemUser, _ project: AlembicProject
    ) async -> String? {
        // What is not there is missing for everybody, and the exporter says so.
        guard FileManager.default.fileExists(atPath: project.configFile) else { return nil }
        let script = #"cd -- "$1" && test -r "$2""#
        let command = ["/bin/sh", "-c", script, "sh", project.directory, project.configFile]
        guard await complaint(user, command) != nil else { return nil }
        return "migrations.path: the user \"\(user.name)\" cannot read \(project.configFile); "
            + "let it enter each folder on the way (chmod o+x) and read what is below "
            + "\(project.directory) (chmod -R o+rX)"
    }

    /// What a command says that fails as `user`; `nil` for one that succeeds.
    private static func complaint(_ user: SystemUser, _ command: [String]) async -> String? {
        do throws(ProcessResult.Failure) {
            let program = try await ProcessResult.run(
                user.prefix + command, environment: PythonPrograms.environment(as: user),
                directory: "/", limits: ProcessResult.Limits(time: trialLimit))
            if program.status == 0 { return nil }
            let words = program.errorTail.split(separator: "\n").last.map { ": \($0)" } ?? ""
            return ChildProcess.ending(program.status) + words
        } catch {
            return switch error {
            case .notStarted(let error): "\(error)"
            case .timedOut: "it did not end within \(trialLimit)"
            case .cancelled: "cancelled"
            case .tooMuchOutput: "it says too much"
            }
        }
    }
}

extension PythonUser.Means {
    /// Of this process. What the system does not tell is taken for missing.
    fileprivate static var own: Self {
        let status = (try? Files.read("/proc/self/status")) ?? []
        let held = Capabilities(status: String(decoding: status, as: UTF8.self))
        return Self(
            ownID: geteuid(),
            missing: held?.missingForOtherUsers(isRoot: geteuid() == 0) ?? ["what /proc tells"],
            hasSetpriv: access(SystemUser.setpriv, X_OK) == 0)
    }
}
