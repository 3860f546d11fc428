"""meters stand at sites: batch operations and new names"""
import sqlalchemy as sa
from alembic import op

revision = "81e307592b4d"
down_revision = "70d2f6481a3c"
branch_labels = None
depends_on = None


def upgrade():
    op.rename_table("notices", "messages")
    op.execute("ALTER INDEX notices_pkey RENAME TO messages_pkey")
    op.alter_column("messages", "body", new_column_name="text", comment="what is sent")
    with op.batch_alter_table("meters") as meters:
        meters.alter_column("serial", new_column_name="serial_number", type_=sa.String(40))
        meters.add_column(sa.Column("voltage", sa.SmallInteger, nullable=False,
                                    server_default=sa.text("230")))
        meters.create_check_constraint("ck_meters_voltage", "voltage IN (230, 400)")
        meters.create_unique_constraint("uq_meters_place", ["region", "serial_number"])
        meters.drop_constraint("fk_account", type_="foreignkey")
        meters.create_foreign_key(
            "fk_meters_account", "accounts", ["account_id"], ["id"], onupdate="CASCADE",
            ondelete="SET NULL")
    with op.batch_alter_table("messages", recreate="never") as messages:
        messages.alter_column("due", server_default=sa.false())
        messages.add_column(sa.Column("sent", sa.Integer, sa.Identity(start=100), nullable=False))


def downgrade():
    with op.batch_alter_table("messages") as messages:
        messages.drop_column("sent")
        messages.alter_column("due", server_default=None)
    with op.batch_alter_table("meters") as meters:
        meters.drop_constraint("fk_meters_account", type_="foreignkey")
        meters.create_foreign_key("fk_account", "accounts", ["account_id"], ["id"])
        meters.drop_constraint("uq_meters_place", type_="unique")
        meters.drop_constraint("ck_meters_voltage", type_="check")
        meters.drop_column("voltage")
        meters.alter_column("serial_number", new_column_name="serial", type_=sa.String(20))
    op.alter_column("messages", "text", new_column_name="body", comment=None)
    op.execute("ALTER INDEX messages_pkey RENAME TO notices_pkey")
    op.rename_table("messages", "notices")
