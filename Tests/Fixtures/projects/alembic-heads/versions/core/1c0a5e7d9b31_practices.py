"""practices: the base of the core line"""
import sqlalchemy as sa
from alembic import op

from practice.columns import created_at, key

revision = "1c0a5e7d9b31"
down_revision = None
branch_labels = ("core",)
depends_on = None


def upgrade():
    practices = op.create_table(
        "practices",
        key(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("time_zone", sa.String(40), nullable=False, server_default="Europe/Lisbon"),
        created_at(),
        comment="one row a site",
    )
    op.bulk_insert(practices, [{"name": "Main street"}, {"name": "St. Mary's – annex"}])


def downgrade():
    op.drop_table("practices")
