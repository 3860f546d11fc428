"""Columns that every table has, and names in the tenant's schema."""
import sqlalchemy as sa
from alembic import op


def key():
    return sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True)


def created_at():
    return sa.Column(
        "created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now())


def tenant_schema():
    """The tenant's schema, or None where a tenant has a database."""
    return op.get_context().version_table_schema


def in_schema(name):
    """A dotted name for a foreign key."""
    schema = tenant_schema()
    return f"{schema}.{name}" if schema else name
