"""The API's description is valid, and the daemon keeps to it whatever it is sent."""

import hashlib
import pathlib
import subprocess
import sys

import openapi_spec_validator
import pytest

FOLDER = pathlib.Path(__file__).resolve().parent
TOKEN = "openapi-token"


@pytest.fixture
def daemon(fleet, start_daemon):
    fleet.add_schema_tenants(3)
    fleet.add_schema_tenants(1, prefix="gone", status="suspended")
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    server = {"tokens": [{"name": "ci", "role": "operator", "sha256": digest}]}
    return start_daemon(fleet.config(server=server), token=TOKEN)


def test_the_description_is_valid_openapi(daemon):
    document = daemon.client().get("/openapi.json").expect(200).json
    assert document["openapi"].startswith("3.1")
    openapi_spec_validator.validate(document)


def test_every_path_is_served(daemon):
    client = daemon.client()
    document = client.get("/openapi.json").json
    for path, operations in document["paths"].items():
        answer = client.request("OPTIONS", path.replace("{id}", "x").replace("{revision}", "x"))
        allowed = {method.strip() for method in answer.headers["Allow"].split(",")}
        assert {method.upper() for method in operations} == allowed - {"HEAD", "OPTIONS"}


def test_the_daemon_keeps_to_its_description(daemon, tmp_path):
    """Each request that fits the schemas is answered as described, each that does not is refused."""
    command = [
        pathlib.Path(sys.executable).with_name("schemathesis"),
        "--config-file", FOLDER / "schemathesis.toml",
        "run", f"{daemon.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}",
        "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", "15", "--seed", "1", "--continue-on-failure", "--no-color",
    ]
    done = subprocess.run(
        [str(word) for word in command], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
