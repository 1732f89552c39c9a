-- Terms of everything that is kept (DESIGN §2.10): when each term was last seen to.
-- What is kept for how long stands in gateway/jobs/terms.py, each table of the schema in one row.
-- Locks nothing for longer than a GRANT does.

CREATE TABLE retention_runs (
    term     text        PRIMARY KEY CHECK (term ~ '^[a-z][a-z-]{0,47}$'),
    begun_at timestamptz NOT NULL DEFAULT now(),
    done_at  timestamptz,
    problem  text
);
GRANT SELECT, INSERT, UPDATE ON retention_runs TO sekisho_app;

-- The plan tells which days are due; which those are is still the schema's to say.
GRANT SELECT ON day_tables TO sekisho_app;
-- A switch that was lifted or has ended is gone seven years later.
GRANT DELETE ON stop_switches TO sekisho_app;

-- Months of the record log end (PROTOCOL §5, Erasure): seven years from the last entry, no legal
-- hold, two people. The running role proposes and approves; everything is checked here again, by
-- the owner, whatever the caller says. Advisory lock 8: legal holds and erasures wait for each other.

CREATE TABLE legal_holds (
    legal_hold_id text        PRIMARY KEY CHECK (legal_hold_id ~ '^[0-9a-f]{32}$'),
    first_month   integer     NOT NULL CHECK (first_month BETWEEN 200001 AND 999912),
    last_month    integer     NOT NULL,
    ground        text        NOT NULL,
    set_by        text        NOT NULL,
    set_at        timestamptz NOT NULL DEFAULT now(),
    lifted_by     text,
    lifted_at     timestamptz,
    CHECK (first_month <= last_month),
    CHECK ((lifted_by IS NULL) = (lifted_at IS NULL))
);
GRANT SELECT ON legal_holds TO sekisho_app;

-- `erasing`: the entries are gone, the key may not be; `erased`: the entry that says so is there.
CREATE TABLE erasures (
    month       integer     PRIMARY KEY CHECK (month BETWEEN 200001 AND 999912),
    state       text        NOT NULL DEFAULT 'proposed'
                            CHECK (state IN ('proposed', 'erasing', 'erased')),
    proposed_at timestamptz NOT NULL DEFAULT now(),
    -- By slot: origin, first index, end, and size and root as they then stood.
    ranges      jsonb,
    entry_id    text,
    CHECK ((state = 'proposed') = (ranges IS NULL)),
    CHECK ((state = 'erased') = (entry_id IS NOT NULL))
);
GRANT SELECT ON erasures TO sekisho_app;

-- Two pairs of eyes are two people with two credentials.
CREATE TABLE erasure_approvals (
    month         integer     NOT NULL REFERENCES erasures,
    staff_id      text        NOT NULL,
    credential_id text        NOT NULL,
    entry_id      text        NOT NULL,
    approved_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (month, staff_id),
    UNIQUE (month, credential_id)
);
GRANT SELECT ON erasure_approvals TO sekisho_app;

-- What is below a slot's minimum index is erased (tlog-tiles, Pruning).
CREATE TABLE log_minimums (
    slot    smallint PRIMARY KEY REFERENCES log_slots,
    minimum bigint   NOT NULL CHECK (minimum > 0),
    month   integer  NOT NULL
);
GRANT SELECT ON log_minimums TO sekisho_app;

-- Hashes of erased entries that no full tile holds yet: the right edge of the tree needs them.
CREATE TABLE log_erased_leaves (
    slot      smallint NOT NULL REFERENCES log_slots,
    index     bigint   NOT NULL,
    leaf_hash bytea    NOT NULL CHECK (octet_length(leaf_hash) = 32),
    PRIMARY KEY (slot, index)
);
GRANT SELECT ON log_erased_leaves TO sekisho_app;

CREATE FUNCTION erasure_due_at(p_month integer) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT (to_date(p_month::text, 'YYYYMM') + interval '7 years 1 month')
           AT TIME ZONE 'Asia/Tokyo'
$$;

CREATE FUNCTION erasure_is_held(p_month integer) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM legal_holds AS h
                    WHERE p_month BETWEEN h.first_month AND h.last_month AND h.lifted_at IS NULL)
$$;

CREATE FUNCTION erasure_may_decide(p_staff text, p_credential text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM staff AS s JOIN staff_credentials AS c USING (staff_id)
         WHERE s.staff_id = p_staff AND c.credential_id = p_credential
           AND c.retired_at IS NULL AND NOT s.is_disabled
           AND s.roles && ARRAY['auditor', 'security-officer'])
$$;

