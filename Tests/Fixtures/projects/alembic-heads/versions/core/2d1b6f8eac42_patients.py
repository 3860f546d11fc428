"""patients, with the enum types of their records"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from practice.columns import created_at, key

revision = "2d1b6f8eac42"
down_revision = "1c0a5e7d9b31"
branch_labels = None
depends_on = None

insurance = postgresql.ENUM("public", "private", "self-pay", name="insurance", create_type=False)


def upgrade():
    op.execute("CREATE TYPE insurance AS ENUM ('public', 'private', 'self-pay')")
    op.create_table(
        "patients",
        key(),
        sa.Column("practice_id", sa.BigInteger, nullable=False),
        sa.Column("family_name", sa.Text, nullable=False),
        sa.Column("given_names", postgresql.ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("born", sa.Date, sa.CheckConstraint("born > '1880-01-01'", name="ck_born")),
        sa.Column("insurance", insurance, nullable=False, server_default="public"),
        created_at(),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name="fk_patients_practice"),
    )
    op.create_index("ix_patients_name", "patients", [sa.text("lower(family_name)"), "born"])
    op.execute(
        "INSERT INTO patients (practice_id, family_name, given_names, born, insurance)"
        " SELECT id, 'O''Neill', ARRAY['Shaquille', 'R. \"Shaq\"'], date '1972-03-06', 'private'"
        " FROM practices")


def downgrade():
    op.drop_table("patients")
    op.execute("DROP TYPE insurance")
