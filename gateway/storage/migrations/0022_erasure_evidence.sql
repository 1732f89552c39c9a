-- Evidence of erasures (functions SYM-09): which copies of the key store still had a month's key
-- when it was destroyed, and the entry that says that the last of them is gone.
-- Adds two columns without a default: locks `erasures` for a moment; it has a row a month.

ALTER TABLE erasures
    -- By copy: id, taken_at, until. NULL: erased by a release that did not know them.
    ADD COLUMN copies             jsonb,
    -- The entry `erasure-completed`; the entry `erased` itself where there was no copy.
    ADD COLUMN completed_entry_id text;

CREATE OR REPLACE FUNCTION effect_month_erased(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (month integer, entry_id text, copies jsonb))
               WITH ORDINALITY AS w(month, entry_id, copies, place)
    ), moved AS (
        UPDATE erasures AS e
           SET state = 'erased', entry_id = w.entry_id, copies = w.copies,
               completed_entry_id = CASE WHEN jsonb_array_length(w.copies) = 0 THEN w.entry_id END
          FROM wanted AS w
         WHERE e.month = w.month AND e.state = 'erasing'
        RETURNING e.month
    )
    SELECT position FROM wanted JOIN moved USING (month)
$$;

CREATE FUNCTION effect_erasure_completed(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (month integer, entry_id text))
               WITH ORDINALITY AS w(month, entry_id, place)
    ), moved AS (
        UPDATE erasures AS e SET completed_entry_id = w.entry_id
          FROM wanted AS w
         WHERE e.month = w.month AND e.state = 'erased' AND e.completed_entry_id IS NULL
        RETURNING e.month
    )
    SELECT position FROM wanted JOIN moved USING (month)
$$;
REVOKE EXECUTE ON FUNCTION effect_erasure_completed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION effect_erasure_completed TO sekisho_app;
