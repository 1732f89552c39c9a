-- Jobs that come round once a night, done by one worker of the instance: how far each has come, and
-- who has it now. Nothing personal. Locks nothing that is in use: everything here is new.

CREATE TABLE nightly_jobs (
    job         text        PRIMARY KEY CHECK (job ~ '^[a-z][a-z-]{0,31}$'),
    -- Everything before this instant has been looked at.
    done_until  timestamptz NOT NULL,
    -- The night (Tokyo) of the last turn that came to its end, and when it did; at first those of
    -- the start, so that a job that never runs is seen.
    night       date        NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON nightly_jobs TO sekisho_app;
