-- The seal of a slot (docs/adr/0017-seal-of-a-slot.md): whoever may write every row of this
-- database can still not make a root that the gateway would sign.
--
-- Pre-deployment. Takes log_slots exclusively for a moment. No row can be sealed here, as the key is
-- outside PostgreSQL: where there are slots already the migration fails, and nothing is changed.

-- The table is empty, and the functions are called by this release alone:
-- squawk-ignore-file adding-required-field, constraint-missing-not-valid, ban-drop-function

ALTER TABLE log_slots
    -- How far the slot had been signed when the row was written, and the root it had there.
    ADD COLUMN signed_size bigint NOT NULL CHECK (signed_size >= 0),
    ADD COLUMN signed_root bytea NOT NULL CHECK (octet_length(signed_root) = 32),
    -- HMAC-SHA256 over origin, size, root, last_time and the two above.
    ADD COLUMN seal bytea NOT NULL CHECK (octet_length(seal) = 32),
    ADD CONSTRAINT log_slots_signed CHECK (signed_size <= size);

DROP FUNCTION record_batch(bigint[], boolean[], jsonb, smallint, bigint, bigint, bigint, bytea,
    bytea, timestamptz, integer, boolean, uuid[], text[], bytea[], bytea[], bytea[], text[],
    text[], text[], text[], uuid[], bytea[], bytea[], bytea[], smallint[], bigint[], bytea[],
    bytea[]);
DROP FUNCTION record_entries(smallint, bigint, bigint, bigint, bytea, bytea, timestamptz,
    integer, boolean, uuid[], text[], bytea[], bytea[], bytea[], text[], text[], text[], text[],
    uuid[], bytea[], bytea[], bytea[], smallint[], bigint[], bytea[], bytea[]);

-- As before, and the seal with them.
CREATE FUNCTION record_entries(
    p_slot smallint, p_epoch bigint, p_old_size bigint, p_size bigint, p_root bytea,
    p_frontier bytea, p_signed_size bigint, p_signed_root bytea, p_seal bytea,
    p_time timestamptz, p_month integer, p_is_new_month boolean,
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
       SET size = p_size, root = p_root, frontier = p_frontier, last_time = p_time,
           signed_size = p_signed_size, signed_root = p_signed_root, seal = p_seal
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

-- As before, and the seal with it.
CREATE FUNCTION record_batch(
    p_gate_versions bigint[], p_changes boolean[], p_effects jsonb,
    p_slot smallint, p_epoch bigint, p_old_size bigint, p_size bigint, p_root bytea,
    p_frontier bytea, p_signed_size bigint, p_signed_root bytea, p_seal bytea,
    p_time timestamptz, p_month integer, p_is_new_month boolean,
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
        p_slot, p_epoch, p_old_size, p_size, p_root, p_frontier, p_signed_size, p_signed_root,
        p_seal, p_time, p_month, p_is_new_month,
        p_ids, p_kinds, p_leaves, p_hashes, p_privates, p_outcomes, p_counterparties,
        p_procedures, p_informations, p_permit_ids, p_subjects, p_staffs, p_systems,
        p_tile_levels, p_tile_numbers, p_tile_roots, p_tile_hashes);
END $$;
