"""Alembic projects that misbehave: a clear failure of just what it concerns."""

import json
import os
import signal
import subprocess

import pytest

from harness.alembic_fleet import alembic_config
from harness.daemon import daemon_binary
from harness.projects import write_env, write_project, write_revision
from harness.waiting import eventually

PYTHON_STEP = """
op.get_bind().exec_driver_sql("SELECT 1").scalar()
op.execute("CREATE TABLE {table} (id int)")
"""


def results(client, **request):
    """Ends a job, and returns it with its results by tenant."""
    job = client.run(**{"operation": "upgrade", "target": "heads", **request})
    return job, client.results(job)


def tables(fleet, schema):
    return fleet.cluster.psql(
        f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' ORDER BY 1",
        fleet.app).split()


def python_only(folder, steps=3):
    """The same project as steps that only Alembic itself can run."""
    write_project(folder, steps)
    for number in range(1, steps + 1):
        write_revision(
            folder, f"r{number}", f"r{number - 1}" if number > 1 else None,
            PYTHON_STEP.format(table=f"r{number}"), f'op.execute("DROP TABLE r{number}")')
    return folder


def test_sixty_tenants_all_through_python(fleet, start_daemon, tmp_path):
    project = python_only(tmp_path / "project", 5)
    fleet.add_schema_tenants(60)
    client = start_daemon(alembic_config(fleet, project)).client()
    job, ended = results(client, concurrency=10)
    assert (job["state"], job["counts"]["succeeded"]) == ("succeeded", 60), job["first_errors"]
    for tenant in fleet.tenants:
        assert fleet.version_rows(tenant.schema) == ["r5"]
        assert tables(fleet, tenant.schema) == ["alembic_version", "r1", "r2", "r3", "r4", "r5"]
    assert tables(fleet, "public") == []
    job, ended = results(client, operation="downgrade", target="base", concurrency=10)
    assert job["counts"]["succeeded"] == 60, job["first_errors"]
    assert tables(fleet, fleet.tenants[7].schema) == ["alembic_version"]


def test_a_worker_that_is_killed_fails_its_tenant_only(fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar()
        op.execute("CREATE TABLE r2 (id int)")
        if schema == "tenant_s_000001":
            op.execute("SELECT pg_sleep(600)")
        """)
    fleet.add_schema_tenants(6)
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.start(operation="upgrade", target="heads", max_attempts=1)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)'" \
        " AND application_name = 'migrationd-worker'"
    eventually(lambda: fleet.cluster.psql(sleeping, fleet.app) == "1")
    port = fleet.cluster.psql(
        "SELECT client_port FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)'"
        " AND application_name = 'migrationd-worker'", fleet.app)
    os.kill(owner_of_port(int(port)), signal.SIGKILL)
    job = client.finish(job)
    ended = client.results(job)
    assert job["counts"] == {**job["counts"], "succeeded": 5, "failed": 1}
    failed = ended["s-000001"]
    assert failed["error_detail"]["code"] == "python_died" and failed["error_detail"]["revision"] == "r2"
    assert fleet.version_rows("tenant_s_000001") == ["r1"]
    assert tables(fleet, "tenant_s_000001") == ["alembic_version", "r1"]
    eventually(lambda: fleet.cluster.psql(sleeping, fleet.app) == "0")


def owner_of_port(port):
    """The process that a local TCP connection from `port` belongs to."""
    lines = [line.split() for line in open("/proc/net/tcp").read().splitlines()[1:]]
    socket = next(line[9] for line in lines if int(line[1].split(":")[1], 16) == port)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if f"socket:[{socket}]" in links:
            return int(pid)
    raise AssertionError(f"nobody has port {port}")


@pytest.mark.parametrize("name, env, code, said", [
    ("exit", {"online": "import sys; sys.exit(3)"}, "env_failed", "sys.exit(3)"),
    ("raise", {"online": "raise RuntimeError('no vault today')"}, "env_failed", "no vault today"),
    ("hard exit", {"online": "import os; os._exit(1)"}, "python_died", "ended in the middle"),
    ("hang", {"online": "import time; time.sleep(3600)"}, "python_timeout", "too long"),
])
def test_an_env_that_fails_online(fleet, start_daemon, tmp_path, name, env, code, said):
    project = python_only(tmp_path / "project", 2)
    write_env(project, **env)
    fleet.add_schema_tenants(2)
    client = start_daemon(alembic_config(fleet, project, read_timeout_ms=15_000)).client()
    job, ended = results(client, max_attempts=1)
    assert job["counts"]["failed"] == 2
    for result in ended.values():
        assert result["error_detail"]["code"] == code, result
        assert said in result["error"]
        assert tables(fleet, "tenant_s_000000") in ([], ["alembic_version"])


def test_a_step_that_takes_too_long_fails_its_tenant_only(fleet, start_daemon, tmp_path):
    """In the database, which ends it itself, and in Python, whose process is killed."""
    project = python_only(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        import time
        op.get_bind().exec_driver_sql("SELECT 1").scalar()
        place = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar()
        if place == "tenant_s_000000":
            op.execute("SELECT pg_sleep(60)")
        if place == "tenant_s_000001":
            time.sleep(3600)
        op.execute("CREATE TABLE r2 (id int)")
        """)
    fleet.add_schema_tenants(5)
    client = start_daemon(alembic_config(fleet, project)).client()
    job, ended = results(client, max_attempts=1, statement_timeout_ms=1_000)
    codes = {key: (r["error_detail"] or {}).get("code") for key, r in ended.items()}
    assert codes == {"s-000000": "statement_timeout", "s-000001": "python_timeout",
                     "s-000002": None, "s-000003": None, "s-000004": None}
    assert ended["s-000000"]["to_revisions"] == ended["s-000001"]["to_revisions"] == ["r1"]
    assert "r2" not in tables(fleet, "tenant_s_000001")


