-- What this organisation has seen of the network's directory, so that neither an older file beside
-- the keys nor an older answer of the core leads it back (PROTOCOL §1). The other copy lies beside
-- the keys: whoever restores one of the two is found out by the other.
-- Locks nothing that is in use: everything here is new.

CREATE TABLE directory_seen (
    is_only  boolean     PRIMARY KEY DEFAULT true CHECK (is_only),
    version  bigint      NOT NULL CHECK (version > 0),
    digest   text        NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    seen_at  timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON directory_seen TO sekisho_app;

-- Peers whose chain of key sets broke: since when, and whether somebody took the new keys for
-- theirs. One row a peer, about the claim seen last: another claim begins anew. Their old keys lie
-- beside our own, not here: whoever may write rows must not be able to give a peer other keys.
CREATE TABLE peers_unconfirmed (
    organisation text        PRIMARY KEY,
    claimed      text        NOT NULL CHECK (claimed ~ '^[0-9a-f]{64}$'),
    first_seen   timestamptz NOT NULL,
    accepted_at  timestamptz,
    accepted_by  text        CHECK (accepted_by IN ('operator', 'delay')),
    CHECK ((accepted_at IS NULL) = (accepted_by IS NULL))
);
GRANT SELECT, INSERT, UPDATE, DELETE ON peers_unconfirmed TO sekisho_app;

CREATE FUNCTION effect_peer_accepted(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   organisation text, claimed text, accepted_at timestamptz, accepted_by text
               )) WITH ORDINALITY AS w(organisation, claimed, accepted_at, accepted_by, place)
    ), accepted AS (
        UPDATE peers_unconfirmed AS p
           SET accepted_at = w.accepted_at, accepted_by = w.accepted_by
          FROM wanted AS w
         WHERE p.organisation = w.organisation AND p.claimed = w.claimed
           AND p.accepted_at IS NULL
        RETURNING w.position
    )
    SELECT position FROM accepted
$$;
