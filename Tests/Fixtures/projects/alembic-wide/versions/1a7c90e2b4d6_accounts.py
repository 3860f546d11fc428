"""accounts: a sequence, an enum, identity and computed columns, comments"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence, DropSequence

revision = "1a7c90e2b4d6"
down_revision = None
branch_labels = None
depends_on = None

account_kind = sa.Enum("household", "business", name="account_kind")
numbers = sa.Sequence("account_numbers", start=70000, increment=10, cache=1)


def upgrade():
    op.execute(CreateSequence(numbers))
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True, start=1, increment=1),
                  primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False,
                  server_default=sa.text("nextval('account_numbers')"), comment="on the bill"),
        sa.Column("kind", account_kind, nullable=False, server_default="household"),
        sa.Column("family_name", sa.String(120), nullable=False),
        sa.Column("given_name", sa.String(120), nullable=False, server_default=""),
        sa.Column("address", sa.Text, nullable=False, server_default="unknown; ask"),
        sa.Column("sort_key", sa.Text, sa.Computed(
            "lower(family_name || ', ' || given_name)", persisted=True)),
        sa.Column("discount", sa.Numeric(5, 2), nullable=False, server_default=sa.text("0.00")),
        sa.Column("since", sa.Date, nullable=False, server_default=sa.text("'2020-01-01'::date")),
        sa.UniqueConstraint("number", name="uq_accounts_number"),
        sa.CheckConstraint("discount BETWEEN 0 AND 50", name="ck_accounts_discount"),
        sa.CheckConstraint("family_name !~ '[%;]'", name="ck_accounts_name"),
        comment="who pays: households' and businesses'",
    )
    op.execute("ALTER SEQUENCE account_numbers OWNED BY accounts.number")


def downgrade():
    op.alter_column("accounts", "number", server_default=None)
    op.execute("ALTER SEQUENCE account_numbers OWNED BY NONE")
    op.execute(DropSequence(numbers))
    op.drop_table("accounts")
    op.execute("DROP TYPE account_kind")
