"""A registry as fastapi-tenancy makes it, its tenants, and the configuration that points to it."""

import dataclasses
import json

REGISTRY = """
CREATE TABLE tenants (
    id VARCHAR(255) PRIMARY KEY,
    identifier VARCHAR(255) NOT NULL UNIQUE,
    name VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL,
    isolation_strategy VARCHAR(50),
    database_url VARCHAR(1024),
    schema_name VARCHAR(255),
    tenant_metadata TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
);
CREATE INDEX ix_tenants_identifier ON tenants (identifier);
CREATE INDEX ix_tenants_status ON tenants (status);
"""


@dataclasses.dataclass
class Tenant:
    """One registry row."""

    id: str
    identifier: str
    status: str = "active"
    isolation_strategy: str | None = None
    database_url: str | None = None
    schema_name: str | None = None
    metadata: dict | None = None

    @property
    def schema(self):
        """The schema of a schema tenant, as fastapi-tenancy names it."""
        return self.schema_name or "tenant_" + self.identifier.replace("-", "_").replace(".", "_")

    def values(self):
        row = [self.id, self.identifier, self.identifier.title(), self.status]
        row += [self.isolation_strategy, self.database_url, self.schema_name]
        row += [None if self.metadata is None else json.dumps(self.metadata)]
        return "(" + ", ".join(literal(value) for value in row) + ")"


def literal(value):
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


class Fleet:
    """Three databases of a cluster: `control`, `registry` and the shared `app`, each with a prefix.

    A tenant that is added gets its row, and unless `place=False` its schema or database, too.
    """

    def __init__(self, cluster, name, migrations):
        self.cluster = cluster
        self.name = name
        self.migrations = migrations
        self.control, self.registry, self.app = (
            f"{name}_{role}" for role in ("control", "registry", "app"))
        self.tenants = []
        for database in (self.control, self.registry, self.app):
            cluster.create_database(database)
        cluster.psql(REGISTRY, self.registry)

    def add(self, *tenants, place=True):
        """Adds registry rows; places schema tenants in the shared database."""
        self.tenants += tenants
        columns = "id, identifier, name, status, isolation_strategy, database_url, schema_name"
        for start in range(0, len(tenants), 1000):
            rows = ",\n".join(t.values() for t in tenants[start:start + 1000])
            self.cluster.psql(
                f"INSERT INTO tenants ({columns}, tenant_metadata) VALUES\n{rows}", self.registry)
        schemas = [t.schema for t in tenants if t.isolation_strategy in (None, "schema")]
        if place and schemas:
            self.create_schemas(schemas)
        return list(tenants)

    def add_schema_tenants(self, count, prefix="s", **fields):
        return self.add(*[
            Tenant(id=f"{prefix}-{n:06}", identifier=f"{prefix}-{n:06}", **fields)
            for n in range(count)])

    def add_database_tenants(self, count, prefix="d", **fields):
        """Tenants with a database each, named in their rows by a SQLAlchemy URL."""
        names = [f"{self.name}_{prefix}_{n:04}" for n in range(count)]
        self.cluster.psql("".join(f'CREATE DATABASE "{name}";\n' for name in names))
        tenants = []
        for n, database in enumerate(names):
            tenants.append(Tenant(
                id=f"{prefix}-{n:06}", identifier=f"{prefix}-{n:06}",
                isolation_strategy="database",
                database_url=self.cluster.url(database, "postgresql+asyncpg"), **fields))
        return self.add(*tenants)

    def add_rls_tenants(self, count, prefix="r", **fields):
        """Tenants that share the shared database's public schema."""
        return self.add(*[
            Tenant(id=f"{prefix}-{n:06}", identifier=f"{prefix}-{n:06}",
                   isolation_strategy="rls", **fields)
            for n in range(count)])

    def create_schemas(self, schemas):
        # Small transactions: each schema holds a lock until the end of its own.
        for start in range(0, len(schemas), 1000):
            statements = [f"CREATE SCHEMA {identifier(s)};" for s in schemas[start:start + 1000]]
            self.cluster.psql("BEGIN;\n" + "\n".join(statements) + "\nCOMMIT;", self.app)

    def config(self, **overrides):
        """A configuration for `migrationd serve`; sections in `overrides` are merged in."""
        config = {
            "server": {"host": "127.0.0.1", "port": 0},
            "control": {"database_url": self.cluster.url(self.control)},
            "registry": {"source": "table", "database_url": self.cluster.url(self.registry)},
            "tenancy": {"isolation_strategy": "schema",
                        "database_url": self.cluster.url(self.app, "postgresql+asyncpg")},
            "migrations": {"source": "sql", "path": str(self.migrations)},
        }
        for section, values in overrides.items():
            config.setdefault(section, {}).update(values)
        return config

    def version_rows(self, schema, database=None):
        """The tenant's own truth, sorted; `None` when it has no version table."""
        database = database or self.app
        table = f"{identifier(schema)}.alembic_version"
        if self.cluster.psql(f"SELECT to_regclass({literal(table)})", database) == "":
            return None
        rows = self.cluster.psql(f"SELECT version_num FROM {table} ORDER BY 1", database)
        return rows.split("\n") if rows else []
