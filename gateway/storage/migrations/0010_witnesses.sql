-- Witnesses (PROTOCOL §5): what we have cosigned for others, what others have cosigned for us,
-- and the forks that were found.
--
-- Pre-deployment. Locks nothing that exists: everything here is new.

-- The newest checkpoint we cosigned of every stream that names us; never behind what we signed.
-- It moves by compare-and-set on (origin, size, root) and by nothing else.
CREATE TABLE witnessed (
    origin text PRIMARY KEY,
    size bigint NOT NULL CHECK (size >= 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    -- With both lines of its log: half of the proof, should there be a fork.
    note text NOT NULL,
    cosigned_at timestamptz NOT NULL
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON witnessed TO sekisho_app;

-- A log that signed two trees. One row, and one entry, for each checkpoint of that log that we
-- held and that another one contradicts.
CREATE TABLE forks_found (
    origin text NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    held_note text NOT NULL,
    other_note text NOT NULL,
    found_at timestamptz NOT NULL,
    is_recorded boolean NOT NULL DEFAULT false,
    PRIMARY KEY (origin, size, root)
);
CREATE INDEX forks_found_unrecorded ON forks_found (found_at) WHERE NOT is_recorded;
GRANT SELECT, INSERT, UPDATE ON forks_found TO sekisho_app;

-- Two workers that saw the same fork: one of them records it.
CREATE FUNCTION effect_fork_recorded(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT r.origin, r.size, decode(r.root, 'base64') AS root, (r.n - 1)::integer AS place
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (origin text, size bigint, root text))
               WITH ORDINALITY AS r (origin, size, root, n)
    ), noted AS (
        UPDATE forks_found AS f SET is_recorded = true
          FROM wanted AS w
         WHERE f.origin = w.origin AND f.size = w.size AND f.root = w.root AND NOT f.is_recorded
        RETURNING w.place
    )
    SELECT place FROM noted
$$;

-- Who asks our witnesses just now: one worker of all hosts, until its time is up. A row and not
-- a session's lock, which a pooled connection would keep or lose with whoever has it next.
CREATE TABLE cosign_lease (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    holder uuid,
    lapses_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
INSERT INTO cosign_lease DEFAULT VALUES;
GRANT SELECT, UPDATE ON cosign_lease TO sekisho_app;

-- How far each witness has cosigned each slot of ours.
CREATE TABLE cosigned (
    slot smallint NOT NULL REFERENCES log_slots,
    witness text NOT NULL,
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    -- By the witness's clock; null before its first cosignature.
    cosigned_at timestamptz,
    -- It holds another tree of ours, of this size: records were lost here, or there is a fork.
    conflict_size bigint,
    PRIMARY KEY (slot, witness)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON cosigned TO sekisho_app;

-- Every cosignature, for exports: with the root, which the tiles give, it makes a signed note.
CREATE TABLE cosignatures (
    slot smallint NOT NULL REFERENCES log_slots,
    witness text NOT NULL,
    cosigned_at timestamptz NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    key_id bytea NOT NULL CHECK (octet_length(key_id) = 4),
    -- The time (8 bytes) and the ML-DSA-44 signature, as they stand in the line.
    signature bytea NOT NULL CHECK (octet_length(signature) = 2428),
    PRIMARY KEY (slot, witness, cosigned_at, size)
);
-- Signatures are random bytes: nothing in them shrinks.
ALTER TABLE cosignatures ALTER COLUMN signature SET STORAGE EXTERNAL;
CREATE INDEX cosignatures_time ON cosignatures (cosigned_at);
GRANT SELECT, INSERT, DELETE ON cosignatures TO sekisho_app;

-- When the largest checkpoint we have of a peer's slot was last held against the cosigned one.
CREATE TABLE peer_proofs (
    origin text PRIMARY KEY REFERENCES peer_slots,
    since timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    proved_at timestamptz
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON peer_proofs TO sekisho_app;
