"""reports: views, a materialized view, and who may read them"""
import sqlalchemy as sa
from alembic import op

revision = "5eb0d426f81a"
down_revision = "4dafc315e709"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("""
        CREATE VIEW usage_by_region WITH (security_barrier) AS
        SELECT m.region, extract(year FROM r.read_on)::int AS year, max(r.kwh) AS most
        FROM meters m JOIN readings r ON r.meter_id = m.id  -- by meter; not by account
        GROUP BY 1, 2
    """)
    op.execute(
        "CREATE VIEW cheap AS SELECT number, sort_key FROM accounts"
        " WHERE sort_key LIKE '%o''h%' OR number % 2 = 0 WITH LOCAL CHECK OPTION")
    op.execute(
        "CREATE MATERIALIZED VIEW usage_of_years AS"
        " SELECT year, count(*) AS regions, sum(most) AS most FROM usage_by_region GROUP BY year")
    op.create_index("ux_usage_of_years", "usage_of_years", [sa.text("year DESC")], unique=True)
    op.execute("COMMENT ON MATERIALIZED VIEW usage_of_years IS 'refreshed at night'")
    op.execute("GRANT SELECT ON usage_by_region, usage_of_years TO PUBLIC")
    op.execute("GRANT SELECT (number, kind), UPDATE (discount) ON accounts TO PUBLIC")
    op.execute("REVOKE EXECUTE ON FUNCTION used(integer) FROM PUBLIC")
    op.execute("GRANT USAGE ON SEQUENCE account_numbers TO PUBLIC")


def downgrade():
    op.execute("REVOKE USAGE ON SEQUENCE account_numbers FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION used(integer) TO PUBLIC")
    op.execute("REVOKE ALL (number, kind, discount) ON accounts FROM PUBLIC")
    op.execute("DROP MATERIALIZED VIEW usage_of_years")
    op.execute("DROP VIEW cheap, usage_by_region")