-- Why one person may not agree to the end of a month now; NULL if they may.
CREATE FUNCTION erasure_refusal(p_month integer, p_staff text, p_credential text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM log_months AS m WHERE m.month = p_month)
            THEN 'no-such-month'
        WHEN EXISTS (SELECT FROM erasures AS e WHERE e.month = p_month AND e.state <> 'proposed')
            THEN 'erased-already'
        WHEN erasure_due_at(p_month) > now() THEN 'not-due'
        WHEN erasure_is_held(p_month) THEN 'legal-hold'
        WHEN NOT erasure_may_decide(p_staff, p_credential) THEN 'may-not-decide'
        WHEN EXISTS (SELECT FROM erasure_approvals AS a
                      WHERE a.month = p_month
                        AND (a.staff_id = p_staff OR a.credential_id = p_credential))
            THEN 'same-approver'
    END
$$;

CREATE FUNCTION effect_erasure_approved(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_row record;
BEGIN
    PERFORM pg_advisory_xact_lock(8, 0);
    FOR v_row IN
        SELECT (w.place - 1)::integer AS position, w.*
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   month integer, staff_id text, credential_id text, entry_id text
               )) WITH ORDINALITY AS w(month, staff_id, credential_id, entry_id, place)
    LOOP
        CONTINUE WHEN erasure_refusal(v_row.month, v_row.staff_id, v_row.credential_id)
            IS NOT NULL;
        INSERT INTO erasures (month) VALUES (v_row.month) ON CONFLICT DO NOTHING;
        INSERT INTO erasure_approvals (month, staff_id, credential_id, entry_id)
        VALUES (v_row.month, v_row.staff_id, v_row.credential_id, v_row.entry_id);
        RETURN NEXT v_row.position;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION effect_erasure_approved FROM PUBLIC;
GRANT EXECUTE ON FUNCTION effect_erasure_approved TO sekisho_app;

-- A hold voids what was approved before it: when it is lifted, people look again.
CREATE FUNCTION effect_legal_hold_set(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_row record;
BEGIN
    PERFORM pg_advisory_xact_lock(8, 0);
    FOR v_row IN
        SELECT (w.place - 1)::integer AS position, w.*
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   legal_hold_id text, first_month integer, last_month integer, ground text,
                   set_by text
               )) WITH ORDINALITY
               AS w(legal_hold_id, first_month, last_month, ground, set_by, place)
    LOOP
        INSERT INTO legal_holds (legal_hold_id, first_month, last_month, ground, set_by)
        VALUES (v_row.legal_hold_id, v_row.first_month, v_row.last_month, v_row.ground,
                v_row.set_by)
        ON CONFLICT DO NOTHING;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM erasure_approvals AS a USING erasures AS e
         WHERE e.month = a.month AND e.state = 'proposed'
           AND a.month BETWEEN v_row.first_month AND v_row.last_month;
        RETURN NEXT v_row.position;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION effect_legal_hold_set FROM PUBLIC;
GRANT EXECUTE ON FUNCTION effect_legal_hold_set TO sekisho_app;

CREATE FUNCTION effect_legal_hold_lifted(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (legal_hold_id text, lifted_by text))
               WITH ORDINALITY AS w(legal_hold_id, lifted_by, place)
    ), moved AS (
        UPDATE legal_holds AS h SET lifted_at = now(), lifted_by = w.lifted_by
          FROM wanted AS w
         WHERE h.legal_hold_id = w.legal_hold_id AND h.lifted_at IS NULL
        RETURNING h.legal_hold_id
    )
    SELECT position FROM wanted JOIN moved USING (legal_hold_id)
$$;
REVOKE EXECUTE ON FUNCTION effect_legal_hold_lifted FROM PUBLIC;
GRANT EXECUTE ON FUNCTION effect_legal_hold_lifted TO sekisho_app;

-- Ends the entries of a month: partition, hashes, peers' checkpoints, corrections. Raises SK010 if
-- it is not due, SK011 under a legal hold, SK012 without two people, SK013 out of turn. Done once;
-- asked again it does nothing, so that whoever was killed behind it can go on.
CREATE FUNCTION log_erase_month(p_month integer) RETURNS jsonb
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
    DELETE FROM operation_archives WHERE month = p_month;
    -- The last ones of the month say how far the log was complete when the next one began.
    DELETE FROM cosignatures WHERE cosigned_at < v_ends - interval '2 days';
    UPDATE erasures SET state = 'erasing', ranges = v_ranges WHERE month = p_month;
    RETURN v_ranges;
END $$;
REVOKE EXECUTE ON FUNCTION log_erase_month FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_erase_month TO sekisho_app;

CREATE FUNCTION effect_month_erased(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (month integer, entry_id text))
               WITH ORDINALITY AS w(month, entry_id, place)
    ), moved AS (
        UPDATE erasures AS e SET state = 'erased', entry_id = w.entry_id
          FROM wanted AS w
         WHERE e.month = w.month AND e.state = 'erasing'
        RETURNING e.month
    )
    SELECT position FROM wanted JOIN moved USING (month)
$$;
REVOKE EXECUTE ON FUNCTION effect_month_erased FROM PUBLIC;
GRANT EXECUTE ON FUNCTION effect_month_erased TO sekisho_app;
