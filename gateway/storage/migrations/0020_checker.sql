-- The provision-checker reads as a role of its own (docs/operations/install.md): a session that
-- only begins its transactions read-only can change its mind, a role without the right cannot.
-- What it derives decisions from, and nothing else; months of records come with their parent.
-- Locks nothing for longer than a GRANT does.

GRANT USAGE ON SCHEMA public TO sekisho_checker;
GRANT SELECT ON log_entries, log_months, erasures TO sekisho_checker;
GRANT SELECT ON decision_basis, basis_documents TO sekisho_checker;
GRANT SELECT ON stop_switches, subject_flags TO sekisho_checker;
