"""A fleet under an Alembic project: the daemon's replay against Alembic itself."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

from harness.daemon import daemon_build
from harness.projects import write_project, write_revision

REVISIONS = 5
UPGRADE = """
import sqlalchemy as sa
op.create_table(
    "orders_{n}",
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("amount", sa.Numeric(12, 2), nullable=False, server_default="0"))
op.create_index("ix_orders_{n}_name", "orders_{n}", ["name"])
"""

# All tenants one behind the other, in one process: the way of Alembic that does not go wrong.
IN_SEQUENCE = """
import argparse, json, sys, time
from alembic import command
from alembic.config import Config

ini, url, schemas = json.load(sys.stdin)
start = time.perf_counter()
for schema in schemas:
    config = Config(ini)
    config.cmd_opts = argparse.Namespace(x=["url=" + url, "schema=" + schema])
    command.upgrade(config, "head")
print(time.perf_counter() - start)
"""


def write_orders(folder):
    """A project of five revisions, each of which makes a table and an index."""
    project = write_project(folder / "project", 0)
    for n in range(1, REVISIONS + 1):
        write_revision(
            project, f"r{n}", f"r{n - 1}" if n > 1 else None, UPGRADE.format(n=n),
            f'op.drop_table("orders_{n}")')
    return project


def configuration(project):
    return {"migrations": {"source": "alembic", "path": str(project), "python": sys.executable}}


def in_sequence(project, url, schemas):
    asked = json.dumps([str(project / "alembic.ini"), url, schemas])
    done = subprocess.run(
        [sys.executable, "-c", IN_SEQUENCE], input=asked, capture_output=True, text=True,
        check=True)
    return float(done.stdout)


def by_command(project, url, schemas, at_once=2):
    """An `alembic` process a tenant, as a script around it does."""
    start = time.perf_counter()
    running = []
    for schema in schemas:
        if len(running) == at_once and running.pop(0).wait() != 0:
            raise SystemExit("alembic has failed")
        running.append(subprocess.Popen(
            [sys.executable, "-m", "alembic", "-c", str(project / "alembic.ini"), "-x",
             f"url={url}", "-x", f"schema={schema}", "upgrade", "head"],
            stderr=subprocess.DEVNULL))
    if any(process.wait() != 0 for process in running):
        raise SystemExit("alembic has failed")
    return time.perf_counter() - start


def compare(copies_of, run_daemon, arguments):
    """Tenants per second of the three ways, each on a fresh copy of one fleet."""
    with tempfile.TemporaryDirectory() as name:
        project = write_orders(pathlib.Path(name))
        with copies_of(project) as copies:
            url = copies.cluster.url(copies.fleet.app, "postgresql+psycopg2")
            schemas = [tenant.schema for tenant in copies.tenants]
            ways = {
                "replay": lambda: run_daemon(
                    copies.fleet, arguments.concurrency, configuration(project))["seconds"],
                "alembic_in_sequence": lambda: in_sequence(project, url, schemas),
                "alembic_command": lambda: by_command(project, url, schemas),
            }
            rates, relations = {}, set()
            for way, run in ways.items():
                copies.renew()
                rates[way] = round(len(schemas) / run(), 1)
                relations.add(copies.relations())
                print(f"{way}: {rates[way]}/s", file=sys.stderr, flush=True)
    if len(relations) != 1:
        raise SystemExit(f"the ways did not do the same: {relations}")
    print(json.dumps({"build": daemon_build(), "tenants": len(schemas), "revisions": REVISIONS,
                      **rates}))
    return rates["replay"] >= arguments.at_least * rates["alembic_in_sequence"]
