-- The record log (PROTOCOL §5): slots, entries by month, tiles, the gate, peers' checkpoints,
-- and the functions by which a batch is written.
--
-- Pre-deployment. Locks nothing that exists: everything here is new.
--
-- The running role `sekisho_app` owns nothing. It may INSERT and SELECT; UPDATE only on slot
-- rows, the gate and the largest checkpoints of peers.

GRANT USAGE ON SCHEMA public TO sekisho_app;

-- One row a writer slot, for the life of the organisation. The row is the fence: it moves by
-- compare-and-set on (slot, epoch, size) and by nothing else.
CREATE TABLE log_slots (
    slot smallint PRIMARY KEY CHECK (slot >= 0),
    origin text NOT NULL UNIQUE,
    epoch bigint NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    -- The complete subtrees of this size, largest first.
    frontier bytea NOT NULL DEFAULT '' CHECK (octet_length(frontier) % 32 = 0),
    last_time timestamptz NOT NULL DEFAULT '-infinity',
    is_frozen boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON log_slots TO sekisho_app;

-- A frozen slot whose database was behind what had been released from it, or said something else
-- (PROTOCOL §5, *Unknown results*). `entry_id` is the `log-loss` entry in another slot.
CREATE TABLE log_losses (
    slot smallint PRIMARY KEY REFERENCES log_slots,
    found_at timestamptz NOT NULL DEFAULT now(),
    size bigint NOT NULL,
    root bytea NOT NULL,
    known_size bigint NOT NULL,
    known_root bytea NOT NULL,
    known_from text NOT NULL,
    is_prefix boolean NOT NULL,
    copies jsonb NOT NULL,
    entry_id uuid
);
GRANT SELECT, INSERT, UPDATE ON log_losses TO sekisho_app;

-- Months are index ranges: each begins where the one before it ends.
CREATE TABLE log_months (
    slot smallint NOT NULL REFERENCES log_slots,
    month integer NOT NULL CHECK (month BETWEEN 200001 AND 999912),
    first_index bigint NOT NULL CHECK (first_index >= 0),
    PRIMARY KEY (slot, month)
);
GRANT SELECT, INSERT ON log_months TO sekisho_app;

-- `leaf` is the public part, `private` the private part under the month's key. The HMAC
-- columns (subject, staff, system) are under keys derived from the month's key.
CREATE TABLE log_entries (
    month integer NOT NULL,
    slot smallint NOT NULL,
    index bigint NOT NULL CHECK (index >= 0),
    entry_id uuid NOT NULL,
    time timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9-]{0,47}$'),
    leaf bytea NOT NULL CHECK (octet_length(leaf) <= 65535),
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
    private bytea NOT NULL,
    outcome text,
    counterparty text,
    procedure text,
    information text,
    permit_id uuid,
    subject bytea,
    staff bytea,
    system bytea,
    PRIMARY KEY (slot, index, month)
) PARTITION BY LIST (month);
-- Ciphertext does not shrink, and trying costs more than the bytes that leaves would save.
ALTER TABLE log_entries ALTER COLUMN leaf SET STORAGE EXTERNAL,
                        ALTER COLUMN private SET STORAGE EXTERNAL;
GRANT SELECT, INSERT ON log_entries TO sekisho_app;

-- Looked up without its month an id costs one probe a partition: 84 of them, well under 1 ms.
CREATE UNIQUE INDEX log_entries_entry_id ON log_entries (entry_id, month);
CREATE INDEX log_entries_permit_id ON log_entries (permit_id) WHERE permit_id IS NOT NULL;
CREATE INDEX log_entries_time ON log_entries (time, slot, index);
CREATE INDEX log_entries_subject ON log_entries (subject, time, slot, index)
    WHERE subject IS NOT NULL;
CREATE INDEX log_entries_staff ON log_entries (staff, time, slot, index) WHERE staff IS NOT NULL;
CREATE INDEX log_entries_system ON log_entries (system, time, slot, index)
    WHERE system IS NOT NULL;
-- Who was given a statement of a slot: asked by peers who were not, so it must not be a scan.
CREATE INDEX log_entries_holders ON log_entries (counterparty, slot)
    WHERE kind IN ('inquiry', 'permit', 'provision', 'delivery', 'receipt', 'refusal',
                   'correction');
-- What belongs to no exchange: a search of what people and clients did reads no exchange. The kinds
-- left out are those of OF_NO_EXCHANGE in gateway/storage/records.py, word for word.
CREATE INDEX log_entries_operations ON log_entries (time, slot, index)
    WHERE kind NOT IN ('inquiry', 'permit', 'refusal', 'provision', 'delivery', 'receipt',
                       'outcome', 'notified', 'lapsed', 'delivery-stopped', 'correction',
                       'directory-changed', 'opened', 'inquiry-withdrawn', 'inquiry-lapsed',
                       'result-acknowledged', 'result-lapsed');

