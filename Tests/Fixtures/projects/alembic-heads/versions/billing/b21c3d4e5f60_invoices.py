"""invoices of appointments, which the core line has to have made"""
import sqlalchemy as sa
from alembic import op

from practice.columns import created_at, key

revision = "b21c3d4e5f60"
down_revision = "a10b2c3d4e5f"
branch_labels = None
depends_on = "4f3d8bafce64"


def upgrade():
    op.create_table(
        "invoices",
        key(),
        sa.Column("appointment_id", sa.BigInteger, nullable=False),
        sa.Column("tariff", sa.String(12), sa.ForeignKey("tariffs.code"), nullable=False),
        sa.Column("status", sa.Enum("open", "paid", "void", name="invoice_status"),
                  nullable=False, server_default="open"),
        created_at(),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.id"], name="fk_invoices_appointment",
            deferrable=True, initially="DEFERRED"),
    )
    op.create_index(
        "ux_invoices_open", "invoices", ["appointment_id"], unique=True,
        postgresql_where=sa.text("status = 'open'"))


def downgrade():
    op.drop_table("invoices")
    op.execute("DROP TYPE invoice_status")
