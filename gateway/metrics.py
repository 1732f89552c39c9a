"""What the gateway counts, in one place: prefix sekisho_, base units, nothing about a person.

Labels hold what this program or the directory names (listeners, routes, kinds, peers), never
what a caller chose. Workers keep their values in files (prometheus_client's multiprocess mode):
whoever starts a run makes a new folder and names it in PROMETHEUS_MULTIPROC_DIR before this
module is imported.
"""

import shutil
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ITEMS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

# Listeners.
HTTP_REQUESTS: Final = Counter(
    "sekisho_http_requests",
    "Requests answered.",
    ["listener", "method", "route", "status"],
)
HTTP_SECONDS: Final = Histogram(
    "sekisho_http_request_seconds",
    "From the request's headers to its response.",
    ["listener", "route"],
    buckets=_SECONDS,
)
HTTP_PROBLEMS: Final = Counter(
    "sekisho_http_problems", "Problem documents answered.", ["listener", "problem"]
)
HTTP_CONNECTIONS: Final = Gauge(
    "sekisho_http_connections",
    "Open connections.",
    ["listener"],
    multiprocess_mode="livesum",
)
HTTP_CONNECTIONS_REFUSED: Final = Counter(
    "sekisho_http_connections_refused",
    "Connections closed by a limit or in the handshake.",
    ["listener", "reason"],
)

# Log lines.
LOG_LINES: Final = Counter("sekisho_log_lines", "Log lines written.", ["level"])
LOG_FIELDS_DROPPED: Final = Counter(
    "sekisho_log_fields_dropped", "Fields left out of log lines: not on the allow-list."
)

# Processes.
WORKERS_READY: Final = Gauge(
    "sekisho_workers_ready",
    "Workers that say they are ready.",
    multiprocess_mode="mostrecent",
)
WORKERS_WANTED: Final = Gauge(
    "sekisho_workers_wanted", "Workers there should be.", multiprocess_mode="mostrecent"
)
WORKER_RESTARTS: Final = Counter("sekisho_worker_restarts", "Workers started again after a death.")

LOCKED: Final = Gauge(
    "sekisho_locked",
    "1 while nobody has typed what opens the master key, else 0.",
    multiprocess_mode="mostrecent",
)
UNLOCK_ATTEMPTS: Final = Counter(
    "sekisho_unlock_attempts",
    "Attempts to unlock: unlocked, wrong, too-early, failed for another reason.",
    ["outcome"],
)

# Exchanges.
INQUIRIES: Final = Counter("sekisho_inquiries", "Inquiries that came to an end.", ["outcome"])
PROVISIONS: Final = Counter("sekisho_provisions", "Items of provision answered.", ["outcome"])
PERMITS: Final = Counter("sekisho_permits", "Permit requests decided by the core.", ["outcome"])
SECURITY_EVENTS: Final = Counter(
    "sekisho_security_events", "What was refused before it was authentic.", ["listener", "kind"]
)

