"""devices: a branch of its own, beside the results"""
import sqlalchemy as sa
from alembic import op

from practice.columns import tenant_schema

revision = "07618293a4b5"
down_revision = "e54f60718293"
branch_labels = ("devices",)
depends_on = None


def upgrade():
    devices = op.create_table(
        "devices",
        sa.Column("serial", sa.String(30), primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        schema=tenant_schema(),
    )
    op.bulk_insert(devices, [{"serial": "C-3000/7", "model": "Centrifuge \"3000\"; 50 Hz"}])
    op.add_column("samples", sa.Column("device", sa.String(30)), schema=tenant_schema())
    op.create_foreign_key(
        "fk_samples_device", "samples", "devices", ["device"], ["serial"],
        source_schema=tenant_schema(), referent_schema=tenant_schema())


def downgrade():
    op.drop_column("samples", "device", schema=tenant_schema())
    op.drop_table("devices", schema=tenant_schema())