def test_an_env_that_prints_is_not_in_the_way(fleet, start_daemon, tmp_path):
    noise = """
        import os, subprocess
        print("x" * 100000)
        os.write(1, b'{"event": "done"}\\n')
        subprocess.run(["echo", "noise"])
        """
    project = python_only(tmp_path / "project", 2)
    write_env(project, before=noise)
    fleet.add_schema_tenants(3)
    client = start_daemon(alembic_config(fleet, project)).client()
    job, _ = results(client)
    assert job["counts"]["succeeded"] == 3, job["first_errors"]


def test_an_env_that_ignores_the_database_it_is_given(fleet, start_daemon, tmp_path):
    project = python_only(tmp_path / "project", 1)
    fleet.cluster.create_database(f"{fleet.name}_elsewhere")
    elsewhere = fleet.cluster.url(f"{fleet.name}_elsewhere", "postgresql+psycopg2")
    # It asks for a row first, so that where it leads to is not known before there are tenants.
    write_env(project, online=f"""
        options['url'], schema = {elsewhere!r}, None
        with create_engine(options['url']).connect() as connection:
            connection.execute(text("SELECT 1")).scalar_one()
        """)
    fleet.add_schema_tenants(2)
    client = start_daemon(alembic_config(fleet, project)).client()
    job, ended = results(client, max_attempts=1, concurrency=1)
    assert job["counts"]["failed"] == 2
    assert {r["error_detail"]["code"] for r in ended.values()} == {"not_migrated"}
    # The second tenant's worker finds what the first one's has done elsewhere.
    assert {said for r in ended.values() for said in ("env.py leads", "Alembic reported success")
            if r["error"].startswith(said)} == {"env.py leads", "Alembic reported success"}, ended
    assert fleet.version_rows("tenant_s_000000") == []


def test_an_env_that_ignores_the_schema_it_is_given(fleet, start_daemon, tmp_path):
    """All lies in public then; each tenant after the first one meets its rows there."""
    project = python_only(tmp_path / "project", 1)
    write_env(project, online="schema = None")
    fleet.add_schema_tenants(2)
    client = start_daemon(alembic_config(fleet, project)).client()
    job, ended = results(client, max_attempts=1, concurrency=1)
    assert {r["error_detail"]["code"] for r in ended.values()} == {"not_migrated"}, ended
    said = [result["error"] for result in ended.values()]
    assert any("there the version rows are ['r1'], and the tenant's are []" in each
               for each in said), said


