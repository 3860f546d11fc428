-- revision: a1c0ffee0005
-- down_revision: a1c0ffee0004
-- message: invoices

-- upgrade
CREATE TABLE invoices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL UNIQUE REFERENCES orders,
    number text NOT NULL UNIQUE,
    issued_at timestamptz NOT NULL DEFAULT now(),
    paid_at timestamptz
);
CREATE INDEX invoices_unpaid ON invoices (issued_at) WHERE paid_at IS NULL;

ALTER TABLE customers ADD COLUMN vat_number text;

-- downgrade
ALTER TABLE customers DROP COLUMN vat_number;
DROP TABLE invoices;
