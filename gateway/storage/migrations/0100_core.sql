-- The core's own tables (PROTOCOL §3): which inquiries it answered, what their parties told it,
-- whose codes it made, what it published; and the one table of the resident network's stand-in.
--
-- Pre-deployment. Locks nothing that exists: everything here is new.
--
-- `person` is the core's management code (命令85 47③): the core's own network code of a person,
-- which only the key store's key turns back. No network code of another organisation is stored.

-- Once: one inquiry statement has one answer for ever. Partitioned by the Tokyo day of the
-- inquiry entry's own time, which its signed content fixes.
CREATE TABLE core_inquiries (
    inquiry_day     date        NOT NULL,
    inquirer        text        NOT NULL,
    leaf            bytea       NOT NULL CHECK (octet_length(leaf) = 32),
    entry_id        uuid        NOT NULL,
    provider        text        NOT NULL,
    requested_at    timestamptz NOT NULL,
    reason          text,
    permit_id       uuid,
    person          bytea       CHECK (octet_length(person) = 32),
    subject_p       bytea       CHECK (octet_length(subject_p) = 32),
    salt_p          bytea       CHECK (octet_length(salt_p) = 32),
    token_expires   timestamptz,
    request_expires timestamptz,
    -- By the leaf first: a look-up never walks a day.
    PRIMARY KEY (leaf, inquirer, inquiry_day),
    -- A permit with all that a later token repeats, or a refusal with its reason.
    CHECK ((reason IS NULL) = (permit_id IS NOT NULL)),
    CHECK ((permit_id IS NULL) OR (person IS NOT NULL AND subject_p IS NOT NULL
           AND salt_p IS NOT NULL AND token_expires IS NOT NULL AND request_expires IS NOT NULL))
) PARTITION BY RANGE (inquiry_day);
CREATE INDEX core_inquiries_permit ON core_inquiries (permit_id) WHERE permit_id IS NOT NULL;
-- What the core has of a party's permits, in the order in which it is asked for (reconciliation).
CREATE INDEX core_inquiries_inquirer ON core_inquiries (inquirer, requested_at, permit_id)
    WHERE permit_id IS NOT NULL;
CREATE INDEX core_inquiries_provider ON core_inquiries (provider, requested_at, permit_id)
    WHERE permit_id IS NOT NULL;
GRANT SELECT, INSERT ON core_inquiries TO sekisho_app;

-- Which providers an inquirer asked about one person on one day: asking every town finds where
-- somebody lives.
CREATE TABLE core_contacts (
    day      date  NOT NULL,
    inquirer text  NOT NULL,
    person   bytea NOT NULL,
    provider text  NOT NULL,
    PRIMARY KEY (day, inquirer, person, provider)
) PARTITION BY RANGE (day);
GRANT SELECT, INSERT ON core_contacts TO sekisho_app;

-- What the parties of a permit told of it, on the day of its inquiry.
CREATE TABLE core_outcomes (
    inquiry_day date        NOT NULL,
    permit_id   uuid        NOT NULL,
    leaf        bytea       NOT NULL CHECK (octet_length(leaf) = 32),
    party       text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('provision', 'delivery', 'receipt',
                                                'correction')),
    outcome     text        NOT NULL,
    -- Of a receipt, the entry it answers; of a delivery, the provision it follows.
    of          bytea       CHECK (octet_length(of) = 32),
    entry_id    uuid        NOT NULL,
    taken_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (inquiry_day, permit_id, leaf)
) PARTITION BY RANGE (inquiry_day);
-- One inquiry, one permit, one provision; one delivery; one receipt of each answer.
CREATE UNIQUE INDEX core_outcomes_answer ON core_outcomes (inquiry_day, permit_id, kind)
    WHERE kind IN ('provision', 'delivery');
CREATE UNIQUE INDEX core_outcomes_receipt ON core_outcomes (inquiry_day, permit_id, of)
    WHERE kind = 'receipt';
GRANT SELECT, INSERT ON core_outcomes TO sekisho_app;

-- The secret table (令27⑤): `lookup` is a keyed one-way function of a resident-record code.
-- Somebody whose resident-record code changed has two rows and stays one person.
CREATE TABLE core_people (
    lookup bytea       PRIMARY KEY CHECK (octet_length(lookup) = 32),
    person bytea       NOT NULL CHECK (octet_length(person) = 32),
    since  timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON core_people TO sekisho_app;

-- Who holds codes for whom (令26⑥).
CREATE TABLE core_holders (
    person       bytea       NOT NULL CHECK (octet_length(person) = 32),
    organisation text        NOT NULL,
    since        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person, organisation)
);
GRANT SELECT, INSERT, DELETE ON core_holders TO sekisho_app;

