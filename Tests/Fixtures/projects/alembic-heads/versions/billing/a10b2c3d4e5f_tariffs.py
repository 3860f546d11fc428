"""tariffs: the base of the billing line"""
import sqlalchemy as sa
from alembic import op

revision = "a10b2c3d4e5f"
down_revision = None
branch_labels = ("billing",)
depends_on = None


def upgrade():
    tariffs = op.create_table(
        "tariffs",
        sa.Column("code", sa.String(12), primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("net", sa.Numeric(10, 2), nullable=False),
        sa.Column("vat_percent", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column(
            "gross", sa.Numeric(12, 2),
            sa.Computed("round(net * (100 + vat_percent) / 100, 2)", persisted=True)),
    )
    op.bulk_insert(tariffs, [
        {"code": "CONSULT", "title": "Consultation; up to 20'", "net": 55, "vat_percent": 0},
        {"code": "REPORT", "title": "Report – 1ère page", "net": 30.25, "vat_percent": 23},
    ])


def downgrade():
    op.drop_table("tariffs")
