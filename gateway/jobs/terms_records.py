"""The terms of the record log, of what it rests on, and of the keys of everything (`terms.py`)."""

from typing import Final

from gateway.jobs.term import DAY, HOUR, Ender, Term
from gateway.storage.retention import Rows

STORAGE_KEYS: Final = "storage-keys"

RECORD_TERMS: Final = (
    Term(
        name="records",
        what="The record log: entries, peers' checkpoints and corrections they rest on",
        tables=(
            *("log_entries", "peer_checkpoints", "corrections_received"),
            *("legal_holds", "erasures", "erasure_approvals", "cosignatures"),
        ),
        kept="seven years from the entry, whole months only",
        ground="令30",
        ender=Ender.PEOPLE,
        every=HOUR,
        rows=(
            Rows(
                table="log_months",
                since="erasure_due_at(month)",
                where="to_regclass('log_entries_' || month) IS NOT NULL",
            ),
        ),
    ),
    Term(
        name="operation-records",
        what="Archives of operation records: how many rows, the digest of the sealed file",
        tables=("operation_archives",),
        kept="three months searched at once; then a signed archive a month, erased with it",
        ground="SYM-07: operation logs, seven years",
        ender=Ender.FLOW,
        every=HOUR,
        rows=(
            Rows(
                table="log_months",
                since="operations_leave_at(month)",
                where="to_regclass('log_entries_' || month) IS NOT NULL AND NOT EXISTS ("
                "SELECT FROM operation_archives AS a WHERE a.month = log_months.month)",
            ),
        ),
    ),
    Term(
        name="log-skeleton",
        what="What later proofs need: slots, months, tiles' roots, losses, forks, how far witnesses"
        " and we have cosigned",
        tables=(
            *("log_slots", "log_months", "log_tiles", "log_losses", "peer_slots"),
            *("log_minimums", "log_erased_leaves", "log_restored"),
            *("cosign_lease", "cosigned", "witnessed", "peer_proofs", "forks_found"),
        ),
        kept="for the life of the organisation; hashes of an erased month go with it",
        ground="PROTOCOL §5, Streams",
        ender=Ender.OWNER,
    ),
    Term(
        name="decision-basis",
        what="What decisions rest on: allow lists, bodies and release rules, and when each was in"
        " use; nothing personal",
        tables=("basis_documents", "decision_basis"),
        kept="for the life of the instance: records of decisions outlive what these rested on",
        ground="法23; each decision can be derived again",
        ender=Ender.OWNER,
    ),
    Term(
        name="trust",
        what="The highest directory version seen; peers whose keys wait for confirmation",
        tables=("directory_seen", "peers_unconfirmed"),
        kept="for the life of the instance; a peer until its keys are taken or replaced",
        ground="PROTOCOL §1",
        ender=Ender.OWNER,
    ),
    Term(
        name="schema",
        what="The gate, migrations, restores, tables cut by day, when nights were seen to",
        tables=(
            *("gate", "schema_migrations", "day_tables", "restores"),
            *("retention_runs", "nightly_jobs"),
        ),
        kept="for the life of the instance",
        ground="nothing personal",
        ender=Ender.OWNER,
    ),
    Term(
        name=STORAGE_KEYS,
        what="Keys that data at rest lies under, a table and year, or month where rows live for"
        " weeks",
        tables=(),
        kept="while a row lies under it, and 7 days after its year or month",
        ground="PROTOCOL §5, Erasure: no older backup of the database opens with what is left",
        ender=Ender.FLOW,
        every=DAY,
    ),
)
