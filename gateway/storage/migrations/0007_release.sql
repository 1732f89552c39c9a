-- Held answers and the people who let them go (PROTOCOL §3 *Held answers*).
--
-- Four eyes are also a rule of the database: one decision a person and one a credential in each
-- round, nobody who set or lifted the flag in question, and a release only with all approvals.
-- Locks nothing that is in use: everything here is new.

CREATE TABLE hold_decisions (
    hold_id       text        NOT NULL REFERENCES holds ON DELETE CASCADE,
    round         integer     NOT NULL,
    staff_id      text        NOT NULL,
    credential_id text        NOT NULL,
    decision      text        NOT NULL CHECK (decision IN ('approved', 'refused')),
    decided_at    timestamptz NOT NULL DEFAULT now(),
    entry_id      text        NOT NULL,
    PRIMARY KEY (hold_id, round, staff_id),
    UNIQUE (hold_id, round, credential_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON hold_decisions TO sekisho_app;

-- The delivery as it was sealed, byte for byte, until its inquirer has acknowledged it.
CREATE TABLE deliveries (
    permit_id       text        PRIMARY KEY,
    hold_id         text        NOT NULL UNIQUE REFERENCES holds ON DELETE CASCADE,
    inquirer        text        NOT NULL,
    entry_id        text        NOT NULL,
    message_key     jsonb,
    number          bigint,
    sealed          bytea
);
GRANT SELECT, INSERT, DELETE ON deliveries TO sekisho_app;

-- One approval of one preview. `is_last` says what the caller counted on; if another approval
-- came between, it is refused and the caller looks again.
CREATE FUNCTION effect_hold_approved(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_row record;
    v_hold holds%ROWTYPE;
    v_count integer;
BEGIN
    FOR v_row IN
        SELECT (w.place - 1)::integer AS position, w.*
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   hold_id text, round integer, digest text, staff_id text, credential_id text,
                   entry_id text, is_last boolean
               )) WITH ORDINALITY
               AS w(hold_id, round, digest, staff_id, credential_id, entry_id, is_last, place)
    LOOP
        SELECT * INTO v_hold FROM holds WHERE hold_id = v_row.hold_id FOR UPDATE;
        CONTINUE WHEN NOT FOUND OR v_hold.state <> 'waiting' OR v_hold.round <> v_row.round
            OR v_hold.digest <> decode(v_row.digest, 'base64')
            OR v_hold.request_expires <= now();
        CONTINUE WHEN EXISTS (
            SELECT FROM subject_flags AS f
             WHERE f.subject = v_hold.subject AND f.kind = 'automatic-answer-disabled'
               AND v_row.staff_id IN (f.maker, f.lifted_by));
        SELECT count(*) INTO v_count FROM hold_decisions AS d
         WHERE d.hold_id = v_hold.hold_id AND d.round = v_hold.round AND d.decision = 'approved';
        CONTINUE WHEN v_row.is_last <> (v_count + 1 >= v_hold.approvals_needed);
        INSERT INTO hold_decisions (hold_id, round, staff_id, credential_id, decision, entry_id)
        VALUES (v_row.hold_id, v_row.round, v_row.staff_id, v_row.credential_id, 'approved',
                v_row.entry_id)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN NEXT v_row.position;
        END IF;
    END LOOP;
END $$;

-- A person refuses: one decision too, and it ends the hold.
CREATE FUNCTION effect_hold_refused(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_row record;
BEGIN
    FOR v_row IN
        SELECT (w.place - 1)::integer AS position, w.*
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   hold_id text, round integer, staff_id text, credential_id text, entry_id text
               )) WITH ORDINALITY
               AS w(hold_id, round, staff_id, credential_id, entry_id, place)
    LOOP
        UPDATE holds SET state = 'refused', moved_at = now()
         WHERE hold_id = v_row.hold_id AND round = v_row.round AND state = 'waiting'
           AND request_expires > now();
        CONTINUE WHEN NOT FOUND;
        INSERT INTO hold_decisions (hold_id, round, staff_id, credential_id, decision, entry_id)
        VALUES (v_row.hold_id, v_row.round, v_row.staff_id, v_row.credential_id, 'refused',
                v_row.entry_id)
        ON CONFLICT (hold_id, round, staff_id) DO UPDATE SET decision = 'refused';
        RETURN NEXT v_row.position;
    END LOOP;
END $$;

-- The answer people approved goes out: all approvals of this round are there, for these bytes.
-- A refused hold goes out too, as `denied`.
CREATE FUNCTION effect_hold_delivered(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_row record;
    v_hold holds%ROWTYPE;
BEGIN
    FOR v_row IN
        SELECT (w.place - 1)::integer AS position, w.*
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   hold_id text, permit_id text, inquirer text, round integer, digest text,
                   entry_id text, message_key jsonb, number bigint, sealed text, is_denial boolean
               )) WITH ORDINALITY
               AS w(hold_id, permit_id, inquirer, round, digest, entry_id, message_key, number,
                    sealed, is_denial, place)
    LOOP
        SELECT * INTO v_hold FROM holds WHERE hold_id = v_row.hold_id FOR UPDATE;
        CONTINUE WHEN NOT FOUND OR v_hold.round <> v_row.round
            OR v_hold.request_expires <= now();
        IF v_row.is_denial THEN
            CONTINUE WHEN v_hold.state <> 'refused';
        ELSE
            CONTINUE WHEN v_hold.state <> 'waiting'
                OR v_hold.digest <> decode(v_row.digest, 'base64')
                OR v_hold.approvals_needed > (
                    SELECT count(DISTINCT d.credential_id) FROM hold_decisions AS d
                     WHERE d.hold_id = v_hold.hold_id AND d.round = v_hold.round
                       AND d.decision = 'approved');
            UPDATE holds SET state = 'released', moved_at = now()
             WHERE hold_id = v_row.hold_id;
        END IF;
        INSERT INTO deliveries (permit_id, hold_id, inquirer, entry_id, message_key, number, sealed)
        VALUES (v_row.permit_id, v_row.hold_id, v_row.inquirer, v_row.entry_id,
                v_row.message_key, v_row.number, decode(v_row.sealed, 'base64'))
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN NEXT v_row.position;
        END IF;
    END LOOP;
END $$;

-- What would go out has changed: every approval is void and there is a new preview.
CREATE FUNCTION effect_hold_voided(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   hold_id text, round integer, digest text
               )) WITH ORDINALITY AS w(hold_id, round, digest, place)
    ), moved AS (
        UPDATE holds AS h
           SET round = h.round + 1, digest = decode(w.digest, 'base64'), moved_at = now()
          FROM wanted AS w
         WHERE h.hold_id = w.hold_id AND h.round = w.round AND h.state = 'waiting'
        RETURNING h.hold_id
    )
    SELECT position FROM wanted JOIN moved USING (hold_id)
$$;

CREATE FUNCTION effect_hold_ended(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   hold_id text, from_state text, state text
               )) WITH ORDINALITY AS w(hold_id, from_state, state, place)
    ), moved AS (
        UPDATE holds AS h SET state = w.state, moved_at = now() FROM wanted AS w
         WHERE h.hold_id = w.hold_id AND h.state = w.from_state
           AND (w.state <> 'lapsed' OR h.request_expires <= now())
        RETURNING h.hold_id
    ), gone AS (
        DELETE FROM deliveries AS d USING moved AS m WHERE d.hold_id = m.hold_id
    )
    SELECT position FROM wanted JOIN moved USING (hold_id)
$$;
