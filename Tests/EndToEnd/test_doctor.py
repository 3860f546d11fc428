"""`migrationd doctor` on set-ups that are sound, and on ones that are not."""

import json
import sys

import psycopg2
import pytest

from harness.fleet import Tenant
from harness.migrations import write_revision
from harness.pooler import Pooler
from harness.projects import write_project
from test_cli import migrationd

pytestmark = pytest.mark.server

ORPHAN = ("UPDATE pg_proc SET pronamespace = 4242 WHERE oid = 'public.lost'::regproc",
          "UPDATE pg_proc SET pronamespace = 'public'::regnamespace WHERE pronamespace = 4242")


def doctor(config, tmp_path, *words):
    """The exit code, and the checks that are not well, by name."""
    file = tmp_path / "config.json"
    file.write_text(config if isinstance(config, str) else json.dumps(config))
    file.chmod(0o600)
    code, output, complaint = migrationd("doctor", "--config", file, "--json", *words)
    document = json.loads(output)
    checks = document["checks"]
    assert complaint == ""
    assert document["counts"] == {
        status: sum(check["status"] == status for check in checks)
        for status in ("ok", "warn", "fail")}
    assert all((check["remedy"] is None) == (check["status"] == "ok") for check in checks), checks
    return code, {check["name"]: check for check in checks if check["status"] != "ok"}


def test_a_sound_set_up_is_told_check_by_check(fleet, tmp_path):
    fleet.add_schema_tenants(2)
    fleet.add_database_tenants(1)
    config = fleet.config(scheduler={"per_server_connections": 5})
    assert doctor(config, tmp_path) == (0, {})
    code, output, _ = migrationd("doctor", "--config", tmp_path / "config.json")
    lines = output.splitlines()
    assert code == 0 and all(line.startswith("ok    ") for line in lines), output
    names = [line.split()[1].rstrip(":") for line in lines]
    of_server = ["server_version", "clock", "writable", "connections"]
    of_tenants = [*of_server, "pooler", "orphans", "invalid_indexes"]
    assert names == ["configuration", "migrations", *of_server, "control_schema", "registry",
                     *of_tenants, *of_tenants]
    assert "3 tenants in 2 databases" in output and "no tables yet" in output


def test_the_tables_that_the_daemon_made_are_up_to_date(fleet, start_daemon, tmp_path):
    config = fleet.config(scheduler={"per_server_connections": 5})
    start_daemon(config).stop()
    assert doctor(config, tmp_path) == (0, {})
    fleet.cluster.psql("UPDATE migrationd.schema_version SET version = 999", fleet.control)
    code, found = doctor(config, tmp_path)
    assert (code, [*found]) == (0, ["control_schema"])
    assert "newer release" in found["control_schema"]["detail"]


def wrong_key(fleet, config):
    config["scheduler"]["concurency"] = 3


def broken_migrations(fleet, config):
    write_revision(fleet.migrations, "b2", "nowhere")


def no_python(fleet, config):
    project = write_project(fleet.migrations.parent / "project", 1)
    config["migrations"] = {"source": "alembic", "path": str(project), "python": "/no/python"}


def no_alembic(fleet, config):
    project = write_project(fleet.migrations.parent / "project", 1)
    # The system's Python, which has no Alembic.
    config["migrations"] = {"source": "alembic", "path": str(project), "python": sys._base_executable}


def no_control_database(fleet, config):
    config["control"]["database_url"] = fleet.cluster.url("no_such_database")


def no_rights_in_control(fleet, config):
    config["control"]["database_url"] = fleet.cluster.url(fleet.control) + "?options=-c%20role%3Dclerk"


def read_only_control(fleet, config):
    fleet.cluster.psql(f"ALTER DATABASE {fleet.control} SET default_transaction_read_only = on")


def no_registry(fleet, config):
    fleet.cluster.psql("DROP TABLE tenants", fleet.registry)


def misplaced_tenant(fleet, config):
    fleet.add(Tenant(id="odd", identifier="odd", isolation_strategy="planet"), place=False)


def unreachable_tenants(fleet, config):
    fleet.add(Tenant(id="far", identifier="far", isolation_strategy="database",
                     database_url="postgresql://127.0.0.1:1/nothing"), place=False)


def few_connections(fleet, config):
    config["scheduler"]["per_server_connections"] = 500
    config["scheduler"]["concurrency"] = 500


