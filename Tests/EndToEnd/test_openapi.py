"""The API's own description."""

import json
import subprocess
import sys

import openapi_spec_validator

from conftest import ROOT, TOKENS
from harness import record


def run(folder, *command, within=300):
    """A program's output, which must end with 0."""
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=within,
        cwd=folder)
    record.heard(done.stdout + done.stderr)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


def test_the_description_is_valid_openapi(fleet, start_daemon):
    client = start_daemon(fleet.config()).client()
    document = client.get("/openapi.json").expect(200).json
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document)
    assert len(document["paths"]) >= 20
    # Every address that a caller needs no more than a viewer's token for answers.
    for path, calls in document["paths"].items():
        if "get" in calls and "{" not in path:
            assert client.get(path).status in (200, 503), path


def test_schemathesis_finds_nothing(fleet, start_daemon, tokens):
    fleet.add_schema_tenants(3)
    fleet.add_database_tenants(1)
    fleet.add_rls_tenants(1)
    daemon = start_daemon(fleet.config(server=tokens), token=TOKENS["admin"])
    client = daemon.client()
    client.run(operation="upgrade")
    description = daemon.folder / "openapi.json"
    description.write_text(json.dumps(client.get("/openapi.json").expect(200).json))
    run(daemon.folder, "-m", "schemathesis.cli",
        "--config-file", ROOT / "Tests/EndToEnd/schemathesis.toml", "run", description,
        "--url", daemon.url, "--header", f"Authorization: Bearer {TOKENS['admin']}",
        "--max-examples", 15, "--phases", "examples,coverage,fuzzing", "--seed", 1,
        "--generation-database", "none", "--request-timeout", 60,
        "--exclude-checks", "use_after_free,ensure_resource_availability",
        within=500)
    assert daemon.process.poll() is None
    client.get("/readyz").expect(200)
