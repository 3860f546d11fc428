"""meters may be retired; some installations have the column from a hotfix"""
import sqlalchemy as sa
from alembic import op

revision = "c5274b9d6f81"
down_revision = "b4163a8c5e70"
branch_labels = None
depends_on = None


def columns(table):
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}


def upgrade():
    if "retired_on" not in columns("meters"):
        op.add_column("meters", sa.Column("retired_on", sa.Date))
    op.create_index(
        "ix_meters_in_use", "meters", ["region"], postgresql_where=sa.text("retired_on IS NULL"))


def downgrade():
    op.drop_index("ix_meters_in_use", table_name="meters")
    if "retired_on" in columns("meters"):
        op.drop_column("meters", "retired_on")
