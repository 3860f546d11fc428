"""What a migration's code reaches of its daemon, and `migrations.user`, which runs it as another user."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from harness import daemon_binary, record
from harness.alembic_fleet import alembic_config
from harness.projects import write_project, write_revision
from harness.users import as_user, open_to_all, other_user, public_program, public_python
from harness.waiting import eventually

RIGHTS = ("setuid", "setgid", "kill")

# What the step sees, into a table of its tenant.
LOOK = """
    import json, os

    def attempt(deed):
        try:
            return deed() and None
        except OSError as error:
            return type(error).__name__

    def look(pid):
        return {
            **{name: attempt(lambda: open(f"/proc/{pid}/{name}", "rb").close())
               for name in ("environ", "mem", "auxv")},
            "fd": attempt(lambda: os.listdir(f"/proc/{pid}/fd"))}

    status = dict(
        line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
    seen = {
        "uid": os.getuid(), "euid": os.geteuid(), "gid": os.getgid(), "groups": os.getgroups(),
        "rights": [status[name].strip() for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")],
        "no_new_privs": status["NoNewPrivs"].strip(), "folder": os.getcwd(),
        "environment": dict(os.environ), "daemon": look(os.getppid()), "other": look(OTHER)}
    op.get_bind().exec_driver_sql("CREATE TABLE seen (what text)")
    op.get_bind().exec_driver_sql("INSERT INTO seen VALUES (%s)", (json.dumps(seen),))
    """


@pytest.fixture(scope="module")
def nobody():
    return other_user("nobody")


@pytest.fixture(scope="module")
def postgres():
    return other_user("postgres")


@pytest.fixture(scope="module")
def place(nobody):
    """A folder that every user can enter, with a Python and a daemon in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="migrationd-users-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def python(nobody, place):
    return public_python(nobody, place)


@pytest.fixture(scope="module")
def binary(nobody, place):
    return public_program(nobody, daemon_binary(), place)


@pytest.fixture
def project(place, request):
    """A project that says in a file as whom its env.py runs."""
    folder = place / request.node.name.replace("[", "-").replace("]", "")
    heard = folder / "heard"
    write_project(folder, 1, before=f"""
        import os
        with open({str(heard)!r}, "a") as file:
            file.write(f"{{os.getuid()}}\\n")
        """)
    heard.touch()
    heard.chmod(0o666)
    open_to_all(folder)
    return folder


def heard_users(project):
    return set((project / "heard").read_text().split())


def config(fleet, project, interpreter, **migrations):
    settings = alembic_config(fleet, project)
    settings["migrations"].update({"python": str(interpreter), **migrations})
    return settings


def written(file, settings, user=None):
    """A configuration that nobody but its user may read."""
    file.write_text(json.dumps(settings))
    file.chmod(0o600)
    if user:
        os.chown(file, user.pw_uid, user.pw_gid)
    return file


def seen(fleet, tenant):
    return json.loads(fleet.cluster.psql(f"SELECT what FROM {tenant.schema}.seen", fleet.app))


@pytest.fixture
def bystander(nobody):
    """A process of the same user that keeps nothing to itself."""
    process = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *as_user(nobody), "sleep", "1000"])
    eventually(lambda: pathlib.Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")
    yield process.pid
    process.kill()
    process.wait()


def add_look(project, other):
    write_revision(project, "r2", "r1", LOOK.replace("OTHER", str(other)))
    open_to_all(project)


def upgraded(client, count):
    job = client.run(operation="upgrade", target="heads")
    assert (job["state"], job["counts"]["succeeded"]) == ("succeeded", count), job["first_errors"]


def test_a_step_sees_nothing_of_its_daemon_although_both_are_of_one_user(
        fleet, start_daemon, project, python, binary, nobody, bystander):
    add_look(project, bystander)
    fleet.add_schema_tenants(1)
    secret = record.keep_secret("in-the-environment-of-the-daemon")
    daemon = start_daemon(
        config(fleet, project, python), user=nobody, binary=binary,
        environment={"A_SECRET_OF_THE_DAEMON": secret, "HOME": "/"})
    assert os.stat(f"/proc/{daemon.process.pid}/environ").st_uid == 0
    upgraded(daemon.client(), 1)
    found = seen(fleet, fleet.tenants[0])
    assert found["uid"] == nobody.pw_uid
    assert set(found["daemon"].values()) == {"PermissionError"}, found["daemon"]
    # It is the daemon that does not let it, not the machine.
    assert set(found["other"].values()) == {None}, found["other"]
    # The metrics of its own descriptors and memory are still there.
    metrics = daemon.client().get("/metrics").text
    assert "process_open_fds" in metrics and "process_resident_memory_bytes" in metrics


@pytest.mark.parametrize("starter", ["root", "rights"])
def test_python_runs_as_the_user_and_migrates_twenty_tenants(
        fleet, start_daemon, project, python, binary, nobody, postgres, bystander, starter, place):
    """By root, and by a user who has no more than the rights to change users and to kill."""
    add_look(project, bystander)
    fleet.add_schema_tenants(20)
    cache = project.parent / f"{project.name}-cache"
    cache.mkdir(mode=0o700)
    options = {}
    if starter == "rights":
        os.chown(cache, nobody.pw_uid, nobody.pw_gid)
        options = {"user": nobody, "capabilities": RIGHTS, "binary": binary}
    daemon = start_daemon(
        config(fleet, project, python, user="postgres", cache_folder=str(cache)),
        environment={"CREDENTIALS_DIRECTORY": "/nowhere", "HOME": "/"}, **options)
    upgraded(daemon.client(), 20)
    for tenant in fleet.tenants:
        assert fleet.version_rows(tenant.schema) == ["r2"]
        found = seen(fleet, tenant)
        assert (found["uid"], found["euid"]) == (postgres.pw_uid, postgres.pw_uid)
        assert found["gid"] == postgres.pw_gid
        assert set(found["groups"]) == set(os.getgrouplist("postgres", postgres.pw_gid))
        assert {int(mask, 16) for mask in found["rights"]} == {0}
        assert (found["no_new_privs"], found["folder"]) == ("1", str(project))
        assert set(found["daemon"].values()) == {"PermissionError"}, found["daemon"]
        environment = found["environment"]
        assert (environment["HOME"], environment["USER"]) == (postgres.pw_dir, "postgres")
        assert "CREDENTIALS_DIRECTORY" not in environment
        assert not [name for name in environment if name.startswith("MIGRATIOND_")]
    assert heard_users(project) == {str(postgres.pw_uid)}
    # The cache is the daemon's own.
    assert [path.stat().st_uid for path in cache.iterdir()] == [cache.stat().st_uid]


@pytest.mark.parametrize("starter", ["root", "rights"])
def test_a_worker_of_another_user_is_killed_with_all_that_it_has_started(
        fleet, start_daemon, project, python, binary, nobody, starter):
    write_revision(project, "r2", "r1", f"""
        import os, subprocess
        far = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        op.get_bind().exec_driver_sql("SELECT 1").scalar()
        with open({str(project / "heard")!r}, "w") as file:
            file.write(f"{{os.getpid()}} {{far.pid}} end")
        op.execute("SELECT pg_sleep(600)")
        """)
    open_to_all(project)
    fleet.add_schema_tenants(1)
    options = {"user": nobody, "capabilities": RIGHTS, "binary": binary}
    client = start_daemon(
        config(fleet, project, python, user="postgres"),
        **(options if starter == "rights" else {})).client()
    job = client.start(operation="upgrade", target="heads")
    eventually(lambda: (project / "heard").read_text().endswith("end"))
    pids = (project / "heard").read_text().split()[:2]
    assert all(os.path.exists(f"/proc/{pid}") for pid in pids)
    client.post(f"/v1/jobs/{job['id']}/cancel", {"mode": "immediate"}).expect(200)
    assert client.finish(job, within=20)["state"] == "cancelled"
    for pid in pids:
        eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    assert fleet.version_rows("tenant_s_000000") == ["r1"]


def test_a_worker_of_another_user_that_says_nothing_is_killed(
        fleet, start_daemon, project, python):
    write_revision(project, "r2", "r1", f"""
        import os, time
        op.get_bind().exec_driver_sql("SELECT 1").scalar()
        with open({str(project / "heard")!r}, "w") as file:
            file.write(str(os.getpid()))
        time.sleep(600)
        """)
    open_to_all(project)
    fleet.add_schema_tenants(1)
    # Long enough for a slow machine to read the project.
    client = start_daemon(
        config(fleet, project, python, user="postgres", read_timeout_ms=10_000)).client()
    job = client.run(operation="upgrade", target="heads", max_attempts=1)
    error = client.results(job)["s-000000"]["error"]
    assert "said nothing" in json.dumps(error), error
    pid = (project / "heard").read_text()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))


