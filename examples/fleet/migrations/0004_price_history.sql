-- revision: a1c0ffee0004
-- down_revision: a1c0ffee0003
-- message: price history, filled from the products

-- upgrade
CREATE TABLE product_prices (
    product_id bigint NOT NULL REFERENCES products ON DELETE CASCADE,
    valid_from timestamptz NOT NULL DEFAULT now(),
    price numeric(12, 2) NOT NULL,
    PRIMARY KEY (product_id, valid_from)
);

INSERT INTO product_prices (product_id, price) SELECT id, price FROM products;

-- downgrade
DROP TABLE product_prices;
