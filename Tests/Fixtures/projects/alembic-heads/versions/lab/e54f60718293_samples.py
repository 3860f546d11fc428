"""samples: the base of the lab line, after patients and the first of billing"""
import sqlalchemy as sa
from alembic import op

from practice.columns import created_at, in_schema, key, tenant_schema

revision = "e54f60718293"
down_revision = None
branch_labels = ("lab",)
depends_on = ("2d1b6f8eac42", "billing")


def upgrade():
    op.create_table(
        "samples",
        key(),
        sa.Column("patient_id", sa.BigInteger, sa.ForeignKey(in_schema("patients.id"))),
        sa.Column("tariff", sa.String(12), sa.ForeignKey(in_schema("tariffs.code"))),
        sa.Column("barcode", sa.CHAR(8), nullable=False, comment="EAN-8, as on the tube"),
        created_at(),
        schema=tenant_schema(),
    )
    op.create_index(
        "ux_samples_barcode", "samples", ["barcode"], unique=True, schema=tenant_schema())


def downgrade():
    op.drop_index("ux_samples_barcode", table_name="samples", schema=tenant_schema())
    op.drop_table("samples", schema=tenant_schema())
