-- Operation records: three months are searched at once, older months lie in signed archives
-- (functions SYM-07; domain: logins, searches that identify a person, what was done after them).
-- Locks nothing that is in use: everything here is new. The index that a search uses stands beside
-- the table of entries (0001, log_entries_operations).

-- Archives that were made: how many rows, and the SHA-256 of the sealed file. Erased with the month
-- (0012, log_erase_month).
CREATE TABLE operation_archives (
    month       integer     PRIMARY KEY CHECK (month BETWEEN 200001 AND 999912),
    entry_id    text        NOT NULL,
    row_count   bigint      NOT NULL CHECK (row_count >= 0),
    digest      text        NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    archived_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON operation_archives TO sekisho_app;

-- A month leaves the window when three whole months have passed since its end.
CREATE FUNCTION operations_leave_at(p_month integer) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT (to_date(p_month::text, 'YYYYMM') + interval '4 months') AT TIME ZONE 'Asia/Tokyo'
$$;

CREATE FUNCTION effect_operations_archived(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   month integer, entry_id text, row_count bigint, digest text
               )) WITH ORDINALITY AS w(month, entry_id, row_count, digest, place)
         WHERE operations_leave_at(w.month) <= now()
           AND to_regclass('public.log_entries_' || w.month) IS NOT NULL
    ), kept AS (
        INSERT INTO operation_archives (month, entry_id, row_count, digest)
        SELECT month, entry_id, row_count, digest FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING month
    )
    SELECT position FROM wanted JOIN kept USING (month)
$$;
REVOKE EXECUTE ON FUNCTION effect_operations_archived FROM PUBLIC;
GRANT EXECUTE ON FUNCTION effect_operations_archived TO sekisho_app;