def test_a_traceback_is_apart_from_its_cause(fleet, start_daemon, tmp_path):
    project = python_only(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        op.get_bind().exec_driver_sql("SELECT 1").scalar()
        raise LookupError("no plan named\\nfree")
        """, 'raise NotImplementedError("never")')
    fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    job, ended = results(client, max_attempts=1)
    result = ended["s-000000"]
    assert result["error"] == "LookupError: no plan named free", result
    traceback = result["error_detail"]["traceback"]
    assert traceback[-2:] == ["LookupError: no plan named", "free"], traceback
    assert any("r2.py" in line for line in traceback), traceback


def test_an_env_that_makes_its_tables_in_public(fleet, start_daemon, tmp_path):
    project = python_only(tmp_path / "project", 1)
    env = (project / "env.py").read_text()
    (project / "env.py").write_text(env.replace("SET search_path TO", "SELECT 1 --"))
    fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    job, ended = results(client, max_attempts=1)
    assert ended["s-000000"]["error_detail"]["code"] == "wrong_schema", ended


def check(config, folder, environment=None):
    """What `check-config` says of a configuration."""
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    done = subprocess.run(
        [daemon_binary(), "check-config", "--config", str(file)],
        capture_output=True, text=True, env={**os.environ, **(environment or {})})
    return done.returncode, done.stdout + done.stderr


def test_broken_projects_are_named_at_the_start(fleet, tmp_path):
    project = write_project(tmp_path / "project")
    config = alembic_config(fleet, project)
    code, said = check(config, tmp_path)
    assert code == 0 and "3 revisions" in said, said

    write_revision(project, "r9", "gone", "pass")
    code, said = check(config, tmp_path)
    assert code == 1 and "gone" in said and "r9.py" in said, said

    (project / "versions" / "r9.py").write_text("def upgrade(:\n")
    (project / "versions" / "r8.py").write_text("raise RuntimeError('at import')\n")
    code, said = check(config, tmp_path)
    assert code == 1 and "SyntaxError" in said and "at import" in said, said

    (project / "versions" / "r9.py").unlink()
    (project / "versions" / "r8.py").unlink()
    write_env(project, before="import nosuchmodule")
    code, said = check(config, tmp_path)
    assert code == 1 and "env.py" in said and "nosuchmodule" in said, said

    config["migrations"]["python"] = "/nosuch/python"
    code, said = check(config, tmp_path)
    assert code == 1 and "/nosuch/python" in said, said

    subprocess.run(["python3", "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    config["migrations"]["python"] = str(tmp_path / "bare" / "bin" / "python")
    code, said = check(config, tmp_path)
    assert code == 1 and "cannot import Alembic" in said, said


def test_a_rendered_project_is_kept_over_restarts(fleet, tmp_path):
    project = write_project(tmp_path / "project")
    config = alembic_config(fleet, project, cache_folder=str(tmp_path / "cache"))
    assert check(config, tmp_path)[0] == 0
    [kept] = (tmp_path / "cache").iterdir()
    written = kept.stat().st_mtime_ns
    code, said = check(config, tmp_path)
    assert (code, kept.stat().st_mtime_ns) == (0, written), said
    write_revision(project, "r4", "r3", "pass")
    code, said = check(config, tmp_path)
    assert code == 0 and "4 revisions" in said and kept.stat().st_mtime_ns > written
    kept.write_text("{broken")
    code, said = check(config, tmp_path)
    assert code == 0 and "4 revisions" in said


def test_two_heads_need_heads(fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 2)
    write_revision(project, "r2b", "r1", 'op.execute("CREATE TABLE r2b (id int)")')
    fleet.add_schema_tenants(2)
    client = start_daemon(alembic_config(fleet, project)).client()
    answer = client.post("/v1/jobs", {"operation": "upgrade", "target": "head"})
    assert answer.status == 422 and "heads" in answer.text
    job, ended = results(client)
    assert job["counts"]["succeeded"] == 2
    assert fleet.version_rows("tenant_s_000000") == ["r2", "r2b"]


@pytest.mark.parametrize("by", ["the worker", "a child that is gone"])
def test_what_a_worker_leaves_that_is_killed_from_outside_is_ended(
        fleet, start_daemon, tmp_path, by):
    """As the kernel kills it where memory is short: nobody tells its descendants."""
    said = tmp_path / "said"
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", f"""
        import os, subprocess
        op.get_bind().exec_driver_sql("SELECT 1").scalar()
        if {by == "the worker"}:
            pid = subprocess.Popen(["sleep", "1000"], start_new_session=True).pid
        else:
            pid = int(subprocess.check_output(
                ["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"]))
        with open({str(said)!r}, "w") as file:
            file.write(f"{{os.getpid()}} {{pid}} end")
        op.execute("SELECT pg_sleep(600)")
        """)
    fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.start(operation="upgrade", target="heads", max_attempts=1)
    eventually(lambda: said.exists() and said.read_text().endswith("end"))
    worker, left = map(int, said.read_text().split()[:2])
    os.kill(left, 0)
    os.kill(worker, signal.SIGKILL)
    ended = client.finish(job, within=60)
    assert client.results(ended)["s-000000"]["error_detail"]["code"] == "python_died"
    eventually(lambda: not os.path.exists(f"/proc/{left}"))


def test_an_immediate_cancel_ends_a_worker_and_rolls_back(fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 1)
    write_revision(project, "r2", "r1", """
        op.get_bind().exec_driver_sql("SELECT 1").scalar()
        op.execute("CREATE TABLE r2 (id int)")
        op.execute("SELECT pg_sleep(600)")
        """)
    fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    job = client.start(operation="upgrade", target="heads")
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)'" \
        " AND application_name = 'migrationd-worker'"
    eventually(lambda: fleet.cluster.psql(sleeping, fleet.app) == "1")
    client.post(f"/v1/jobs/{job['id']}/cancel", {"mode": "immediate"}).expect(200)
    ended = client.finish(job, within=20)
    assert (ended["state"], ended["counts"]["cancelled"]) == ("cancelled", 1)
    eventually(lambda: fleet.cluster.psql(sleeping, fleet.app) == "0")
    assert fleet.version_rows("tenant_s_000000") == ["r1"]
    assert tables(fleet, "tenant_s_000000") == ["alembic_version", "r1"]
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    eventually(lambda: fleet.cluster.psql(locks, fleet.app) == "0")


def test_a_broken_project_is_refused_at_a_reload(fleet, start_daemon, tmp_path):
    project = write_project(tmp_path / "project", 2)
    fleet.add_schema_tenants(1)
    client = start_daemon(alembic_config(fleet, project)).client()
    write_revision(project, "r3", "r2", "pass")
    (project / "versions" / "r4.py").write_text("raise RuntimeError('no vault today')\n")
    answer = client.post("/v1/revisions/reload")
    assert answer.status == 422 and "r4.py" in answer.text and "no vault today" in answer.text
    job, ended = results(client)
    assert ended["s-000000"]["to_revisions"] == ["r2"]
    (project / "versions" / "r4.py").unlink()
    client.post("/v1/revisions/reload").expect(200)
    job, ended = results(client)
    assert ended["s-000000"]["to_revisions"] == ["r3"]


def test_a_reload_reaches_the_workers_too(fleet, start_daemon, tmp_path):
    """A module of the project that has changed is not the one that a worker has imported before."""
    project = write_project(tmp_path / "project", 1)
    (project / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n")
    module = project / "shop_names.py"
    for number, name in ((2, "first"), (3, "second")):
        module.write_text(f'TABLE = "{name}"\n' + "#" * number)
        write_revision(project, f"r{number}", f"r{number - 1}", """
            import shop_names
            op.get_bind().exec_driver_sql("SELECT 1").scalar()
            op.execute(f"CREATE TABLE {shop_names.TABLE} (id int)")
            """)
        if number == 2:
            fleet.add_schema_tenants(1)
            client = start_daemon(alembic_config(fleet, project)).client()
        else:
            client.post("/v1/revisions/reload").expect(200)
        job, _ = results(client)
        assert job["state"] == "succeeded", job["first_errors"]
    assert tables(fleet, "tenant_s_000000") == ["alembic_version", "first", "r1", "second"]
