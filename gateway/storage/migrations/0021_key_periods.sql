-- A storage key ends when its period is over and no row lies under it any more
-- (gateway/jobs/ended_keys.py). Where rows live for weeks a period is a month, so that an older
-- backup of the database is unreadable some weeks after what it holds ended, not a year or more.
-- Rows of before keep the year they were written under. Comments: locks nothing that is in use.

COMMENT ON COLUMN inquiries.key_year IS 'period of its storage key: a month, 202607';
COMMENT ON COLUMN holds.key_year IS 'period of its storage key: a month, 202607';
COMMENT ON COLUMN notices.key_year IS 'period of its storage key: a month, 202607';
COMMENT ON COLUMN code_acquisitions.key_year IS 'period of its storage key: a month, 202607';
COMMENT ON COLUMN code_wanted.key_year IS 'period of its storage key: a month, 202607';
COMMENT ON COLUMN replicas.key_year IS 'period of its storage key: a year, 2026';
COMMENT ON COLUMN network_codes.key_year IS 'period of its storage key: a year, 2026';
COMMENT ON COLUMN clients.key_year IS 'period of its storage key: a year, 2026';
COMMENT ON COLUMN staff_credentials.key_year IS 'period of its storage key: a year, 2026';
