-- revision: a1c0ffee0003
-- down_revision: a1c0ffee0002
-- message: keep the total with the order

-- upgrade
ALTER TABLE orders ADD COLUMN total numeric(12, 2) NOT NULL DEFAULT 0;

CREATE FUNCTION order_items_total() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    changed bigint := coalesce(NEW.order_id, OLD.order_id);
BEGIN
    UPDATE orders
    SET total = (SELECT coalesce(sum(quantity * price), 0) FROM order_items
                 WHERE order_id = changed)
    WHERE id = changed;
    RETURN NULL;
END;
$body$;

CREATE TRIGGER order_items_total AFTER INSERT OR UPDATE OR DELETE ON order_items
    FOR EACH ROW EXECUTE FUNCTION order_items_total();

UPDATE orders
SET total = sums.total
FROM (SELECT order_id, sum(quantity * price) AS total FROM order_items GROUP BY order_id) AS sums
WHERE orders.id = sums.order_id;

-- downgrade
DROP TRIGGER order_items_total ON order_items;
DROP FUNCTION order_items_total();
ALTER TABLE orders DROP COLUMN total;
