r"""first accounts, and a table of texts that are hard to quote

In text given to op.execute a colon before a word begins a parameter, so that it is written \:.
"""
import datetime
import decimal

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2b8da1f3c5e7"
down_revision = "1a7c90e2b4d6"
branch_labels = None
depends_on = None

accounts = sa.table(
    "accounts", sa.column("family_name", sa.String), sa.column("given_name", sa.String),
    sa.column("address", sa.Text), sa.column("discount", sa.Numeric(5, 2)),
    sa.column("since", sa.Date))


def upgrade():
    op.bulk_insert(accounts, [
        {"family_name": "O'Hara", "given_name": "Scarlett", "address": "Tara\n1 Cotton Road",
         "discount": decimal.Decimal("2.50"), "since": datetime.date(2021, 2, 3)},
        {"family_name": "Łęcka", "given_name": "Izabela 👑", "address": "ul. Krucza 7\nWarszawa",
         "discount": decimal.Decimal("0"), "since": datetime.date(2021, 2, 4)},
        {"family_name": "Nil", "given_name": "", "address": "C:\\temp\\%TEMP% $1 $$ ?",
         "discount": decimal.Decimal("50"), "since": datetime.date(2022, 12, 31)},
    ])
    notices = op.create_table(
        "notices",
        sa.Column("code", sa.String(20), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("due", sa.Boolean),
    )
    op.bulk_insert(notices, [
        {"code": "percent", "body": "100% sure, 5%% twice, %s %(name)s", "due": True},
        {"code": "comment", "body": "-- not one; /* nor this */", "due": False},
        {"code": "none", "body": "", "due": None},
    ], multiinsert=False)
    op.execute(
        "INSERT INTO notices (code, body, tags) VALUES"
        r" ('colon', 'open from 09\:30 \:until 18\:00', '{a,\"b c\"}'),"
        " ('escape', E'tab\\there, quote\\'s end', ARRAY['x''y', 'ż']::text[]),"
        " ('dollar', $t$it's; 100% $1 \"raw\"$t$, DEFAULT),"
        " ('unicode', U&'d\\0061t\\+000061 – 日本', DEFAULT)")
    op.execute(notices.update().where(notices.c.code == "none").values(body="it's: \\ %d; $$"))
    op.execute(
        "UPDATE accounts SET address = replace(address, '%', ' %% ')"
        " WHERE address LIKE '%\\%T%'")


def downgrade():
    op.drop_table("notices")
    op.execute("TRUNCATE accounts RESTART IDENTITY")
    op.execute("ALTER SEQUENCE account_numbers RESTART")
