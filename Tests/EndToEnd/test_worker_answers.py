"""Each tenant's result is its own, whatever a step does to what its worker says to the daemon.

One worker serves all tenants in the order of their ids; the second one's step is the culprit, and
the third one's fails by itself, so that answers that are shifted by one are seen."""

import textwrap

import pytest

from harness.alembic_fleet import alembic_config
from harness.projects import write_project, write_revision

CULPRIT, FAILING = "tenant_s_000001", "tenant_s_000002"

STEP = f"""
import fcntl, json, os
schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar()
op.execute("CREATE TABLE journal (schema text)")
op.execute(f"INSERT INTO journal VALUES ('{{schema}}')")
if schema == "{FAILING}":
    op.execute("SELECT 1 / 0")
if schema == "{CULPRIT}":
"""

FORKS = """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
"""

WRITES = """
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and os.path.exists(f"/proc/self/fd/{name}"):
            flags = fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE
            if flags == os.O_WRONLY and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
                os.write(int(name), TEXT)
"""

# With the answer, in one write, one to the request that has not come yet.
SAYS_MORE = """
    import migrationd_protocol
    def answer(channel, document):
        more = {**document, "id": document["id"] + 1}
        lines = "".join(json.dumps(each) + "\\n" for each in (document, more))
        os.write(channel._answers.fileno(), lines.encode())
    migrationd_protocol.Channel.answer = answer
"""


def project(folder, mischief):
    write_project(folder, 1)
    body = textwrap.dedent(STEP).strip() + "\n" + mischief.strip("\n")
    write_revision(folder, "r2", "r1", body)
    return folder


def journal(fleet, schema):
    if fleet.cluster.psql(f"SELECT to_regclass('{schema}.journal')", fleet.app) == "":
        return []
    return fleet.cluster.psql(f"SELECT schema FROM {schema}.journal", fleet.app).split()


@pytest.mark.parametrize("mischief", [
    pytest.param(FORKS, id="forks and returns in the child"),
    pytest.param(WRITES.replace("TEXT", r'b"garbage\n"'), id="writes garbage"),
    pytest.param(WRITES.replace("TEXT", r"""b'{"id": 0, "event": "done"}\n'"""),
                 id="writes an answer of another request"),
    pytest.param(SAYS_MORE, id="answers the next request, too"),
])
def test_no_tenant_is_judged_by_the_answer_of_another(fleet, start_daemon, tmp_path, mischief):
    fleet.add_schema_tenants(6)
    config = alembic_config(fleet, project(tmp_path / "project", mischief), workers=1)
    client = start_daemon(config).client()
    assert client.run(operation="upgrade", target="r1")["state"] == "succeeded"
    job = client.run(operation="upgrade", target="heads", concurrency=1)
    assert job["state"] == "failed"
    for tenant in fleet.tenants:
        result = client.results(job)[tenant.id]
        rows = fleet.version_rows(tenant.schema)
        assert result["to_revisions"] == rows, (tenant.id, result)
        assert result["success"] == (rows == ["r2"]), (tenant.id, result)
        assert journal(fleet, tenant.schema) == ([tenant.schema] if rows == ["r2"] else [])
        if tenant.schema == FAILING:
            assert result["error_detail"]["sqlstate"] == "22012", result
        elif tenant.schema != CULPRIT:
            assert result["state"] == "succeeded", (tenant.id, result)
