"""reminders, with a first one for every appointment: reads through a Session"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session

from practice.columns import key

revision = "6b5fadcbe086"
down_revision = "5a4e9cbadf75"
branch_labels = None
depends_on = None

appointments = sa.table(
    "appointments", sa.column("id", sa.BigInteger), sa.column("cancelled", sa.Boolean))


def upgrade():
    reminders = op.create_table(
        "reminders",
        key(),
        sa.Column("appointment_id", sa.BigInteger, sa.ForeignKey("appointments.id"), unique=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    with Session(op.get_bind()) as session:
        open_ones = sa.select(appointments.c.id).where(sa.not_(appointments.c.cancelled))
        for number in session.scalars(open_ones.order_by(appointments.c.id)).all():
            text = f"Appointment no. {number}: see you at 100% of our time"
            session.execute(reminders.insert().values(appointment_id=number, text=text))
        session.flush()


def downgrade():
    op.drop_table("reminders")
