-- What must be known after a backup was restored (docs/operations/backup.md). Written by
-- `sekisho backup restore` as the owner; the running role reads it.
-- New tables: locks nothing that is in use.

-- `is_whole`: the operator's word that the instance did nothing after the backup was taken. Without
-- it, what was answered in between is forgotten, and a permit from before may have been used.
CREATE TABLE restores (
    backup_id   text        NOT NULL CHECK (backup_id ~ '^[0-9a-f]{32}$'),
    taken_at    timestamptz NOT NULL,
    restored_at timestamptz NOT NULL DEFAULT now(),
    is_whole    boolean     NOT NULL,
    PRIMARY KEY (backup_id, restored_at)
);
GRANT SELECT ON restores TO sekisho_app;

-- Where each slot stood in a backup that more may have followed. A slot that still stands there
-- goes on only where this machine's own mark shows that nothing did: a witness knows of what it
-- cosigned, and the last seconds before the end it never saw.
CREATE TABLE log_restored (
    slot smallint PRIMARY KEY REFERENCES log_slots,
    size bigint   NOT NULL CHECK (size >= 0)
);
GRANT SELECT ON log_restored TO sekisho_app;
