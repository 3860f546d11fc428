"""payments, collected by reminders: needs the head of the core line"""
import sqlalchemy as sa
from alembic import op

from practice.columns import created_at, key

revision = "d43e5f607182"
down_revision = "c32d4e5f6071"
branch_labels = None
depends_on = "6b5fadcbe086"


def upgrade():
    op.create_table(
        "payments",
        key(),
        sa.Column("invoice_id", sa.BigInteger, sa.ForeignKey("invoices.id"), nullable=False),
        sa.Column("reminder_id", sa.BigInteger, sa.ForeignKey("reminders.id")),
        sa.Column("amount", sa.Numeric(12, 2), sa.CheckConstraint("amount > 0"), nullable=False),
        created_at(),
    )
    op.alter_column("invoices", "status", server_default=sa.text("'void'"))
    op.create_table_comment("payments", "money's arrival; 100% of it")


def downgrade():
    op.alter_column("invoices", "status", server_default="open")
    op.drop_table("payments")
