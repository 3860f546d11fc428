"""a view of what is owed, and a function that says it in words"""
from alembic import op

revision = "c32d4e5f6071"
down_revision = "b21c3d4e5f60"
branch_labels = None
depends_on = None

IN_WORDS = """
CREATE FUNCTION owed_in_words(patient bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    -- A semicolon; and a quote ' in a comment.
    SELECT coalesce(string_agg(format('%s: %s €', tariff, gross), '; ' ORDER BY tariff), 'nothing')
    FROM owed WHERE patient_id = patient;
$$
"""


def upgrade():
    op.execute("""
        CREATE VIEW owed AS
        SELECT a.patient_id, i.tariff, sum(t.gross) AS gross
        FROM invoices i
        JOIN appointments a ON a.id = i.appointment_id
        JOIN tariffs t ON t.code = i.tariff
        WHERE i.status = 'open'
        GROUP BY a.patient_id, i.tariff
    """)
    op.execute(IN_WORDS)
    op.execute("GRANT SELECT ON owed TO PUBLIC")


def downgrade():
    op.execute("DROP FUNCTION owed_in_words(bigint)")
    op.execute("DROP VIEW owed")
