-- Terms of everything that is kept (DESIGN §2.10): when each term was last seen to.
-- What is kept for how long stands in gateway/jobs/terms.py, each table of the schema in one row.
-- Locks nothing for longer than a GRANT does.

CREATE TABLE retention_runs (
    term     text        PRIMARY KEY CHECK (term ~ '^[a-z][a-z-]{0,47}$'),
    begun_at timestamptz NOT NULL DEFAULT now(),
    done_at  timestamptz,
    problem  text
);
GRANT SELECT, INSERT, UPDATE ON retention_runs TO sekisho_app;

-- The plan tells which days are due; which those are is still the schema's to say.
GRANT SELECT ON day_tables TO sekisho_app;
-- A switch that was lifted or has ended is gone seven years later.
GRANT DELETE ON stop_switches TO sekisho_app;
