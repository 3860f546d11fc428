"""merge: an appointment takes place in a room"""
import sqlalchemy as sa
from alembic import op

revision = "5a4e9cbadf75"
down_revision = ("3e2c7a9fbd53", "4f3d8bafce64")
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("appointments") as appointments:
        appointments.add_column(sa.Column("room_id", sa.BigInteger))
        appointments.create_foreign_key("fk_appointments_room", "rooms", ["room_id"], ["id"])
        appointments.create_index("ix_appointments_room", ["room_id"])
    op.execute(
        "UPDATE appointments SET room_id = (SELECT r.id FROM rooms r"
        " JOIN patients p ON p.practice_id = r.practice_id"
        " WHERE p.id = appointments.patient_id)")


def downgrade():
    with op.batch_alter_table("appointments") as appointments:
        appointments.drop_index("ix_appointments_room")
        appointments.drop_constraint("fk_appointments_room", type_="foreignkey")
        appointments.drop_column("room_id")
