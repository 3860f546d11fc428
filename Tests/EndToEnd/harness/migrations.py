"""Folders of migrations for a test, and gates that hold a migration where the test wants it."""

import pathlib

# In a migration: waits while a test holds the gate of this schema, or the one of all.
PASS_GATE = """SELECT pg_advisory_xact_lock_shared(7, 0),
    pg_advisory_xact_lock_shared(8, hashtext(current_schema()));"""

# In a migration: a row for each time that it was committed.
NOTE = "INSERT INTO public.journal (schema, revision) VALUES (current_schema(), '{}');"

JOURNAL = """CREATE TABLE public.journal (
    id bigint GENERATED ALWAYS AS IDENTITY, schema text, revision text);"""


def write_revision(folder, revision, down=None, upgrade="SELECT 1;", downgrade="SELECT 1;",
                   header=""):
    """Writes one file; without a downgrade (`None`) there is no such section."""
    text = f"-- revision: {revision}\n-- down_revision: {down or 'none'}\n{header}"
    text += f"\n-- upgrade\n{upgrade}\n"
    if downgrade is not None:
        text += f"\n-- downgrade\n{downgrade}\n"
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{revision}.sql"
    file.write_text(text)
    return file


def write_journalled(folder, revisions=("a001", "a002", "a003"), gate="a001"):
    """A line of revisions that note themselves in the journal; `gate` names the one that waits."""
    down = None
    for revision in revisions:
        upgrade = f"CREATE TABLE t_{revision} (id int);\n" + NOTE.format(revision)
        if revision == gate:
            upgrade += "\n" + PASS_GATE
        write_revision(
            folder, revision, down, upgrade,
            f"DROP TABLE t_{revision};\n" + NOTE.format("-" + revision))
        down = revision
    return folder


class Gate:
    """Holds migrations at `PASS_GATE`: those of one schema, or all. Needs psycopg2."""

    def __init__(self, fleet, schema=None):
        import psycopg2

        self.fleet = fleet
        self.keys = f"8, hashtext('{schema}')" if schema else "7, 0"
        self.connection = psycopg2.connect(fleet.cluster.socket_conninfo(fleet.app))
        self.connection.autocommit = True
        self.connection.cursor().execute(f"SELECT pg_advisory_lock({self.keys})")

    def waiting(self):
        """How many migrations wait here."""
        cursor = self.connection.cursor()
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND classid IN (7, 8) AND NOT granted"
            " AND datname = current_database()")
        return cursor.fetchone()[0]

    def open(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open()
