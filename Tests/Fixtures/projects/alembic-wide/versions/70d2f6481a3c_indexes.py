"""indexes for searches, built while the application goes on"""
import sqlalchemy as sa
from alembic import op

revision = "70d2f6481a3c"
down_revision = "6fc1e537092b"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("accounts", sa.Column("email", sa.String(200)))
    op.execute("UPDATE accounts SET email = 'account+' || number || '@example.com'")
    with op.get_context().autocommit_block():
        op.create_index(
            "ux_accounts_email", "accounts", [sa.text("lower(email)")], unique=True,
            postgresql_where=sa.text("email IS NOT NULL AND email NOT LIKE '%;%'"),
            postgresql_concurrently=True, if_not_exists=True)
        op.create_index(
            "ix_accounts_names", "accounts", ["family_name", sa.text("given_name DESC NULLS LAST")],
            postgresql_include=["number"], postgresql_with={"fillfactor": 80},
            postgresql_ops={"family_name": "text_pattern_ops"},
            postgresql_concurrently=True, if_not_exists=True)
        op.create_index(
            "ix_changes_after", "changes", ["after"], postgresql_using="gin",
            postgresql_concurrently=True, if_not_exists=True)
    op.execute("COMMENT ON INDEX ux_accounts_email IS 'one account an address'")


def downgrade():
    with op.get_context().autocommit_block():
        for name, table in (("ix_changes_after", "changes"), ("ix_accounts_names", "accounts"),
                            ("ux_accounts_email", "accounts")):
            op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
    op.drop_column("accounts", "email")
