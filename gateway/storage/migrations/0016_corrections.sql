-- Our own corrections of our own records (法31①の表, 個情法90–97): which entry corrects which, and in
-- what order. Nothing personal: what a correction says stands in its entry's private part.
-- Locks nothing that is in use: the table is new, and log_erase_month is only replaced.

-- `number` counts the corrections of one entry: the later one wins, and of two made at once on the
-- same state one is refused. `permit_id` is absent where nobody else can know the entry.
CREATE TABLE corrections (
    corrected_id text        NOT NULL CHECK (corrected_id ~ '^[0-9a-f]{32}$'),
    number       integer     NOT NULL CHECK (number > 0),
    entry_id     text        NOT NULL UNIQUE CHECK (entry_id ~ '^[0-9a-f]{32}$'),
    permit_id    text        CHECK (permit_id ~ '^[0-9a-f]{32}$'),
    made_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (corrected_id, number)
);
CREATE INDEX corrections_permit ON corrections (permit_id);
GRANT SELECT, INSERT ON corrections TO sekisho_app;

CREATE FUNCTION effect_correction_made(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   corrected_id text, number integer, entry_id text, permit_id text
               )) WITH ORDINALITY AS w(corrected_id, number, entry_id, permit_id, place)
    ), stored AS (
        INSERT INTO corrections (corrected_id, number, entry_id, permit_id)
        SELECT corrected_id, number, entry_id, permit_id FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING corrected_id, number
    )
    SELECT position FROM wanted JOIN stored USING (corrected_id, number)
$$;

-- As in 0012, and our own corrections go with the month they were made in: what they correct is
-- older, so it has gone before.
CREATE OR REPLACE FUNCTION log_erase_month(p_month integer) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '3s' AS $$
DECLARE
    v_partition CONSTANT text := 'log_entries_' || p_month;
    v_begins CONSTANT timestamptz :=
        to_date(p_month::text, 'YYYYMM')::timestamp AT TIME ZONE 'Asia/Tokyo';
    v_ends CONSTANT timestamptz :=
        (to_date(p_month::text, 'YYYYMM') + interval '1 month') AT TIME ZONE 'Asia/Tokyo';
    v_erasure erasures;
    v_ranges jsonb;
BEGIN
    PERFORM pg_advisory_xact_lock(8, 0);
    SELECT * INTO v_erasure FROM erasures WHERE month = p_month FOR UPDATE;
    IF v_erasure.state IN ('erasing', 'erased') THEN
        RETURN v_erasure.ranges;
    END IF;
    IF erasure_due_at(p_month) > now() OR EXISTS (
        SELECT FROM log_entries WHERE month = p_month AND time + interval '7 years' > now()
    ) THEN
        RAISE EXCEPTION 'month % is not due', p_month USING ERRCODE = 'SK010';
    ELSIF erasure_is_held(p_month) THEN
        RAISE EXCEPTION 'month % is under a legal hold', p_month USING ERRCODE = 'SK011';
    ELSIF 2 > (SELECT least(count(DISTINCT a.staff_id), count(DISTINCT a.credential_id))
                 FROM erasure_approvals AS a WHERE a.month = p_month) THEN
        RAISE EXCEPTION 'month % has not two approvals', p_month USING ERRCODE = 'SK012';
    ELSIF EXISTS (
        SELECT FROM log_months AS m
         WHERE m.month < p_month AND to_regclass('public.log_entries_' || m.month) IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'a month before % is still there', p_month USING ERRCODE = 'SK013';
    END IF;
    PERFORM pg_advisory_xact_lock(3, hashtext('log_entries'));
    SELECT jsonb_agg(jsonb_build_object(
               'slot', r.slot, 'origin', r.origin, 'first', r.first_index, 'end', r.ends,
               'size', r.size, 'root', encode(r.root, 'hex')) ORDER BY r.slot)
      INTO v_ranges
      -- Slots without entries of this month too, if all they had is gone: each erasure tells of
      -- the whole log, so that the newest one is ground enough when older ones are erased.
      FROM (SELECT s.slot, s.origin, s.size, s.root, k.ends,
                   coalesce(m.first_index, k.ends) AS first_index
              FROM log_slots AS s
             CROSS JOIN LATERAL (
                   SELECT coalesce(min(n.first_index), s.size) AS ends FROM log_months AS n
                    WHERE n.slot = s.slot AND n.month > p_month) AS k
              LEFT JOIN log_months AS m ON m.slot = s.slot AND m.month = p_month
             WHERE k.ends > 0) AS r;
    INSERT INTO log_minimums (slot, minimum, month)
    SELECT r.slot, r."end", p_month
      FROM jsonb_to_recordset(v_ranges) AS r (slot smallint, "end" bigint)
    ON CONFLICT (slot) DO UPDATE SET minimum = excluded.minimum, month = excluded.month;
    DELETE FROM log_erased_leaves AS l USING log_slots AS s
     WHERE s.slot = l.slot AND l.index < s.size / 256 * 256;
    INSERT INTO log_erased_leaves (slot, index, leaf_hash)
    SELECT e.slot, e.index, e.leaf_hash
      FROM log_entries AS e JOIN log_slots AS s USING (slot)
     WHERE e.month = p_month AND e.index >= s.size / 256 * 256;
    UPDATE log_tiles AS t SET hashes = NULL
      FROM log_minimums AS m
     WHERE m.slot = t.slot AND t.level = 0 AND (t.number + 1) * 256 <= m.minimum
       AND t.hashes IS NOT NULL;
    EXECUTE format('ALTER TABLE public.log_entries DETACH PARTITION public.%I', v_partition);
    EXECUTE format('DROP TABLE public.%I', v_partition);
    -- An answer may be asked for again for 40 days, under the checkpoint it came with first.
    DELETE FROM peer_checkpoints AS c
     WHERE c.received_at < v_begins - interval '40 days'
       AND NOT EXISTS (SELECT FROM peer_slots AS p WHERE p.hash = c.hash);
    DELETE FROM corrections_received WHERE received_at < v_ends;
    DELETE FROM corrections WHERE made_at < v_ends;
    DELETE FROM operation_archives WHERE month = p_month;
    -- The last ones of the month say how far the log was complete when the next one began.
    DELETE FROM cosignatures WHERE cosigned_at < v_ends - interval '2 days';
    UPDATE erasures SET state = 'erasing', ranges = v_ranges WHERE month = p_month;
    RETURN v_ranges;
END $$;