# Lanes (PROTOCOL §3).
LANE_ITEMS: Final = Histogram(
    "sekisho_lane_message_items", "Items that travelled together.", ["peer"], buckets=_ITEMS
)
LANE_SECONDS: Final = Histogram(
    "sekisho_lane_message_seconds", "One message, there and back.", ["peer"], buckets=_SECONDS
)
LANE_WAITING: Final = Gauge(
    "sekisho_lane_waiting_items", "Items waiting in a lane.", ["peer"], multiprocess_mode="livesum"
)
NOTICES_SET_ASIDE: Final = Counter(
    "sekisho_notices_set_aside", "Notices that could not be recorded and wait for an operator."
)
OUTBOX_WAITING: Final = Gauge(
    "sekisho_outbox_waiting_rows",
    "Messages stored and not yet acknowledged.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
OUTBOX_REFUSED: Final = Gauge(
    "sekisho_outbox_refused_rows",
    "Stored messages that their destination refused at the last attempt.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
OUTBOX_DROPPED: Final = Counter(
    "sekisho_outbox_dropped_rows",
    "Stored messages given up: refused for good, or not taken in their time.",
    ["kind", "reason"],
)

# Records (PROTOCOL §5).
RECORDS: Final = Counter("sekisho_records", "Entries committed.", ["kind"])
RECORD_BATCH_ENTRIES: Final = Histogram(
    "sekisho_record_batch_entries", "Entries of one commit.", buckets=_ITEMS
)
RECORD_COMMIT_SECONDS: Final = Histogram(
    "sekisho_record_commit_seconds", "From a batch's forming to its commit.", buckets=_SECONDS
)
RECORD_SIGN_SECONDS: Final = Histogram(
    "sekisho_record_sign_seconds", "Signing one checkpoint.", buckets=_SECONDS
)
RECORD_QUEUE: Final = Gauge(
    "sekisho_record_queue_entries", "Entries waiting for a commit.", multiprocess_mode="livesum"
)
RECORD_SLOTS_STOPPED: Final = Counter(
    "sekisho_record_slots_stopped", "Slots stopped by an unknown result."
)
RECORD_SLOTS_FROZEN: Final = Gauge(
    "sekisho_record_slots_frozen",
    "Slots that lost what was released from them; nothing is written there any more.",
    multiprocess_mode="livemax",
)
RECORD_SLOTS_BROKEN: Final = Gauge(
    "sekisho_record_slots_broken",
    "Slots whose stored entries did not lead to their root when a worker last started.",
    multiprocess_mode="mostrecent",
)
RECORD_SLOT_AHEAD: Final = Gauge(
    "sekisho_record_slot_ahead_seconds",
    "How far the last entry of a worker's slot was in the future at the last batch.",
    multiprocess_mode="livemax",
)
DATABASE_CLOCK_OFF: Final = Gauge(
    "sekisho_database_clock_off_seconds",
    "How far the clock of a worker and the database's were apart at the last batch.",
    multiprocess_mode="livemax",
)
RECONCILIATION_REPAIRED: Final = Counter(
    "sekisho_reconciliation_repaired",
    "What reconciling with the core found missing and repaired.",
    ["reason"],
)
RECONCILIATION_DIFFERENCES: Final = Gauge(
    "sekisho_reconciliation_different_items",
    "What differed from the core's records in the last night, and nobody repaired.",
    multiprocess_mode="mostrecent",
)
RECONCILIATION_DONE: Final = Gauge(
    "sekisho_reconciliation_done_timestamp_seconds",
    "When the last nightly reconciliation came to its end.",
    multiprocess_mode="mostrecent",
)
DECISIONS_WRONG: Final = Gauge(
    "sekisho_provision_check_wrong_items",
    "Decisions of the days last checked that law, switches, flags or rules do not explain.",
    multiprocess_mode="mostrecent",
)
DECISIONS_CHECKED: Final = Gauge(
    "sekisho_provision_check_done_timestamp_seconds",
    "When the last nightly check of decisions came to its end.",
    multiprocess_mode="mostrecent",
)

RECORD_MONTHS_READY: Final = Gauge(
    "sekisho_record_months_ready",
    "Months to come that records can already be written in; two are wanted.",
    multiprocess_mode="mostrecent",
)

# Witnesses (PROTOCOL §5).
WITNESSED: Final = Counter(
    "sekisho_witnessed_checkpoints",
    "Requests of others to cosign a checkpoint, answered.",
    ["outcome"],
)
COSIGNED_FORGOTTEN: Final = Counter(
    "sekisho_cosigned_forgotten",
    "Times that the database was found behind what this witness signed, or other than it.",
)
COSIGNING_UNCONFIRMED: Final = Gauge(
    "sekisho_cosigning_unconfirmed",
    "1 while logs without a mark are not cosigned: the database came without its marks.",
    multiprocess_mode="livemax",
)
WITNESS_LAG_SECONDS: Final = Gauge(
    "sekisho_witness_lag_seconds",
    "Age of our oldest entry that not enough witnesses have cosigned.",
    multiprocess_mode="livemax",
)
WITNESS_BEHIND_SECONDS: Final = Gauge(
    "sekisho_witness_behind_seconds",
    "Age of our oldest entry that this witness has not cosigned.",
    ["peer"],
    multiprocess_mode="livemax",
)
WITNESS_IDLE_SECONDS: Final = Gauge(
    "sekisho_witness_idle_seconds",
    "Age of the last cosignatures of the slot that enough witnesses have not signed for longest.",
    multiprocess_mode="livemax",
)
WITNESS_CONFLICTS: Final = Gauge(
    "sekisho_witness_conflicts",
    "Slots of ours of which a witness holds another tree, counted for each witness.",
    multiprocess_mode="livemax",
)
PEER_SLOT_UNPROVED_SECONDS: Final = Gauge(
    "sekisho_peer_slot_unproved_seconds",
    "How long ago the peer's slot proved longest ago was proved to be one tree.",
    multiprocess_mode="livemax",
)
FORKS_FOUND: Final = Counter(
    "sekisho_forks_found", "Logs of others found to have signed two trees."
)

# Trust.
DIRECTORY_VERSION: Final = Gauge(
    "sekisho_directory_version", "Directory version in use.", multiprocess_mode="livemin"
)
DIRECTORY_EXPIRES: Final = Gauge(
    "sekisho_directory_expires_timestamp_seconds",
    "When the directory in use runs out.",
    multiprocess_mode="livemin",
)
DIRECTORIES_REFUSED: Final = Counter(
    "sekisho_directories_refused", "Directories the core served that nobody may follow.", ["reason"]
)
PEERS_UNCONFIRMED: Final = Gauge(
    "sekisho_peers_unconfirmed",
    "Peers whose new keys nobody has confirmed; they stay on their old ones.",
    multiprocess_mode="livemax",
)
KEY_EXPIRES: Final = Gauge(
    "sekisho_key_expires_timestamp_seconds",
    "When a key or certificate of ours runs out.",
    ["what"],
    multiprocess_mode="livemin",
)
KEYS_DESTROYED: Final = Counter(
    "sekisho_keys_destroyed",
    "Keys destroyed: private halves that were replaced, keys of what is over.",
    ["what"],
)
CRYPTO_SECONDS: Final = Counter(
    "sekisho_crypto_thread_seconds",
    "Thread time of the work nobody can leave out; counted for `sekisho bench` alone.",
    ["operation"],
)

# Terms (DESIGN §2.10).
RETENTION_DONE: Final = Gauge(
    "sekisho_retention_done_timestamp_seconds",
    "When what is past its term was last ended without a problem.",
    ["what"],
    multiprocess_mode="livemax",
)

# Backups.
BACKUP_TAKEN: Final = Gauge(
    "sekisho_backup_taken_timestamp_seconds",
    "When the last backup of this kind was taken, by `sekisho backup create` on this machine.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
KEY_STORE_COPIES_OVERDUE: Final = Gauge(
    "sekisho_key_store_copies_overdue",
    "Copies of the key store older than 35 days that could not be removed or reached.",
    multiprocess_mode="mostrecent",
)

# People.
HOLDS_OPEN: Final = Gauge(
    "sekisho_holds_open", "Answers that wait for people.", multiprocess_mode="mostrecent"
)
HOLD_OLDEST_SECONDS: Final = Gauge(
    "sekisho_hold_oldest_seconds", "Age of the oldest open hold.", multiprocess_mode="mostrecent"
)


def forget_other_runs(directory: Path) -> None:
    """Drop the values of every run but the one that keeps its own in `directory`."""
    for other in directory.parent.iterdir():
        if other != directory and other.is_dir():
            shutil.rmtree(other, ignore_errors=True)


def exposition(directory: Path) -> bytes:
    """Return the values of all processes of this run in Prometheus' text format."""
    gathered = CollectorRegistry()
    MultiProcessCollector(gathered, path=str(directory))  # type: ignore[no-untyped-call]  # untyped there
    return generate_latest(gathered)


def forget_process(pid: int, directory: Path) -> None:
    """Take the live gauges of a dead process out; its counters stay counted."""
    mark_process_dead(pid, path=str(directory))  # type: ignore[no-untyped-call]  # untyped there
