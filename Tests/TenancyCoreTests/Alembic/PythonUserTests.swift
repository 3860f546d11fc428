import ChildProcesses
import Testing

@testable import Alembic

@Suite struct PythonUserTests {
    private static let user = SystemUser(name: "deploy", uid: 990, gid: 991, home: "/var/deploy")
    private static let able = PythonUser.Means(ownID: 0, missing: [], hasSetpriv: true)

    @Test func aUserThatIsThereAndAProcessThatMayChangeUsersHaveNoProblem() {
        #expect(PythonUser.problems("deploy", Self.user, Self.able) == [])
    }

    @Test(
        "each reason is told, and what to do about it",
        arguments: [
            (nil, able, [["no user \"deploy\"", "useradd"]]),
            (SystemUser(name: "deploy", uid: 0, gid: 0, home: "/"), able, [["root"]]),
            (
                user, PythonUser.Means(ownID: 990, missing: ["CAP_KILL"], hasSetpriv: true),
                [["itself", "leave the key out"], ["990", "CAP_KILL", "ambient"]]
            ),
            (
                nil,
                PythonUser.Means(
                    ownID: 7, missing: ["CAP_SETUID", "CAP_SETGID"], hasSetpriv: false),
                [["no user"], ["CAP_SETUID, CAP_SETGID"], ["/usr/bin/setpriv", "util-linux"]]
            ),
        ] as [(SystemUser?, PythonUser.Means, [[String]])])
    func problems(found: SystemUser?, means: PythonUser.Means, expected: [[String]]) {
        let problems = PythonUser.problems("deploy", found, means)
        #expect(problems.count == expected.count)
        for (problem, words) in zip(problems, expected) {
            #expect(problem.hasPrefix("migrations.user: "))
            for word in words { #expect(problem.contains(word), "\(problem)") }
        }
    }

    @Test("Python gets the environment without what is the daemon's alone")
    func environment() {
        let own = [
            "MIGRATIOND_CONTROL_DATABASE_URL": "x", "MIGRATIOND_TOKEN": "x", "NOTIFY_SOCKET": "x",
            "CREDENTIALS_DIRECTORY": "/run/c", "HOME": "/root", "USER": "root", "PGHOST": "db",
        ]
        #expect(
            PythonPrograms.environment(of: own)
                == ["CREDENTIALS_DIRECTORY=/run/c", "HOME=/root", "PGHOST=db", "USER=root"])
        #expect(
            PythonPrograms.environment(as: Self.user, of: own)
                == ["HOME=/var/deploy", "LOGNAME=deploy", "PGHOST=db", "USER=deploy"])
    }

    @Test("Python is started through the program that changes users, and only then")
    func command() {
        #expect(PythonPrograms.command("python3") == ["python3", "/dev/fd/3"])
        let words = PythonPrograms.command("python3", as: Self.user)
        #expect(words.first == "/usr/bin/setpriv")
        #expect(words.contains("--reuid=990") && words.contains("--regid=991"))
        #expect(words.suffix(3) == ["--", "python3", "/dev/fd/3"])
    }
}
