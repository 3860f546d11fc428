"""rooms: one side of the branch"""
import sqlalchemy as sa
from alembic import op

from practice.columns import key

revision = "3e2c7a9fbd53"
down_revision = "2d1b6f8eac42"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "rooms",
        key(),
        sa.Column("practice_id", sa.BigInteger, sa.ForeignKey("practices.id"), nullable=False),
        sa.Column("door", sa.String(10), nullable=False),
        sa.Column("floor", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
        sa.UniqueConstraint("practice_id", "door", name="uq_rooms_door"),
    )
    op.execute("INSERT INTO rooms (practice_id, door) SELECT id, 'R' || id FROM practices")


def downgrade():
    op.drop_table("rooms")
