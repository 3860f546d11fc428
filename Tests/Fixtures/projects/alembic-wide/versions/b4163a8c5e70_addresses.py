"""addresses of their own: read from the accounts, written row by row"""
import sqlalchemy as sa
from alembic import op

revision = "b4163a8c5e70"
down_revision = "a305297b4d6f"
branch_labels = None
depends_on = None

accounts = sa.table(
    "accounts", sa.column("id", sa.BigInteger), sa.column("address", sa.Text))


def upgrade():
    addresses = op.create_table(
        "addresses",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("account_id", sa.BigInteger, sa.ForeignKey("accounts.id", ondelete="CASCADE")),
        sa.Column("line", sa.SmallInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.UniqueConstraint("account_id", "line", name="uq_addresses_line"),
    )
    connection = op.get_bind()
    for account in connection.execute(sa.select(accounts).order_by(accounts.c.id)):
        for number, line in enumerate(account.address.splitlines(), 1):
            connection.execute(
                addresses.insert().values(account_id=account.id, line=number, text=line))
    op.drop_column("accounts", "address")


def downgrade():
    op.add_column(
        "accounts",
        sa.Column("address", sa.Text, nullable=False, server_default="unknown; ask"))
    op.execute(
        "UPDATE accounts SET address = lines.text FROM (SELECT account_id,"
        " string_agg(text, E'\\n' ORDER BY line) AS text FROM addresses GROUP BY 1) lines"
        " WHERE lines.account_id = accounts.id")
    op.drop_table("addresses")