-- Full tiles only. The root stays when the hashes of an erased month go (tlog-tiles, Pruning).
CREATE TABLE log_tiles (
    slot smallint NOT NULL REFERENCES log_slots,
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    number bigint NOT NULL CHECK (number >= 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    hashes bytea CHECK (octet_length(hashes) = 8192),
    PRIMARY KEY (slot, level, number)
);
ALTER TABLE log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
GRANT SELECT, INSERT ON log_tiles TO sekisho_app;

-- What was acknowledged binds (PROTOCOL §4): one version for everything decisions rest on.
CREATE TABLE gate (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version bigint NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO gate DEFAULT VALUES;
GRANT SELECT, UPDATE ON gate TO sekisho_app;

-- Checkpoints of peers, each stored once under the SHA-256 of its note.
CREATE TABLE peer_checkpoints (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    origin text NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    note text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON peer_checkpoints TO sekisho_app;

-- The largest checkpoint received from every slot of a peer.
CREATE TABLE peer_slots (
    origin text PRIMARY KEY,
    size bigint NOT NULL,
    hash bytea NOT NULL REFERENCES peer_checkpoints
);
GRANT SELECT, INSERT, UPDATE ON peer_slots TO sekisho_app;

-- The advisory locks of the schema, in one place: 1 = the gate, 2 = slots, 3 = partitions of a
-- table, 4 = migrations, 5 = buckets of the core's contacts, 6 = the sweep of replicas,
-- 7 = the retention job, 8 = erasures and legal holds.
CREATE FUNCTION gate_take_shared() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1, 0);
    RETURN (SELECT version FROM gate);
END $$;

CREATE FUNCTION gate_take_exclusive() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1, 0);
    RETURN (SELECT version FROM gate);
END $$;

-- For a change that is made outside the writer: takes the gate and moves it. The clock is in the
-- number so that a database that went back never gives one to something else: workers remember.
CREATE FUNCTION gate_change() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM gate_take_exclusive();
    UPDATE gate
       SET version = greatest(version + 1, (extract(epoch FROM clock_timestamp()) * 1e6)::bigint),
           changed_at = clock_timestamp();
    RETURN (SELECT version FROM gate);
END $$;

-- Runs the effects of a batch under the gate and returns the entries that must drop out:
-- `reason` is 'effect:<kind>' or 'stale'; `is_dirty` says that an earlier effect of the entry
-- was applied, so that the caller has to roll back and leave the entry out.
--
-- p_gate_versions  by entry: the version its decision was made on, NULL if on none
-- p_changes        by entry: whether it changes what the gate guards
-- p_effects        [{"kind", "changes", "entries": [entry, …], "rows": [effect, …]}, …]; entry -1
--                  stands for several, whose effect is applied once and never refused
CREATE FUNCTION record_effects(p_gate_versions bigint[], p_changes boolean[], p_effects jsonb)
RETURNS TABLE (entry integer, reason text, is_dirty boolean) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_has_changes CONSTANT boolean := coalesce(true = ANY (p_changes), false);
    v_count CONSTANT integer := cardinality(p_changes);
    v_version bigint;
    v_reasons text[] := array_fill(NULL::text, ARRAY[v_count]);
    v_touched integer[] := '{}';
    v_phase boolean;
    v_group jsonb;
    v_entries integer[];
    v_rows jsonb;
    v_accepted integer[];
    v_entry integer;
BEGIN
    IF v_has_changes THEN
        v_version := gate_take_exclusive();
    ELSE
        v_version := gate_take_shared();
    END IF;
    FOREACH v_phase IN ARRAY CASE WHEN v_has_changes THEN '{t,f}' ELSE '{f}' END::boolean[] LOOP
        FOR v_entry IN
            SELECT g.n::integer FROM unnest(p_gate_versions) WITH ORDINALITY AS g (version, n)
             WHERE g.version <> v_version AND p_changes[g.n] = v_phase
        LOOP
            v_reasons[v_entry] := 'stale';
        END LOOP;
        FOR v_group IN
            SELECT e FROM jsonb_array_elements(p_effects) AS e
             WHERE (e -> 'changes')::boolean = v_phase
        LOOP
            -- From here on entries are counted from 1, as arrays are.
            SELECT array_agg(x.e::integer + 1 ORDER BY x.n) INTO v_entries
              FROM jsonb_array_elements(v_group -> 'entries') WITH ORDINALITY AS x (e, n)
             WHERE v_reasons[x.e::integer + 1] IS NULL;
            CONTINUE WHEN v_entries IS NULL;
            v_rows := v_group -> 'rows';
            IF cardinality(v_entries) < jsonb_array_length(v_rows) THEN
                SELECT jsonb_agg(v_rows -> (x.n::integer - 1) ORDER BY x.n) INTO v_rows
                  FROM jsonb_array_elements(v_group -> 'entries') WITH ORDINALITY AS x (e, n)
                 WHERE v_reasons[x.e::integer + 1] IS NULL;
            END IF;
            EXECUTE format('SELECT array_agg(DISTINCT a) FROM %I($1) AS a',
                           'effect_' || (v_group ->> 'kind'))
               INTO v_accepted USING v_rows;
            IF cardinality(v_accepted) = cardinality(v_entries) THEN
                v_touched := v_touched || v_entries;
                CONTINUE;
            END IF;
            FOR i IN 1 .. cardinality(v_entries) LOOP
                IF (i - 1) = ANY (v_accepted) THEN
                    v_touched := v_touched || v_entries[i];
                ELSIF v_entries[i] = 0 THEN
                    RAISE EXCEPTION 'effect %: a shared one was refused', v_group ->> 'kind';
                ELSE
                    v_reasons[v_entries[i]] := 'effect:' || (v_group ->> 'kind');
                END IF;
            END LOOP;
        END LOOP;
        IF v_phase AND EXISTS (
            SELECT FROM unnest(p_changes, v_reasons) AS c (changes, reason)
             WHERE c.changes AND c.reason IS NULL
        ) THEN
            v_version := gate_change();
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT r.n::integer - 1, r.reason, r.n = ANY (v_touched)
          FROM unnest(v_reasons) WITH ORDINALITY AS r (reason, n)
         WHERE r.reason IS NOT NULL;
END $$;

-- How many standbys commits wait for. Who is a standby is shown to members of pg_read_all_stats
-- only, so the owner is one where durability is replicated (docs/operations/install.md).
CREATE FUNCTION synchronous_standbys() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')
$$;
REVOKE EXECUTE ON FUNCTION synchronous_standbys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION synchronous_standbys TO sekisho_app;

-- Moves a slot by compare-and-set and writes entries (none where they came by COPY) and tiles.
-- Raises SK002 if the slot is not where the writer left it, SK003 if commits were promised to
-- wait for a standby and no longer do.
CREATE FUNCTION record_entries(
    p_slot smallint, p_epoch bigint, p_old_size bigint, p_size bigint, p_root bytea,
    p_frontier bytea, p_time timestamptz, p_month integer, p_is_new_month boolean,
    p_ids uuid[], p_kinds text[], p_leaves bytea[], p_hashes bytea[], p_privates bytea[],
    p_outcomes text[], p_counterparties text[], p_procedures text[], p_informations text[],
    p_permit_ids uuid[], p_subjects bytea[], p_staffs bytea[], p_systems bytea[],
    p_tile_levels smallint[], p_tile_numbers bigint[], p_tile_roots bytea[],
    p_tile_hashes bytea[]
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF current_setting('sekisho.durability', true) = 'replicated'
       AND current_setting('synchronous_standby_names') = '' THEN
        RAISE EXCEPTION 'commits no longer wait for a standby' USING ERRCODE = 'SK003';
    END IF;
    UPDATE log_slots
       SET size = p_size, root = p_root, frontier = p_frontier, last_time = p_time
     WHERE slot = p_slot AND epoch = p_epoch AND size = p_old_size AND NOT is_frozen
       AND last_time <= p_time;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'slot % is not where the writer left it', p_slot USING ERRCODE = 'SK002';
    END IF;
    IF p_is_new_month THEN
        INSERT INTO log_months (slot, month, first_index) VALUES (p_slot, p_month, p_old_size);
    END IF;
    INSERT INTO log_entries (month, slot, index, time, entry_id, kind, leaf, leaf_hash, private,
                             outcome, counterparty, procedure, information, permit_id,
                             subject, staff, system)
    SELECT p_month, p_slot, p_old_size + n - 1, p_time, id, kind, leaf, hash, private,
           outcome, counterparty, procedure, information, permit_id, subject, staff, system
      FROM unnest(p_ids, p_kinds, p_leaves, p_hashes, p_privates, p_outcomes, p_counterparties,
                  p_procedures, p_informations, p_permit_ids, p_subjects, p_staffs, p_systems)
           WITH ORDINALITY
           AS e (id, kind, leaf, hash, private, outcome, counterparty, procedure, information,
                 permit_id, subject, staff, system, n);
    IF cardinality(p_tile_levels) > 0 THEN
        INSERT INTO log_tiles (slot, level, number, root, hashes)
        SELECT p_slot, level, number, root, hashes
          FROM unnest(p_tile_levels, p_tile_numbers, p_tile_roots, p_tile_hashes)
               AS t (level, number, root, hashes);
    END IF;
END $$;

-- A small batch in one call, as if every effect were accepted; raises SK001 if one is not.
CREATE FUNCTION record_batch(
    p_gate_versions bigint[], p_changes boolean[], p_effects jsonb,
    p_slot smallint, p_epoch bigint, p_old_size bigint, p_size bigint, p_root bytea,
    p_frontier bytea, p_time timestamptz, p_month integer, p_is_new_month boolean,
    p_ids uuid[], p_kinds text[], p_leaves bytea[], p_hashes bytea[], p_privates bytea[],
    p_outcomes text[], p_counterparties text[], p_procedures text[], p_informations text[],
    p_permit_ids uuid[], p_subjects bytea[], p_staffs bytea[], p_systems bytea[],
    p_tile_levels smallint[], p_tile_numbers bigint[], p_tile_roots bytea[],
    p_tile_hashes bytea[]
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM record_effects(p_gate_versions, p_changes, p_effects);
    IF FOUND THEN
        RAISE EXCEPTION 'an effect was refused or a decision is stale' USING ERRCODE = 'SK001';
    END IF;
    PERFORM record_entries(
        p_slot, p_epoch, p_old_size, p_size, p_root, p_frontier, p_time, p_month, p_is_new_month,
        p_ids, p_kinds, p_leaves, p_hashes, p_privates, p_outcomes, p_counterparties,
        p_procedures, p_informations, p_permit_ids, p_subjects, p_staffs, p_systems,
        p_tile_levels, p_tile_numbers, p_tile_roots, p_tile_hashes);
END $$;

CREATE FUNCTION effect_log_loss(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT (r.e ->> 'slot')::smallint AS slot, (r.e ->> 'entry_id')::uuid AS entry_id,
               (r.n - 1)::integer AS place
          FROM jsonb_array_elements(rows) WITH ORDINALITY AS r (e, n)
    ), told AS (
        UPDATE log_losses AS l SET entry_id = w.entry_id
          FROM wanted AS w WHERE l.slot = w.slot AND l.entry_id IS NULL
        RETURNING l.slot
    )
    SELECT place FROM wanted JOIN told USING (slot)
$$;

-- Checkpoints that came with peers' statements; the same one may come again.
CREATE FUNCTION effect_peer_checkpoint(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO peer_checkpoints (hash, origin, size, root, note)
    SELECT DISTINCT ON (r.hash) decode(r.hash, 'base64'), r.origin, r.size,
           decode(r.root, 'base64'), r.note
      FROM jsonb_to_recordset(rows) AS r (hash text, origin text, size bigint, root text, note text)
     ORDER BY r.hash
    ON CONFLICT (hash) DO NOTHING;
    INSERT INTO peer_slots (origin, size, hash)
    SELECT DISTINCT ON (r.origin) r.origin, r.size, decode(r.hash, 'base64')
      FROM jsonb_to_recordset(rows) AS r (hash text, origin text, size bigint)
     ORDER BY r.origin, r.size DESC
    ON CONFLICT (origin) DO UPDATE SET size = excluded.size, hash = excluded.hash
     WHERE peer_slots.size < excluded.size;
    RETURN QUERY SELECT generate_series(0, jsonb_array_length(rows) - 1);
END $$;

-- Adds a partition without waiting for writers, which CREATE TABLE … PARTITION OF would do:
-- the CHECK spares ATTACH its scan. For the functions of the owner only.
CREATE FUNCTION partition_add(p_parent text, p_partition text, p_check text, p_bound text)
RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(3, hashtext(p_parent));
    IF to_regclass(format('public.%I', p_partition)) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL, '
                   'CONSTRAINT partition_bound CHECK (%s))', p_partition, p_parent, p_check);
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I %s',
                   p_parent, p_partition, p_bound);
END $$;

-- Makes the partitions of this month (Tokyo) and the next two, whatever the caller says.
CREATE FUNCTION log_make_months() RETURNS integer[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_first CONSTANT date := date_trunc('month', now() AT TIME ZONE 'Asia/Tokyo')::date;
    v_month integer;
    v_months integer[] := '{}';
BEGIN
    -- The month before too: a clock a little behind ours may still stamp it.
    FOR ahead IN -1 .. 2 LOOP
        v_month := to_char(v_first + make_interval(months => ahead), 'YYYYMM')::integer;
        PERFORM partition_add('log_entries', 'log_entries_' || v_month,
                              format('month = %s', v_month), format('FOR VALUES IN (%s)', v_month));
        v_months := v_months || v_month;
    END LOOP;
    RETURN v_months;
END $$;
REVOKE EXECUTE ON FUNCTION log_make_months FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_make_months TO sekisho_app;

SELECT log_make_months();
