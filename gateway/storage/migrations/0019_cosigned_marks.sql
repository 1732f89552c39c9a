-- What a witness signed is marked outside the database too, so that a database that went back does
-- not have it sign a second tree (docs/operations/witness.md).
-- New table: locks nothing that is in use.

-- The folders of marks that tell what was cosigned over this database, by the names they bear. A
-- database that meets another folder may have forgotten what it signed last.
CREATE TABLE cosigned_folders (
    name     text        PRIMARY KEY CHECK (name ~ '^[0-9a-f]{32}$'),
    known_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON cosigned_folders TO sekisho_app;
