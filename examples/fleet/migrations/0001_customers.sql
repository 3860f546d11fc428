-- revision: a1c0ffee0001
-- down_revision: none
-- message: customers and products

-- upgrade
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL UNIQUE,
    title text NOT NULL,
    price numeric(12, 2) NOT NULL CHECK (price >= 0)
);
CREATE INDEX products_title ON products (lower(title));

-- Every shop opens with a gift card; the semicolon in its title is part of the text.
INSERT INTO products (sku, title, price) VALUES ('GIFT-50', 'Gift card; valid for a year', 50.00);

-- downgrade
DROP TABLE products;
DROP TABLE customers;