def few_connections_of_the_role(fleet, config):
    fleet.cluster.psql("ALTER ROLE clerk LOGIN PASSWORD 'clerk' CONNECTION LIMIT 2")
    config["tenancy"]["database_url"] = fleet.cluster.url(fleet.app, user="clerk", password="clerk")


def an_orphan(fleet, config):
    fleet.cluster.psql(
        "CREATE FUNCTION public.lost() RETURNS int LANGUAGE sql AS 'SELECT 1';" + ORPHAN[0], fleet.app)


def an_invalid_index(fleet, config):
    fleet.cluster.psql(
        "CREATE TABLE public.t (x int); INSERT INTO public.t VALUES (1), (1)", fleet.app)
    connection = psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app))
    connection.autocommit = True
    with pytest.raises(psycopg2.errors.UniqueViolation):
        connection.cursor().execute("CREATE UNIQUE INDEX CONCURRENTLY t_x ON public.t (x)")
    connection.close()


def an_invalid_index_in_toast(fleet, config):
    fleet.cluster.psql("CREATE TABLE public.t (id int PRIMARY KEY, words text)", fleet.app)
    connection = psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app))
    connection.autocommit = True
    with psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app)) as reader:
        reader.set_session(isolation_level="REPEATABLE READ")
        reader.cursor().execute("SELECT 1")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            connection.cursor().execute("SET lock_timeout = 100")
            connection.cursor().execute("REINDEX TABLE CONCURRENTLY public.t")
    connection.close()


FAULTS = [
    (wrong_key, "configuration", "fail", "scheduler.concurency"),
    (broken_migrations, "migrations", "fail", "nowhere"),
    (no_python, "migrations", "fail", "/no/python"),
    (no_alembic, "migrations", "fail", "lembic"),
    (no_control_database, "connection", "fail", "no_such_database"),
    (no_rights_in_control, "control_schema", "fail", "may not make them"),
    (read_only_control, "writable", "fail", "default_transaction_read_only"),
    (no_registry, "registry", "fail", "tenants"),
    (misplaced_tenant, "registry", "warn", "planet"),
    (unreachable_tenants, "connection", "fail", "127.0.0.1"),
    (few_connections, "connections", "warn", "max_connections"),
    (few_connections_of_the_role, "connections", "warn", "CONNECTION LIMIT"),
    (an_orphan, "orphans", "fail", "function lost"),
    (an_invalid_index, "invalid_indexes", "warn", "t_x of t"),
    (an_invalid_index_in_toast, "invalid_indexes", "warn", "pg_toast.pg_toast_"),
]


@pytest.fixture
def clerk(cluster):
    cluster.psql("CREATE ROLE clerk")
    yield
    cluster.psql("DROP ROLE clerk")


@pytest.mark.parametrize("spoil, name, status, says", FAULTS, ids=[f[0].__name__ for f in FAULTS])
def test_each_fault_is_named_with_what_to_do(fleet, clerk, tmp_path, spoil, name, status, says):
    fleet.add_schema_tenants(1)
    fleet.migrations = tmp_path / "migrations"
    write_revision(fleet.migrations, "a1", None, "CREATE TABLE u (id int);")
    config = fleet.config(scheduler={"per_server_connections": 5})
    spoil(fleet, config)
    code, found = doctor(config, tmp_path)
    if spoil is an_orphan:
        # So that the database can be looked into by whoever comes after.
        fleet.cluster.psql(ORPHAN[1], fleet.app)
    assert (code, [*found]) == (1 if status == "fail" else 0, [name]), found
    assert found[name]["status"] == status
    assert says in found[name]["detail"], found


@pytest.mark.parametrize("direct", [False, True])
def test_a_pooler_of_transactions_is_found(fleet, cluster, tmp_path, direct):
    fleet.add_schema_tenants(1)
    with Pooler(cluster) as pooler:
        tenancy = {"database_url": pooler.url(fleet.app)}
        if direct:
            tenancy["direct_database_url"] = cluster.url(fleet.app)
        code, found = doctor(
            fleet.config(tenancy=tenancy, scheduler={"per_server_connections": 5}), tmp_path)
    assert (code, [*found]) == (0, [] if direct else ["pooler"]), found


def test_the_wrong_words_are_refused(fleet, tmp_path):
    code, output, complaint = migrationd("doctor")
    assert (code, output) == (2, "") and complaint
    code, output, complaint = migrationd("doctor", "--config", "x", "--databases", "-1")
    assert (code, output) == (2, "") and "--databases" in complaint
