"""row security, statistics, the oldest readings detached, a function parsed at its creation"""
import sqlalchemy as sa
from alembic import op

revision = "e7496dbf81a3"
down_revision = "d6385cae7092"
branch_labels = None
depends_on = None

HEAVIEST = """
CREATE FUNCTION heaviest(at_least numeric DEFAULT 0) RETURNS SETOF meters
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT m.* FROM meters m WHERE EXISTS (
        SELECT 1 FROM readings r WHERE r.meter_id = m.id AND r.kwh >= at_least);
END
"""


def upgrade():
    op.execute("ALTER TABLE portal_keys ENABLE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY own_key ON portal_keys FOR SELECT TO PUBLIC"
        " USING (label = current_setting('app.label; 100%', true))")
    op.execute("CREATE STATISTICS readings_together (dependencies) ON meter_id, kwh FROM readings")
    op.execute("ALTER TABLE readings DETACH PARTITION readings_2023")
    op.rename_table("readings_2023", "archived_readings")
    op.execute("ALTER TABLE archived_readings SET (autovacuum_enabled = false)")
    op.execute("ALTER TABLE archived_readings ALTER COLUMN kwh SET STATISTICS 500")
    op.execute(HEAVIEST)
    op.alter_column(
        "accounts", "id", server_default=sa.Identity(always=False, increment=5),
        existing_server_default=sa.Identity(always=True, increment=1))


def downgrade():
    op.alter_column(
        "accounts", "id", server_default=sa.Identity(always=True, increment=1),
        existing_server_default=sa.Identity(always=False, increment=5))
    op.execute("DROP FUNCTION heaviest(numeric)")
    op.execute("ALTER TABLE archived_readings ALTER COLUMN kwh SET STATISTICS -1")
    op.execute("ALTER TABLE archived_readings RESET (autovacuum_enabled)")
    op.rename_table("archived_readings", "readings_2023")
    op.execute("ALTER TABLE readings ATTACH PARTITION readings_2023"
               " FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')")
    op.execute("DROP STATISTICS readings_together")
    op.execute("DROP POLICY own_key ON portal_keys")
    op.execute("ALTER TABLE portal_keys DISABLE ROW LEVEL SECURITY")
