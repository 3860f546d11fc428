"""better types: changed with USING, defaults that go and come, a domain"""
import sqlalchemy as sa
from alembic import op

revision = "a305297b4d6f"
down_revision = "92f4186a3c5e"
branch_labels = None
depends_on = None

# A column that a trigger names cannot change its type.
NOTE_ACCOUNTS = """
CREATE TRIGGER note_accounts AFTER INSERT OR UPDATE OF discount OR DELETE ON accounts
FOR EACH ROW EXECUTE FUNCTION note_change()
"""


def upgrade():
    op.execute("CREATE DOMAIN percentage AS numeric(5, 2) DEFAULT 0"
               " CHECK (VALUE BETWEEN 0 AND 100)")
    op.alter_column("accounts", "discount", server_default=None)
    op.execute("DROP TRIGGER note_accounts ON accounts")
    op.execute("ALTER TABLE accounts ALTER discount TYPE percentage USING round(discount, 1)")
    op.execute(NOTE_ACCOUNTS)
    op.alter_column(
        "accounts", "since", existing_type=sa.Date, type_=sa.TIMESTAMP(timezone=True),
        server_default=sa.text("'2020-06-01 00:00:00+00'"),
        postgresql_using="since::timestamp AT TIME ZONE 'UTC'")
    op.alter_column(
        "messages", "tags", existing_type=sa.ARRAY(sa.Text), server_default=None,
        type_=sa.Text, postgresql_using="array_to_string(tags, '; ')")
    op.alter_column("messages", "tags", server_default="it's; 100%", nullable=True)
    op.alter_column("messages", "due", server_default=None)
    op.alter_column("messages", "due", type_=sa.SmallInteger,
                    postgresql_using="CASE WHEN due THEN 1 WHEN NOT due THEN 0 END")
    op.alter_column("messages", "due", server_default=sa.text("(-1)"))


def downgrade():
    op.alter_column("messages", "due", server_default=None)
    op.alter_column("messages", "due", type_=sa.Boolean, postgresql_using="due <> 0")
    op.alter_column("messages", "due", server_default=sa.false())
    op.alter_column("messages", "tags", server_default=None)
    op.alter_column(
        "messages", "tags", existing_type=sa.Text, type_=sa.ARRAY(sa.Text), nullable=False,
        postgresql_using="string_to_array(tags, '; ')")
    op.alter_column("messages", "tags", server_default="{}")
    op.alter_column(
        "accounts", "since", existing_type=sa.TIMESTAMP(timezone=True), type_=sa.Date,
        server_default=sa.text("'2020-01-01'::date"), postgresql_using="since::date")
    op.execute("DROP TRIGGER note_accounts ON accounts")
    op.alter_column("accounts", "discount", type_=sa.Numeric(5, 2))
    op.execute(NOTE_ACCOUNTS)
    op.alter_column("accounts", "discount", server_default=sa.text("0.00"))
    op.execute("DROP DOMAIN percentage")
