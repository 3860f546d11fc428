"""an audit trail: functions, a procedure, triggers"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "4dafc315e709"
down_revision = "3c9eb204d6f8"
branch_labels = None
depends_on = None

NOTE_CHANGE = r"""
CREATE FUNCTION note_change() RETURNS trigger
LANGUAGE plpgsql AS $function$
DECLARE
    -- It's only a comment; but it has a quote, and a $$.
    before jsonb \:= CASE TG_OP WHEN 'INSERT' THEN NULL ELSE to_jsonb(OLD) END;
    after jsonb \:= CASE TG_OP WHEN 'DELETE' THEN NULL ELSE to_jsonb(NEW) END;
BEGIN
    IF before IS DISTINCT FROM after THEN
        EXECUTE format($q$INSERT INTO %I.changes (relation, action, before, after)
            VALUES ('%s;', $1, $2, $3)$q$, TG_TABLE_SCHEMA, TG_TABLE_NAME)
        USING TG_OP, before, after;
    END IF;
    RETURN NULL;
END;
$function$
"""

USED = """
CREATE OR REPLACE FUNCTION used(meter integer, OUT first date, OUT kwh numeric)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT min(read_on), max(r.kwh) - min(r.kwh) FROM readings r WHERE meter_id = meter; $$
"""

FORGET = """
CREATE PROCEDURE forget_changes(older_than interval DEFAULT '10 years')
LANGUAGE plpgsql
AS '
BEGIN
    DELETE FROM changes WHERE noted_at < now() - older_than;
    RAISE NOTICE ''forgot %; 100%% done'', older_than;
END;
'
"""


def upgrade():
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("relation", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("before", postgresql.JSONB),
        sa.Column("after", postgresql.JSONB),
        sa.Column("noted_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now()),
    )
    for text in (NOTE_CHANGE, USED, FORGET):
        op.execute(text)
    op.execute(
        "CREATE TRIGGER note_accounts AFTER INSERT OR UPDATE OF discount OR DELETE ON accounts"
        " FOR EACH ROW EXECUTE FUNCTION note_change()")
    op.execute(
        "CREATE TRIGGER note_meters AFTER UPDATE ON meters FOR EACH ROW"
        " WHEN (OLD.account_id IS DISTINCT FROM NEW.account_id) EXECUTE FUNCTION note_change()")
    op.execute("UPDATE accounts SET discount = discount + 1 WHERE discount < 50")
    op.execute("COMMENT ON FUNCTION used(integer) IS 'the meter''s own; 100% of it'")


def downgrade():
    op.execute("DROP TRIGGER note_meters ON meters")
    op.execute("DROP TRIGGER note_accounts ON accounts")
    op.execute("UPDATE accounts SET discount = discount - 1 WHERE discount < 50")
    op.execute("DROP PROCEDURE forget_changes(interval)")
    op.execute("DROP FUNCTION used(integer)")
    op.execute("DROP FUNCTION note_change()")
    op.drop_table("changes")
