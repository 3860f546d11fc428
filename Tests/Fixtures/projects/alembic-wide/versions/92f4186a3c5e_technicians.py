"""technicians' visits: exclusion, deferrable and late-validated constraints"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "92f4186a3c5e"
down_revision = "81e307592b4d"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "technicians",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("deputy_id", sa.Integer),
        sa.UniqueConstraint("name", name="uq_technicians_name", deferrable=True,
                            initially="IMMEDIATE"),
        sa.ForeignKeyConstraint(
            ["deputy_id"], ["technicians.id"], name="fk_technicians_deputy",
            deferrable=True, initially="DEFERRED"),
    )
    op.create_table(
        "visits",
        sa.Column("meter_id", sa.Integer, nullable=False),
        sa.Column("during", postgresql.DATERANGE, nullable=False),
        sa.Column("floor_plan", postgresql.BYTEA),
        postgresql.ExcludeConstraint(
            ("during", "&&"), using="gist", where=sa.text("floor_plan IS NULL"),
            name="ex_visits_during"),
    )
    op.create_foreign_key(
        "fk_visits_meter", "visits", "meters", ["meter_id"], ["id"], postgresql_not_valid=True)
    op.execute("ALTER TABLE visits ADD CONSTRAINT ck_visits_during"
               " CHECK (NOT isempty(during)) NOT VALID")
    # The deputy comes after whom it stands in for.
    op.execute("INSERT INTO technicians (name, deputy_id) VALUES ('Ada', 2), ('Grace', NULL)")
    op.execute(
        "INSERT INTO visits SELECT id, daterange('2024-01-01'::date + id, '2024-01-02'::date + id),"
        " CASE id WHEN 1 THEN '\\x00ff25'::bytea END FROM meters")
    op.execute("ALTER TABLE visits VALIDATE CONSTRAINT ck_visits_during")


def downgrade():
    op.drop_table("visits")
    op.drop_table("technicians")
