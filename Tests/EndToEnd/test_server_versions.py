"""Steps that are not the same on every version of PostgreSQL, beside Alembic on the server at hand."""

import pytest

from harness import catalogue
from harness.alembic import AlembicProject
from harness.alembic_fleet import DRIVER, alembic_config, all_equal, moved, reference
from harness.cluster import THROW_AWAY, Cluster, other_postgres_programs
from harness.fleet import Tenant
from harness.projects import write_project, write_revision

pytestmark = pytest.mark.server


@pytest.fixture
def project(tmp_path):
    """SQLAlchemy 2.1 makes a computed column virtual on 18, and stored before; r3 asks by itself."""
    folder = write_project(tmp_path / "project", 1)
    write_revision(folder, "r2", "r1", """
        import sqlalchemy as sa
        op.create_table(
            "prices", sa.Column("net", sa.Integer),
            sa.Column("gross", sa.Integer, sa.Computed("net * 119 / 100")))
        op.bulk_insert(sa.table("prices", sa.column("net")), [{"net": 100}])
        """, 'op.drop_table("prices")')
    write_revision(folder, "r3", "r2", """
        major = op.get_bind().dialect.server_version_info[0]
        op.execute(f"CREATE TABLE server_{major} (id int)")
        """, """
        major = op.get_bind().dialect.server_version_info[0]
        op.execute(f"DROP TABLE server_{major}")
        """)
    return AlembicProject(folder)


def texts(client):
    """By the range of servers: what the API says of the computed column's step."""
    variants = client.get("/v1/revisions/r2").json["upgrade"]["variants"]
    return {
        (each["first_server"], each["last_server"]): each["statements"][0]["sql"]
        for each in variants}


def test_a_step_is_what_alembic_makes_of_it_on_the_server_at_hand(fleet, start_daemon, project):
    fleet.add_schema_tenants(2)
    rows = reference(fleet, project, ("upgrade", "heads"))
    client = start_daemon(alembic_config(fleet, project.file)).client()
    items = client.get("/v1/revisions").json["items"]
    assert {each["revision"]: each["engine"] for each in items} == {
        "r1": "sql", "r2": "sql", "r3": "sql"}
    found = texts(client)
    assert list(found) == [(10, 17), (18, None)]
    assert "STORED" in found[10, 17] and "STORED" not in found[18, None]
    moved(client, rows, operation="upgrade")
    all_equal(fleet)
    rows = reference(fleet, project, ("downgrade", "r1"))
    moved(client, rows, operation="downgrade", target="r1")
    all_equal(fleet)


@pytest.fixture
def other_server():
    programs = other_postgres_programs()
    if programs is None:
        pytest.skip("one version of PostgreSQL is installed here (scripts/install-postgres 18)")
    with Cluster(THROW_AWAY, programs=programs) as running:
        yield running


def test_a_fleet_on_servers_of_two_versions(fleet, start_daemon, project, other_server):
    clusters = fleet.cluster, other_server
    for number, cluster in enumerate(clusters):
        for name in ("own", "reference"):
            cluster.create_database(f"{fleet.name}_{name}{number}")
        fleet.add(Tenant(
            id=f"t{number}", identifier=f"t{number}", isolation_strategy="database",
            database_url=cluster.url(f"{fleet.name}_own{number}", DRIVER)))
    client = start_daemon(alembic_config(fleet, project.file)).client()
    moved(client, ["r3"], operation="upgrade")
    tables = set()
    for number, cluster in enumerate(clusters):
        project.run(
            "upgrade", "heads", url=cluster.url(f"{fleet.name}_reference{number}", DRIVER))
        own, by_alembic = (
            catalogue.facts(cluster, f"{fleet.name}_{name}{number}", "public")
            for name in ("own", "reference"))
        assert own == by_alembic
        tables.add(cluster.psql(
            "SELECT relname FROM pg_class WHERE relname LIKE 'server%'",
            f"{fleet.name}_own{number}"))
    assert len(tables) == 2
