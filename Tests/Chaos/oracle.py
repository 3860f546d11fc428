"""Compares every tenant with what its version rows promise, and the API with its tables.

Reads the databases by psycopg2 and knows nothing of the daemon but its tables' names.
"""

import collections

import psycopg2

import fleet

FACTS = """
SELECT 'columns ' || relname || ' ' || string_agg(attname, ',' ORDER BY attnum)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = %(schema)s::regnamespace AND relkind IN ('r', 'p') AND attnum > 0
    AND NOT attisdropped AND relname IN ('items', 'parts', 'parts_1', 'parts_2') GROUP BY relname
UNION ALL
SELECT 'index ' || relname || CASE WHEN indisvalid AND indisready THEN ' valid' ELSE ' INVALID' END
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = %(schema)s::regnamespace AND relname <> 'alembic_version_pkc'
UNION ALL
SELECT 'attached ' || inhrelid::regclass::text || CASE WHEN inhdetachpending THEN ' PENDING' ELSE '' END
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE relnamespace = %(schema)s::regnamespace
UNION ALL
SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = %(schema)s::regnamespace
"""


class Violation(AssertionError):
    """Something that must never be."""


def connect(conninfo):
    connection = psycopg2.connect(conninfo)
    connection.autocommit = True
    return connection


def facts(cursor, schema):
    cursor.execute("SELECT set_config('search_path', %s, false)", [schema])
    cursor.execute(FACTS, {"schema": schema})
    found = {row[0] for row in cursor.fetchall()}
    for name in ("items", "parts", "parts_1", "parts_2"):
        if any(fact.startswith(f"columns {name} ") for fact in found):
            cursor.execute(f"SELECT count(*) FROM {name}")
            found.add(f"rows {name} {cursor.fetchone()[0]}")
    if any(fact.endswith(",price") for fact in found):
        cursor.execute("SELECT sum(price) FROM items WHERE id <= 100")
        found.add(f"prices {cursor.fetchone()[0]}")
    return sorted(found)


def walk(log):
    """Where a tenant stands by its own log; every step must follow from the one before."""
    position = -1
    for number, (revision, direction) in enumerate(log):
        place = fleet.IDS.index(revision)
        wanted = position + 1 if direction == "up" else position
        if place != wanted:
            raise Violation(f"step {number} of the log is {direction} {revision}, with the tenant at"
                            f" {fleet.IDS[position] if position >= 0 else 'base'}: {log}")
        position = place if direction == "up" else place - 1
    return fleet.IDS[position] if position >= 0 else None


def check_tenant(connection, schema):
    """Returns the tenant's revision once everything about it is right."""
    cursor = connection.cursor()
    cursor.execute("SELECT to_regclass(%s)::text", [f"{schema}.alembic_version"])
    if cursor.fetchone()[0] is None:
        return None
    cursor.execute(f"SELECT version_num FROM {schema}.alembic_version")
    rows = [row[0] for row in cursor.fetchall()]
    if not rows:
        return None
    if len(rows) > 1:
        raise Violation(f"{schema}: version rows {rows}")
    cursor.execute(f"SELECT revision, direction FROM {schema}.step_log ORDER BY id")
    logged = walk(cursor.fetchall())
    if logged != rows[0]:
        raise Violation(f"{schema}: the version row says {rows[0]}, the log {logged}")
    found, wanted = facts(cursor, schema), fleet.expected(rows[0])
    if found != wanted:
        raise Violation(
            f"{schema} at {rows[0]}: too much {sorted(set(found) - set(wanted))}, "
            f"missing {sorted(set(wanted) - set(found))}")
    return rows[0]


def check_server(connection):
    """Nothing of a daemon is left on a tenants' server once none of its jobs runs."""
    cursor = connection.cursor()
    for what, query in {
        "advisory lock": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                         " AND database = (SELECT oid FROM pg_database"
                         " WHERE datname = current_database())",
        "temporary table": "SELECT count(*) FROM pg_class WHERE relpersistence = 't'",
        "prepared transaction": "SELECT count(*) FROM pg_prepared_xacts",
        "open transaction": "SELECT count(*) FROM pg_stat_activity"
                            " WHERE application_name = 'migrationd' AND xact_start IS NOT NULL",
    }.items():
        cursor.execute(query)
        count = cursor.fetchone()[0]
        if count:
            raise Violation(f"{count} of {what} left")


def check_job(control, client, job, tenants, revision):
    """The job's numbers add up, agree with the tables, and are what the tenants say."""
    job = client.get(f"/v1/jobs/{job['id']}").expect(200).json
    counts = job["counts"]
    if job["state"] != "succeeded":
        raise Violation(f"the job is {job['state']}: {counts} {job['first_errors']}")
    ended = counts["succeeded"] + counts["skipped"]
    if not ended == counts["total"] == len(tenants):
        raise Violation(f"the numbers do not add up to {len(tenants)}: {counts}")
    cursor = control.cursor()
    cursor.execute(
        "SELECT state, count(*) FROM migrationd.job_tenants WHERE job_id = %s GROUP BY state",
        [job["id"]])
    table = dict(cursor.fetchall())
    shown = {state: counts[state] for state in ("succeeded", "skipped") if counts[state]}
    if table != shown:
        raise Violation(f"the table has {table}, the job says {shown}")
    results = client.results(job)
    if sorted(results) != sorted(tenants):
        raise Violation(f"{len(results)} results for {len(tenants)} tenants")
    wrong = {r["revision"] for r in results.values()} - {revision}
    if wrong:
        raise Violation(f"results name {wrong} instead of {revision}")
    cursor.execute("SELECT count(*) FROM migrationd.step_journal")
    if cursor.fetchone()[0]:
        raise Violation("unfinished steps are left in the journal")
    return collections.Counter(counts)