def refused(command, file, starter=(), binary=None):
    """What `serve` or `check-config` says about a configuration that it must refuse."""
    done = subprocess.run(
        ["setpriv", "--pdeathsig=KILL", *starter, "--", str(binary or daemon_binary()), command,
         "--config", str(file)], capture_output=True, text=True, timeout=60, cwd="/",
        env={name: value for name, value in os.environ.items() if not name.startswith("MIGRATIOND")})
    record.heard(done.stdout + done.stderr)
    assert done.returncode == (2 if command == "serve" else 1), done.stdout + done.stderr
    head, *problems = done.stderr.splitlines()
    assert head == "The migrations cannot be run as another user:"
    return problems


# What is changed, and the words of each problem that is told.
REFUSALS = {
    "no such user": ({"user": "no-such-user"}, [["migrations.user", "no-such-user", "useradd"]]),
    "root": ({"user": "root"}, [["migrations.user", "root"]]),
    "an interpreter of root's": (
        {"user": "nobody", "python": "HIDDEN/python"},
        [["migrations.python", "nobody", "HIDDEN/python", "Permission denied", "name an interpreter"]]),
    "an interpreter that is not there": (
        {"user": "nobody", "python": "/nosuch/python"},
        [["migrations.python", "nobody", "/nosuch/python", "No such file"]]),
    "a project of root's": (
        {"user": "nobody", "path": "HIDDEN/project"},
        [["migrations.path", "nobody", "HIDDEN/project/alembic.ini", "chmod"]]),
    "both": (
        {"user": "nobody", "python": "HIDDEN/python", "path": "HIDDEN/project"},
        [["migrations.python", "HIDDEN/python"], ["migrations.path", "HIDDEN/project"]]),
}