-- Code acquisitions under way; a row ends when the gateway has linked its code, and with it the
-- acquisition number (法21の2③).
CREATE TABLE core_code_requests (
    organisation text        NOT NULL,
    request_id   uuid        NOT NULL,
    number       bytea       NOT NULL UNIQUE CHECK (octet_length(number) = 16),
    expires_at   timestamptz NOT NULL,
    person       bytea       CHECK (octet_length(person) = 32),
    state        text        CHECK (state IN ('acquired', 'already-acquired')),
    PRIMARY KEY (organisation, request_id),
    CHECK ((person IS NULL) = (state IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX core_code_requests_expiry ON core_code_requests (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON core_code_requests TO sekisho_app;

-- Signed documents by the SHA-256 of their bytes: the same content may be signed anew by the next
-- directory key. Every version is kept, so that old signatures are judged by the keys of their
-- time. Written before the entry that publishes them: they may be larger than what an entry can
-- carry.
CREATE TABLE core_documents (
    hash     bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    type     text  NOT NULL CHECK (type IN ('directory', 'allow-list')),
    document bytea NOT NULL
);
ALTER TABLE core_documents ALTER COLUMN document SET STORAGE EXTERNAL;
GRANT SELECT, INSERT ON core_documents TO sekisho_app;

CREATE TABLE core_directories (
    version    bigint PRIMARY KEY CHECK (version > 0),
    directory  bytea  NOT NULL REFERENCES core_documents,
    allow_list bytea  NOT NULL REFERENCES core_documents,
    entry_id   uuid   NOT NULL
);
GRANT SELECT, INSERT ON core_directories TO sekisho_app;

-- The resident network's stand-in: the numbers as a keyed one-way function, the codes in boxes.
CREATE TABLE resident_people (
    number       bytea   PRIMARY KEY CHECK (octet_length(number) = 32),
    key_year     integer NOT NULL,
    code_box     bytea   NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON resident_people TO sekisho_app;

-- The answer to an inquiry is written once. The limit of distinct providers is counted under a
-- lock of the person's bucket, or two workers would each see one less than there are; at most 64
-- buckets, so that a large batch does not fill the lock table. Advisory locks: 5 = contacts.
CREATE FUNCTION effect_core_inquiry(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(5, buckets.bucket)
       FROM (SELECT DISTINCT hashtext(r.inquirer || ' ' || r.person) & 63 AS bucket
               FROM jsonb_to_recordset(rows) AS r (inquirer text, person text, contact_day date)
              WHERE r.contact_day IS NOT NULL
              ORDER BY 1) AS buckets;
    RETURN QUERY
    WITH wanted AS MATERIALIZED (
        SELECT (r.place - 1)::integer AS position, r.inquiry_day, r.inquirer,
               decode(r.leaf, 'base64') AS leaf, r.entry_id, r.provider, r.requested_at, r.reason,
               r.permit_id, decode(r.person, 'base64') AS person,
               decode(r.subject_p, 'base64') AS subject_p, decode(r.salt_p, 'base64') AS salt_p,
               r.token_expires, r.request_expires, r.contact_day, r.providers_max
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   inquiry_day date, inquirer text, leaf text, entry_id uuid, provider text,
                   requested_at timestamptz, reason text, permit_id uuid, person text,
                   subject_p text, salt_p text, token_expires timestamptz,
                   request_expires timestamptz, contact_day date, providers_max integer
               )) WITH ORDINALITY
               AS r (inquiry_day, inquirer, leaf, entry_id, provider, requested_at, reason,
                     permit_id, person, subject_p, salt_p, token_expires, request_expires,
                     contact_day, providers_max, place)
    ), asked AS (
        SELECT DISTINCT w.contact_day, w.inquirer, w.person, w.provider, w.providers_max
          FROM wanted AS w
         WHERE w.contact_day IS NOT NULL
    ), fresh AS MATERIALIZED (
        SELECT a.*
          FROM asked AS a
         -- One look into the index for each; a join could read the whole day instead.
         WHERE (SELECT c.day FROM core_contacts AS c
                 WHERE c.day = a.contact_day AND c.inquirer = a.inquirer
                   AND c.person = a.person AND c.provider = a.provider) IS NULL
    ), excessive AS MATERIALIZED (
        SELECT f.contact_day, f.inquirer, f.person
          FROM fresh AS f
         GROUP BY f.contact_day, f.inquirer, f.person
        HAVING count(*) + (SELECT count(*) FROM core_contacts AS c
                            WHERE c.day = f.contact_day AND c.inquirer = f.inquirer
                              AND c.person = f.person) > min(f.providers_max)
    ), allowed AS MATERIALIZED (
        SELECT w.*
          FROM wanted AS w
         WHERE NOT EXISTS (
               SELECT FROM excessive AS e JOIN fresh AS f USING (contact_day, inquirer, person)
                WHERE e.contact_day = w.contact_day AND e.inquirer = w.inquirer
                  AND e.person = w.person AND f.provider = w.provider)
    ), met AS (
        INSERT INTO core_contacts (day, inquirer, person, provider)
        SELECT DISTINCT a.contact_day, a.inquirer, a.person, a.provider
          FROM allowed AS a
         WHERE a.contact_day IS NOT NULL
        ON CONFLICT DO NOTHING
    ), stored AS (
        INSERT INTO core_inquiries (inquiry_day, inquirer, leaf, entry_id, provider, requested_at,
                                    reason, permit_id, person, subject_p, salt_p, token_expires,
                                    request_expires)
        SELECT a.inquiry_day, a.inquirer, a.leaf, a.entry_id, a.provider, a.requested_at,
               a.reason, a.permit_id, a.person, a.subject_p, a.salt_p, a.token_expires,
               a.request_expires
          FROM allowed AS a
        ON CONFLICT DO NOTHING
        RETURNING core_inquiries.inquiry_day, core_inquiries.inquirer, core_inquiries.leaf
    )
    SELECT w.position FROM wanted AS w JOIN stored USING (inquiry_day, inquirer, leaf);
END $$;

-- A party's word is taken once; another word of the same kind for the permit is refused.
CREATE FUNCTION effect_core_outcome(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT (r.place - 1)::integer AS position, r.inquiry_day, r.permit_id,
               decode(r.leaf, 'base64') AS leaf, r.party, r.kind, r.outcome,
               decode(r.of, 'base64') AS of, r.entry_id
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   inquiry_day date, permit_id uuid, leaf text, party text, kind text,
                   outcome text, of text, entry_id uuid
               )) WITH ORDINALITY
               AS r (inquiry_day, permit_id, leaf, party, kind, outcome, of, entry_id, place)
    ), stored AS (
        INSERT INTO core_outcomes (inquiry_day, permit_id, leaf, party, kind, outcome, of, entry_id)
        SELECT w.inquiry_day, w.permit_id, w.leaf, w.party, w.kind, w.outcome, w.of, w.entry_id
          FROM wanted AS w
        ON CONFLICT DO NOTHING
        RETURNING core_outcomes.inquiry_day, core_outcomes.permit_id, core_outcomes.leaf
    )
    SELECT position FROM wanted JOIN stored USING (inquiry_day, permit_id, leaf)
$$;

-- A request that was made before keeps its number; one whose number lapsed gets a new one.
CREATE FUNCTION effect_core_code_request(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT (r.place - 1)::integer AS position, r.organisation, r.request_id,
               decode(r.number, 'base64') AS number, r.expires_at
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   organisation text, request_id uuid, number text, expires_at timestamptz
               )) WITH ORDINALITY AS r (organisation, request_id, number, expires_at, place)
    ), stored AS (
        INSERT INTO core_code_requests AS c (organisation, request_id, number, expires_at)
        SELECT w.organisation, w.request_id, w.number, w.expires_at FROM wanted AS w
        ON CONFLICT (organisation, request_id) DO UPDATE
           SET number = excluded.number, expires_at = excluded.expires_at
         WHERE c.expires_at <= now() AND c.person IS NULL
        RETURNING c.organisation, c.request_id
    )
    SELECT position FROM wanted JOIN stored USING (organisation, request_id)
