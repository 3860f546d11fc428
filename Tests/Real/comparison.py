"""Every object and row of two servers' tenants, side by side.

What differs among the tenants that Alembic itself has migrated (the time, a UUID) says nothing
about the daemon: it is left out, and named.
"""

from harness import catalogue
from harness.fleet import identifier, literal

_COLUMNS = """
SELECT relname || '|' || attname FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE relkind = 'r' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {schema})
ORDER BY 1
"""


def tenant(cluster, database, schema):
    """By name what stands in one tenant: its catalogue line by line, its rows by digests."""
    found = {line: "there" for line in catalogue.facts(cluster, database, schema).split("\n")}
    tables = {}
    for line in cluster.psql(_COLUMNS.format(schema=literal(schema)), database).splitlines():
        table, column = line.split("|")
        tables.setdefault(table, []).append(column)
    queries = []
    for table, columns in tables.items():
        place = f"{identifier(schema)}.{identifier(table)}"
        parts = [("rows", "count(*)::text"), ("all columns", _digest("t::text"))]
        parts += [(column, _digest(f"{identifier(column)}::text")) for column in columns]
        queries += [
            f"SELECT {literal(f'{table}: {name}')} || '|' || {value} FROM {place} t"
            for name, value in parts]
    for start in range(0, len(queries), 400):
        rows = cluster.psql(" UNION ALL ".join(queries[start:start + 400]), database)
        found.update(row.rsplit("|", 1) for row in rows.splitlines())
    return found


def _digest(value):
    return f"coalesce(md5(string_agg({value}, chr(10) ORDER BY {value} COLLATE \"C\")), 'none')"


def differences(ours, theirs):
    """What differs, and what was left out since it differs from tenant to tenant under Alembic."""
    varying = {
        name for each in theirs for name in each
        if any(other.get(name) != each[name] for other in theirs)}
    expected = {name: value for name, value in theirs[0].items() if name not in varying}
    found = []
    for each in ours:
        for name in sorted((expected.keys() | each.keys()) - varying):
            if each.get(name) != expected.get(name):
                found.append(f"{name}: {each.get(name)} instead of {expected.get(name)}")
    return list(dict.fromkeys(found)), sorted(varying)
