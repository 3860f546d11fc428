"""The harness must be right before anything else is judged by it."""

import os
import subprocess
import sys
import time

import pytest

from harness import Tenant
from harness.cluster import remove_leftovers

FOLDER = os.path.dirname(os.path.abspath(__file__))

KILLED = """
import os, signal
from harness import Cluster
cluster = Cluster()
print(cluster.pid, cluster.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")")[-1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_cluster_dies_with_its_owner():
    done = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    pid, folder = done.stdout.split()
    deadline = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    remove_leftovers()
    assert not os.path.exists(folder)


def test_folders_in_use_and_folders_being_made_are_no_leftovers(cluster, tmp_path):
    (tmp_path / "migrationd-e2e-new").mkdir()
    (tmp_path / "other").mkdir()
    remove_leftovers([tmp_path, cluster.folder.parent])
    assert cluster.folder.exists()
    assert {folder.name for folder in tmp_path.iterdir()} == {"migrationd-e2e-new", "other"}


def test_databases_go_with_their_test(cluster, fleet):
    assert fleet.app in cluster.databases()
    cluster.drop_databases([fleet.app])
    assert fleet.app not in cluster.databases()


def test_the_server_does_not_run_as_root(cluster):
    with open(f"/proc/{cluster.pid}/status") as file:
        uids = next(line for line in file if line.startswith("Uid:"))
    assert "0" not in uids.split()[1:]


def test_a_password_is_needed_over_tcp(cluster):
    psql = str(cluster.programs / "psql")
    for password, code in [(None, 0), ("wrong", 2)]:
        url = cluster.url("postgres", password=password)
        done = subprocess.run([psql, "-X", "-w", url, "-c", "SELECT 1"], capture_output=True)
        assert done.returncode == code, done.stderr


def test_data_survives_a_crash(cluster):
    cluster.psql("CREATE TABLE kept AS SELECT 42 AS answer")
    cluster.restart("immediate")
    assert cluster.psql("SELECT answer FROM kept") == "42"


def test_a_fleet_has_rows_and_places(fleet):
    fleet.add_schema_tenants(3)
    fleet.add_database_tenants(2)
    fleet.add_rls_tenants(1)
    fleet.add(Tenant(id="x", identifier="o'neill", status="suspended", metadata={"plan": "a"}))
    count = "SELECT count(*), count(database_url), count(tenant_metadata) FROM tenants"
    assert fleet.cluster.psql(count, fleet.registry) == "7|2|1"
    schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenant%'"
    assert fleet.cluster.psql(schemas, fleet.app) == "4"
    assert fleet.version_rows("tenant_s_000000") is None
    fleet.cluster.psql(
        "CREATE TABLE tenant_s_000000.alembic_version (version_num text)", fleet.app)
    assert fleet.version_rows("tenant_s_000000") == []


@pytest.mark.parametrize("overrides, expected", [
    ({}, 10), ({"scheduler": {"concurrency": 4}}, 4),
])
def test_sections_of_a_configuration_are_merged(fleet, overrides, expected):
    config = fleet.config(**overrides)
    assert config.get("scheduler", {}).get("concurrency", 10) == expected
    assert config["server"] == {"host": "127.0.0.1", "port": 0}
