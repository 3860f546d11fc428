"""a key to the portal for every kind of account, made here"""
import datetime
import uuid

import sqlalchemy as sa
from alembic import op

revision = "d6385cae7092"
down_revision = "c5274b9d6f81"
branch_labels = None
depends_on = None


def upgrade():
    keys = op.create_table(
        "portal_keys",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("label", sa.Text, nullable=False, unique=True),
        sa.Column("issued_at", sa.TIMESTAMP(timezone=True), nullable=False),
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    op.bulk_insert(keys, [
        {"id": uuid.uuid4(), "label": label, "issued_at": now}
        for label in ("households", "businesses", "town; 50%")
    ])


def downgrade():
    op.drop_table("portal_keys")