$$;

-- Somebody is met under a resident-record code; whoever was met before stays the same person.
CREATE FUNCTION effect_core_person(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO core_people (lookup, person)
    SELECT DISTINCT ON (r.lookup) decode(r.lookup, 'base64'), decode(r.person, 'base64')
      FROM jsonb_to_recordset(rows) AS r (lookup text, person text)
     ORDER BY r.lookup
    ON CONFLICT (lookup) DO NOTHING;
    RETURN QUERY
    SELECT (r.place - 1)::integer
      FROM ROWS FROM (jsonb_to_recordset(rows) AS (lookup text, person text))
           WITH ORDINALITY AS r (lookup, person, place)
      JOIN core_people AS p
        ON p.lookup = decode(r.lookup, 'base64') AND p.person = decode(r.person, 'base64');
END $$;

-- A code belongs to a request: a new holder, or one who holds it already (命令85 44②).
CREATE FUNCTION effect_core_code_issued(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT (r.place - 1)::integer AS position, r.organisation, r.request_id,
               decode(r.person, 'base64') AS person, r.state
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   organisation text, request_id uuid, person text, state text
               )) WITH ORDINALITY AS r (organisation, request_id, person, state, place)
    ), held AS (
        INSERT INTO core_holders (person, organisation)
        SELECT w.person, w.organisation FROM wanted AS w WHERE w.state = 'acquired'
        ON CONFLICT DO NOTHING
        RETURNING core_holders.person, core_holders.organisation
    ), agreed AS (
        SELECT w.* FROM wanted AS w
         WHERE (w.state = 'acquired'
                AND EXISTS (SELECT FROM held AS h
                             WHERE h.person = w.person AND h.organisation = w.organisation))
            OR (w.state = 'already-acquired'
                AND EXISTS (SELECT FROM core_holders AS h
                             WHERE h.person = w.person AND h.organisation = w.organisation))
    ), moved AS (
        UPDATE core_code_requests AS c
           SET person = a.person, state = a.state
          FROM agreed AS a
         WHERE c.organisation = a.organisation AND c.request_id = a.request_id
           AND c.person IS NULL
        RETURNING c.organisation, c.request_id
    )
    SELECT position FROM agreed JOIN moved USING (organisation, request_id)
