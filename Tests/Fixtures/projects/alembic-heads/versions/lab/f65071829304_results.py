"""results of samples"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from practice.columns import created_at, in_schema, key, tenant_schema

revision = "f65071829304"
down_revision = "e54f60718293"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "results",
        key(),
        sa.Column("sample_id", sa.BigInteger, sa.ForeignKey(in_schema("samples.id"))),
        sa.Column("findings", postgresql.JSONB, nullable=False, server_default=sa.text("'{}'")),
        created_at(),
        schema=tenant_schema(),
    )
    op.create_index(
        "ix_results_findings", "results", ["findings"], schema=tenant_schema(),
        postgresql_using="gin", postgresql_ops={"findings": "jsonb_path_ops"})
    op.create_check_constraint(
        "ck_results_object", "results", "jsonb_typeof(findings) = 'object'",
        schema=tenant_schema())


def downgrade():
    op.drop_table("results", schema=tenant_schema())
