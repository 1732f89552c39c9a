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