$$;

-- A code that its gateway did not link belongs to nobody, and its request is over.
CREATE FUNCTION effect_core_code_dropped(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT (r.place - 1)::integer AS position, r.organisation, r.request_id
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (organisation text, request_id uuid))
               WITH ORDINALITY AS r (organisation, request_id, place)
    ), ended AS (
        DELETE FROM core_code_requests AS c
         USING wanted AS w
         WHERE c.organisation = w.organisation AND c.request_id = w.request_id
           AND c.person IS NOT NULL
        RETURNING c.organisation, c.request_id, c.person, c.state
    ), dropped AS (
        DELETE FROM core_holders AS h
         USING ended AS e
         WHERE e.state = 'acquired' AND h.organisation = e.organisation AND h.person = e.person
    )
    SELECT position FROM wanted JOIN ended USING (organisation, request_id)
$$;

-- A version is published once, and never one below the highest.
CREATE FUNCTION effect_core_directory(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT (r.place - 1)::integer AS position, r.version, decode(r.directory, 'base64') AS directory,
               decode(r.allow_list, 'base64') AS allow_list, r.entry_id
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   version bigint, directory text, allow_list text, entry_id uuid
               )) WITH ORDINALITY AS r (version, directory, allow_list, entry_id, place)
    ), stored AS (
        INSERT INTO core_directories (version, directory, allow_list, entry_id)
        SELECT w.version, w.directory, w.allow_list, w.entry_id
          FROM wanted AS w
         WHERE w.version > coalesce((SELECT max(version) FROM core_directories), 0)
        ON CONFLICT DO NOTHING
        RETURNING core_directories.version
    )
    SELECT position FROM wanted JOIN stored USING (version)
$$;

-- An inquiry of today may be some days old, and a peer's clock a little ahead of ours. Contacts are
-- kept 8 days; inquiries and outcomes 80 days after the inquiry, when no permit of it (7 days until
-- it is asked for, 30 days of validity) and no outcome on its way (30 days) can name them any more.
INSERT INTO day_tables (name, day_column, zone, behind, ahead, kept)
VALUES ('core_inquiries', 'inquiry_day', 'Asia/Tokyo', 8, 2, 80),
       ('core_contacts', 'day', 'Asia/Tokyo', 8, 2, 8),
       ('core_outcomes', 'inquiry_day', 'Asia/Tokyo', 8, 2, 80);
