"""a third kind of account, for the town itself

PostgreSQL takes a new enum value into use only after a commit, and never drops one: the way down
replaces the type.
"""
from alembic import op

revision = "6fc1e537092b"
down_revision = "5eb0d426f81a"
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE account_kind ADD VALUE IF NOT EXISTS 'public' BEFORE 'business'")
        op.execute("ALTER TYPE account_kind ADD VALUE IF NOT EXISTS 'street light'")
    op.execute("ALTER TYPE account_kind RENAME VALUE 'street light' TO 'street-light'")
    op.execute(
        "INSERT INTO accounts (kind, family_name, given_name)"
        " VALUES ('public', 'Town hall', 'No. 1'), ('street-light', 'Main street', '')")


def downgrade():
    op.execute("DELETE FROM accounts WHERE kind IN ('public', 'street-light')")
    op.alter_column("accounts", "kind", server_default=None)
    op.execute("ALTER TYPE account_kind RENAME TO account_kind_before")
    op.execute("CREATE TYPE account_kind AS ENUM ('household', 'business')")
    op.execute(
        "ALTER TABLE accounts ALTER COLUMN kind TYPE account_kind USING kind::text::account_kind")
    op.execute("DROP TYPE account_kind_before")
    op.alter_column("accounts", "kind", server_default="household")
