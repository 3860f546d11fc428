"""The fleet that is migrated under faults: what each revision runs, and what must stand afterwards.

The oracle knows the revisions from here and from nowhere else: it shares no code with the daemon.
"""

import dataclasses

# One row for each time that a step of a tenant ran, in the tenant itself.
LOG = "INSERT INTO step_log (revision, direction) VALUES ('{0}', '{1}');"


@dataclasses.dataclass(frozen=True)
class Revision:
    id: str
    up: str
    down: str
    # Whether every statement runs on its own, outside of transactions.
    alone: bool = False

    def text(self, parent):
        header = "-- transaction: off\n" if self.alone else ""
        return (
            f"-- revision: {self.id}\n-- down_revision: {parent or 'none'}\n{header}"
            f"\n-- upgrade\n{self.up}\n{LOG.format(self.id, 'up')}\n"
            f"\n-- downgrade\n{self.down}\n{LOG.format(self.id, 'down')}\n")


REVISIONS = [
    Revision(
        "c01",
        """CREATE TABLE step_log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            revision text NOT NULL, direction text NOT NULL);
        CREATE TYPE mood AS ENUM ('calm', 'busy');
        CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, mood mood);
        INSERT INTO items SELECT n, 'item ' || n, 'calm' FROM generate_series(1, 100) AS n;""",
        "SELECT 1 / 0;"),
    Revision(
        "c02",
        """ALTER TABLE items ADD COLUMN price int;
        UPDATE items SET price = id * 10;""",
        "ALTER TABLE items DROP COLUMN price;"),
    Revision(
        "c03", "CREATE INDEX CONCURRENTLY items_name ON items (name);",
        "DROP INDEX CONCURRENTLY items_name;", alone=True),
    Revision(
        "c04", "INSERT INTO items (id, name) SELECT n, 'more' FROM generate_series(101, 150) AS n;",
        "DELETE FROM items WHERE id > 100;"),
    Revision(
        "c05", "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'angry';", "SELECT 1;", alone=True),
    Revision("c06", "VACUUM items;", "VACUUM items;", alone=True),
    Revision(
        "c07",
        """CREATE TABLE parts (id int NOT NULL, kind int NOT NULL) PARTITION BY LIST (kind);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
        CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
        INSERT INTO parts SELECT n, n % 2 + 1 FROM generate_series(1, 20) AS n;""",
        "DROP TABLE parts;"),
    Revision(
        "c08", "ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY;",
        "ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES IN (1);", alone=True),
    Revision(
        "c09",
        """CREATE FUNCTION item_count() RETURNS bigint LANGUAGE sql AS $$
            -- a comment; with a semicolon
            SELECT count(*) FROM items;
        $$;""",
        "DROP FUNCTION item_count();"),
    Revision(
        "c10",
        """CREATE UNIQUE INDEX CONCURRENTLY items_id_name ON items (id, name);
        CREATE INDEX CONCURRENTLY ON items (mood);""",
        "DROP INDEX CONCURRENTLY items_id_name; DROP INDEX CONCURRENTLY items_mood_idx;",
        alone=True),
]
IDS = [revision.id for revision in REVISIONS]
# A downgrade stops here: below it the log would be gone.
FLOOR = IDS[0]


def write(folder):
    """Writes the migrations as the daemon reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    parent = None
    for revision in REVISIONS:
        (folder / f"{revision.id}.sql").write_text(revision.text(parent))
        parent = revision.id
    return folder


def expected(revision):
    """What stands in a tenant at a revision: the facts that `oracle.FACTS` reads, sorted.

    The enum's third value is left out of the facts, since no downgrade can take it away.
    """
    at = IDS.index(revision)

    def has(name):
        return at >= IDS.index(name)

    facts = {"columns items id,name,mood" + (",price" if has("c02") else "")}
    facts.add(f"rows items {150 if has('c04') else 100}")
    facts.add("index items_pkey valid")
    facts.add("index step_log_pkey valid")
    if has("c02"):
        facts.add("prices 50500")
    if has("c03"):
        facts.add("index items_name valid")
    if has("c07"):
        facts |= {"columns parts id,kind", "columns parts_2 id,kind", "columns parts_1 id,kind",
                  "attached parts_2", f"rows parts {10 if has('c08') else 20}",
                  "rows parts_1 10", "rows parts_2 10"}
        if not has("c08"):
            facts.add("attached parts_1")
    if has("c09"):
        facts.add("function item_count")
    if has("c10"):
        facts |= {"index items_id_name valid", "index items_mood_idx valid"}
    return sorted(facts)
