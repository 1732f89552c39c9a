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