@pytest.mark.parametrize("command", ["check-config", "serve"])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_user_that_python_cannot_run_as_is_refused_with_every_reason(
        fleet, project, python, tmp_path, name, command):
    change, expected = REFUSALS[name]
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "python").symlink_to(python)
    write_project(hidden / "project", 1)

    def placed(text):
        return text.replace("HIDDEN", str(hidden))

    change = {key: placed(text) for key, text in change.items()}
    file = written(tmp_path / "config.json", config(fleet, project, python, **change))
    problems = refused(command, file)
    assert len(problems) == len(expected), problems
    for problem, words in zip(problems, expected):
        assert [word for word in map(placed, words) if word not in problem] == [], problem


@pytest.mark.parametrize("command", ["check-config", "serve"])
@pytest.mark.parametrize("user, rights, expected", [
    ("postgres", (), [["CAP_SETUID, CAP_SETGID, CAP_KILL", "as root", "ambient"]]),
    ("postgres", ("setuid", "setgid"), [["lacks CAP_KILL;"]]),
    ("nobody", RIGHTS, [["nobody", "the daemon itself runs as"]]),
    ("no-such-user", (), [["no-such-user"], ["CAP_SETUID"]]),
])
def test_a_daemon_that_may_not_change_users_says_so(
        fleet, project, python, binary, nobody, place, user, rights, expected, command):
    file = written(project / "config.json", config(fleet, project, python, user=user), nobody)
    problems = refused(command, file, as_user(nobody, rights), binary)
    assert len(problems) == len(expected), problems
    for problem, words in zip(problems, expected):
        assert problem.startswith("migrations.user: ")
        assert [word for word in words if word not in problem] == [], problem


def test_without_the_migrations_nobody_looks_for_their_user(fleet, project, python, tmp_path):
    file = written(tmp_path / "config.json", config(fleet, project, python, user="no-such-user"))
    subprocess.run(
        [daemon_binary(), "check-config", "--without-migrations", "--config", file], check=True,
        stdout=subprocess.DEVNULL, timeout=60)
