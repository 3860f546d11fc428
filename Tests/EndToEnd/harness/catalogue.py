"""What stands in schemas: facts out of pg_catalog, with the schema's own name left out."""

from .fleet import literal

# A line a fact. The order of columns counts, the gaps that dropped columns leave do not.
_FACTS = """
WITH place AS (
    SELECT oid, nspname AS schema FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' AND {where}
), fact AS (
    SELECT schema, concat_ws(' ', 'relation', relkind, relname, relpersistence) AS line
    FROM pg_class JOIN place ON relnamespace = place.oid
    UNION ALL
    SELECT schema, concat_ws(' ', 'column', relname, row_number() OVER (
        PARTITION BY attrelid ORDER BY attnum), attname, format_type(atttypid, atttypmod),
        attnotnull, attidentity, attgenerated, pg_get_expr(adbin, adrelid))
    FROM pg_class JOIN place ON relnamespace = place.oid
    JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relkind IN ('r', 'v', 'm', 'p')
    UNION ALL
    SELECT schema, concat_ws(' ', 'constraint', conrelid::regclass, conname, convalidated,
        pg_get_constraintdef(pg_constraint.oid))
    FROM pg_constraint JOIN place ON connamespace = place.oid
    UNION ALL
    SELECT schema, concat_ws(' ', 'index', indisvalid, pg_get_indexdef(indexrelid))
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    JOIN place ON relnamespace = place.oid
    UNION ALL
    SELECT schema, 'function ' || pg_get_functiondef(pg_proc.oid)
    FROM pg_proc JOIN place ON pronamespace = place.oid WHERE prokind IN ('f', 'p')
        AND NOT EXISTS (  -- An extension stands in one schema of its database, for all tenants.
            SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid
                AND deptype = 'e')
    UNION ALL
    SELECT schema, concat_ws(' ', 'trigger', tgname, tgenabled, pg_get_triggerdef(pg_trigger.oid))
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    JOIN place ON relnamespace = place.oid WHERE NOT tgisinternal
    UNION ALL
    SELECT schema, concat_ws(' ', 'type', typtype, typname)
    FROM pg_type JOIN place ON typnamespace = place.oid WHERE typtype IN ('d', 'e')
    UNION ALL
    SELECT schema, 'schema' FROM place
), plain AS (
    SELECT schema, replace(replace(
        line, quote_ident(schema) || '.', ''), quote_literal(schema), 'its own') AS line
    FROM fact
)
"""


def digests(cluster, database, like="tenant%"):
    """A digest of each schema whose name is like that."""
    rows = cluster.psql(
        _FACTS.format(where=f"nspname LIKE {literal(like)}")
        + "SELECT schema || '=' || md5(string_agg(line, E'\\n' ORDER BY line COLLATE \"C\"))"
        + " FROM plain GROUP BY schema ORDER BY 1", database)
    return dict(row.rsplit("=", 1) for row in rows.split("\n") if row)


def facts(cluster, database, schema):
    """All that stands in one schema, as text."""
    where = f"nspname = {literal(schema)}"
    return cluster.psql(
        _FACTS.format(where=where) + 'SELECT line FROM plain ORDER BY line COLLATE "C"', database)


_ROWS = """
SELECT string_agg(format('SELECT %L || count(*) FROM %I.%I', nspname || '.' || relname || ' ',
                         nspname, relname), ' UNION ALL ')
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
"""


def snapshot(cluster, *databases):
    """Everything that stands in some databases, with the number of rows of each table."""
    seen = {}
    for database in databases:
        tables = cluster.psql(_ROWS, database)
        rows = cluster.psql(f"{tables} ORDER BY 1", database) if tables else ""
        seen[database] = (digests(cluster, database, "%"), rows)
    seen["databases"] = cluster.psql("SELECT datname FROM pg_database ORDER BY 1")
    seen["roles"] = cluster.psql("SELECT rolname FROM pg_roles ORDER BY 1")
    return seen
