"""appointments: the other side of the branch"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from practice.columns import created_at, key

revision = "4f3d8bafce64"
down_revision = "2d1b6f8eac42"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "appointments",
        key(),
        sa.Column("patient_id", sa.BigInteger, nullable=False),
        sa.Column("during", postgresql.TSTZRANGE, nullable=False),
        sa.Column("cancelled", sa.Boolean, nullable=False, server_default=sa.false()),
        created_at(),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name="fk_appointments_patient", ondelete="CASCADE"),
        postgresql.ExcludeConstraint(
            ("during", "&&"), where=sa.text("NOT cancelled"), name="ex_appointments_during"),
    )
    op.execute(
        "INSERT INTO appointments (patient_id, during) SELECT id, tstzrange("
        "timestamptz '2024-05-06 09:00+00' + id * interval '1 hour',"
        " timestamptz '2024-05-06 09:30+00' + id * interval '1 hour') FROM patients")


def downgrade():
    op.drop_table("appointments")
