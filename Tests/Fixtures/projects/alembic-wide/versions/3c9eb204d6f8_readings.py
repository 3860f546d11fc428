"""meters and their readings, in partitions"""
import sqlalchemy as sa
from alembic import op

revision = "3c9eb204d6f8"
down_revision = "2b8da1f3c5e7"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "meters",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account_id", sa.BigInteger, sa.ForeignKey("accounts.id", name="fk_account")),
        sa.Column("region", sa.CHAR(2), nullable=False),
        sa.Column("serial", sa.String(20), nullable=False, unique=True),
    )
    op.create_table(
        "readings",
        sa.Column("meter_id", sa.Integer, nullable=False),
        sa.Column("read_on", sa.Date, nullable=False),
        sa.Column("kwh", sa.Numeric(12, 3), nullable=False),
        sa.PrimaryKeyConstraint("meter_id", "read_on", name="pk_readings"),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.id"], name="fk_readings_meter"),
        postgresql_partition_by="RANGE (read_on)",
    )
    for year in (2023, 2024):
        op.execute(
            f"CREATE TABLE readings_{year} PARTITION OF readings"
            f" FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')")
    op.execute("CREATE TABLE readings_rest PARTITION OF readings DEFAULT")
    op.create_index("ix_readings_read_on", "readings", [sa.text("read_on DESC"), "kwh"])
    op.execute(
        "CREATE TABLE outages (region char(2), began timestamptz) PARTITION BY LIST (region)")
    op.execute("CREATE TABLE outages_north PARTITION OF outages FOR VALUES IN ('NO', 'NE')")
    op.execute("CREATE TABLE outages_rest PARTITION OF outages DEFAULT")
    op.execute("INSERT INTO outages VALUES ('NO', '2024-02-29 12:00+00'), ('SU', '2024-03-01Z')")
    op.execute(
        "INSERT INTO meters (account_id, region, serial)"
        " SELECT id, CASE id % 2 WHEN 0 THEN 'NO' ELSE 'SU' END, 'M-' || id FROM accounts")
    op.execute(
        "INSERT INTO readings SELECT m.id, day::date, m.id * 10 + extract(doy FROM day) / 8"
        " FROM meters m, generate_series(date '2022-12-01', '2024-12-01', '4 months') day")


def downgrade():
    op.drop_table("outages")
    op.drop_table("readings")
    op.drop_table("meters")
