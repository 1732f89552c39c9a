-- The inquirer's side: inquiries under way and answers waiting to be fetched (PROTOCOL §3).
-- Transient: a row ends some days after its answer was acknowledged or lapsed; the evidence is in
-- the log. What is personal lies in boxes (AES-256-GCM) that only the running gateway opens.
-- New table: locks nothing that is in use.

CREATE TABLE inquiries (
    inquiry_id      text        PRIMARY KEY CHECK (inquiry_id ~ '^[0-9a-f]{32}$'),
    client_id       text        NOT NULL,
    accepted_at     timestamptz NOT NULL,
    state           text        NOT NULL CHECK (state IN (
                        'open', 'withheld', 'provided', 'no-information', 'denied', 'failed',
                        'refused', 'lapsed', 'withdrawn')),
    provider        text        NOT NULL,
    summary         jsonb       NOT NULL,
    entry_id        text        NOT NULL UNIQUE,
    key_year        integer     NOT NULL,
    details_box     bytea       NOT NULL,
    lease_until     timestamptz NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    reason          text,
    permit_id       text        UNIQUE,
    permit_leaf     bytea,
    subject_p       bytea,
    answer_leaf     bytea,
    request_expires timestamptz,
    result_box      bytea,
    finished_at     timestamptz,
    acknowledged_at timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX inquiries_of_client ON inquiries (client_id, accepted_at DESC, inquiry_id DESC);
CREATE INDEX inquiries_open ON inquiries (lease_until) WHERE state IN ('open', 'withheld');
CREATE INDEX inquiries_unanswered ON inquiries (lease_until)
    WHERE state IN ('withdrawn', 'lapsed') AND answer_leaf IS NULL;
CREATE INDEX inquiries_unfetched ON inquiries (finished_at)
    WHERE finished_at IS NOT NULL AND acknowledged_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON inquiries TO sekisho_app;

CREATE FUNCTION effect_inquiry_opened(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   inquiry_id text, client_id text, accepted_at timestamptz, provider text,
                   summary jsonb, entry_id text, key_year integer, details_box text,
                   lease_s double precision
               )) WITH ORDINALITY
               AS w(inquiry_id, client_id, accepted_at, provider, summary, entry_id, key_year,
                    details_box, lease_s, place)
    ), stored AS (
        INSERT INTO inquiries (inquiry_id, client_id, accepted_at, state, provider, summary,
                               entry_id, key_year, details_box, lease_until)
        SELECT inquiry_id, client_id, accepted_at, 'open', provider, summary, entry_id, key_year,
               decode(details_box, 'base64'), now() + make_interval(secs => lease_s)
          FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING inquiry_id
    )
    SELECT position FROM wanted JOIN stored USING (inquiry_id)
$$;

-- An inquiry ends once: a second answer, by whatever way it comes, finds it ended and drops out.
CREATE FUNCTION effect_inquiry_moved(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   inquiry_id text, from_states text[], state text, reason text, permit_id text,
                   permit_leaf text, subject_p text, answer_leaf text,
                   request_expires timestamptz, result_box text
               )) WITH ORDINALITY
               AS w(inquiry_id, from_states, state, reason, permit_id, permit_leaf, subject_p,
                    answer_leaf, request_expires, result_box, place)
    ), moved AS (
        UPDATE inquiries AS i
           SET state = w.state,
               reason = w.reason,
               permit_id = coalesce(w.permit_id, i.permit_id),
               permit_leaf = coalesce(decode(w.permit_leaf, 'base64'), i.permit_leaf),
               subject_p = coalesce(decode(w.subject_p, 'base64'), i.subject_p),
               answer_leaf = coalesce(decode(w.answer_leaf, 'base64'), i.answer_leaf),
               request_expires = coalesce(w.request_expires, i.request_expires),
               result_box = decode(w.result_box, 'base64'),
               lease_until = CASE WHEN w.state = 'withheld'
                                  THEN coalesce(w.request_expires, i.lease_until)
                                  ELSE i.lease_until END,
               finished_at = CASE WHEN w.state = 'withheld' THEN NULL ELSE now() END
          FROM wanted AS w
         WHERE i.inquiry_id = w.inquiry_id AND i.state = ANY (w.from_states)
        RETURNING i.inquiry_id
    )
    SELECT position FROM wanted JOIN moved USING (inquiry_id)
$$;

-- Nobody waits any more, and the answer is evidence all the same: what was told stays told once,
-- and what comes after it (a delivery after its provision) finds what it follows.
CREATE FUNCTION effect_inquiry_answered_late(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   inquiry_id text, states text[], answer_leaf text, follows text,
                   permit_id text, permit_leaf text, subject_p text, request_expires timestamptz
               )) WITH ORDINALITY
               AS w(inquiry_id, states, answer_leaf, follows, permit_id, permit_leaf, subject_p,
                    request_expires, place)
    ), told AS (
        UPDATE inquiries AS i
           SET answer_leaf = decode(w.answer_leaf, 'base64'),
               permit_id = coalesce(i.permit_id, w.permit_id),
               permit_leaf = coalesce(i.permit_leaf, decode(w.permit_leaf, 'base64')),
               subject_p = coalesce(i.subject_p, decode(w.subject_p, 'base64')),
               request_expires = coalesce(i.request_expires, w.request_expires)
          FROM wanted AS w
         WHERE i.inquiry_id = w.inquiry_id AND i.state = ANY (w.states)
           AND i.answer_leaf IS NOT DISTINCT FROM decode(w.follows, 'base64')
        RETURNING i.inquiry_id
    )
    SELECT position FROM wanted JOIN told USING (inquiry_id)
$$;

-- The answer leaves the gateway's keeping with the entry that says so.
CREATE FUNCTION effect_inquiry_acknowledged(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (inquiry_id text, state text))
               WITH ORDINALITY AS w(inquiry_id, state, place)
    ), moved AS (
        UPDATE inquiries AS i
           SET acknowledged_at = now(), result_box = NULL
          FROM wanted AS w
         WHERE i.inquiry_id = w.inquiry_id
           AND i.finished_at IS NOT NULL AND i.acknowledged_at IS NULL
        RETURNING i.inquiry_id
    )
    SELECT position FROM wanted JOIN moved USING (inquiry_id)
$$;

-- The core read the law otherwise: the inquiry goes on, once, under another entry.
CREATE FUNCTION effect_inquiry_asked_again(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   inquiry_id text, old_entry_id text, entry_id text, provider text,
                   summary jsonb, details_box text
               )) WITH ORDINALITY
               AS w(inquiry_id, old_entry_id, entry_id, provider, summary, details_box, place)
    ), moved AS (
        UPDATE inquiries AS i
           SET entry_id = w.entry_id, provider = w.provider, summary = w.summary,
               details_box = decode(w.details_box, 'base64')
          FROM wanted AS w
         WHERE i.inquiry_id = w.inquiry_id AND i.entry_id = w.old_entry_id AND i.state = 'open'
        RETURNING i.inquiry_id
    )
    SELECT position FROM wanted JOIN moved USING (inquiry_id)
$$;
