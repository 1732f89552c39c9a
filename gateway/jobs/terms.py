"""The table of terms: every kind of data, how long it is kept, why, and who ends it (DESIGN §2.10).

Every table of the schema stands in one row at least; a test sees to it. docs/reference/retention.md
is written from here.
"""

from collections.abc import Iterator
from typing import Final

from gateway.flows.acquire_codes import KEPT_AFTER_END as ACQUISITION_KEPT
from gateway.flows.acquire_codes import NUMBER_LIFE
from gateway.flows.flags import KEPT_AFTER_END as FLAG_KEPT
from gateway.flows.load_replicas import ABANDONED_AFTER
from gateway.flows.release import KEPT_AFTER_EXPIRY as HOLD_KEPT
from gateway.flows.switch_measures import KEPT_AFTER_END as SWITCH_KEPT
from gateway.flows.wanted_codes import KEPT as WANTED_KEPT
from gateway.jobs.inquiries import (
    KEPT_AFTER_ACKNOWLEDGEMENT,
    KEPT_FOR_RECONCILING,
    OPEN_LIFE,
    RESULT_LIFE,
)
from gateway.jobs.term import HOUR, MINUTE, OFTEN, Ender, Term
from gateway.jobs.terms_copies import COPY_TERMS
from gateway.jobs.terms_core import CORE_TERMS
from gateway.jobs.terms_records import RECORD_TERMS
from gateway.storage.retention import Rows

_EXCHANGE: Final = (
    Term(
        name="inquiries-ended",
        what="Inquiries whose result was handed over",
        tables=("inquiries",),
        kept="7 days after the acknowledgement",
        ground="a caller may ask again; the evidence is in the log",
        ender=Ender.JOB,
        every=MINUTE,
        rows=(
            Rows(
                table="inquiries",
                since="acknowledged_at",
                where="acknowledged_at IS NOT NULL AND state NOT IN ('lapsed', 'withdrawn')",
            ),
        ),
        after=KEPT_AFTER_ACKNOWLEDGEMENT,
    ),
    Term(
        name="inquiries-given-up",
        what="Inquiries that ended without an answer",
        tables=("inquiries",),
        kept="45 days, so that reconciling can still take in an answer that was lost",
        ground="法23; a request lives 30 days at most",
        ender=Ender.JOB,
        every=HOUR,
        rows=(
            Rows(
                table="inquiries",
                since="accepted_at",
                where="acknowledged_at IS NOT NULL AND state IN ('lapsed', 'withdrawn')",
            ),
        ),
        after=KEPT_FOR_RECONCILING,
    ),
    Term(
        name="inquiries-open",
        what="Inquiries without an answer",
        tables=("inquiries",),
        kept="7 days, or until the request expires; then an entry `inquiry-lapsed`",
        ground="命令85 41③; PROTOCOL §3",
        ender=Ender.FLOW,
        every=MINUTE,
        rows=(Rows(table="inquiries", since="accepted_at", where="state = 'open'"),),
        after=OPEN_LIFE,
    ),
    Term(
        name="results",
        what="Answers that the back office has not fetched",
        tables=("inquiries",),
        kept="until acknowledged, at most 30 days; then an entry `result-lapsed`",
        ground="PROTOCOL §3, Kept",
        ender=Ender.FLOW,
        every=MINUTE,
        rows=(
            Rows(
                table="inquiries",
                since="finished_at",
                where="finished_at IS NOT NULL AND acknowledged_at IS NULL",
            ),
        ),
        after=RESULT_LIFE,
    ),
    Term(
        name="idempotency-keys",
        what="Keys by which callers repeat themselves; nothing personal",
        tables=("idempotency_keys",),
        kept="7 days",
        ground="PROTOCOL §3, Kept",
        ender=Ender.JOB,
        every=MINUTE,
        rows=(Rows(table="idempotency_keys", since="expires_at"),),
    ),
    Term(
        name="answers",
        what="Sealed answers kept for a retry, and which inquiries were answered",
        tables=("answers", "answered_inquiries"),
        kept="until the core names the receipt, at most 8 days after the request expires; "
        "the fact alone 40 days",
        ground="PROTOCOL §3, Once and Kept",
        ender=Ender.DAYS,
        every=HOUR,
        days=("answers", "answered_inquiries"),
    ),
    Term(
        name="notices",
        what="The core's notices of permits",
        tables=("notices",),
        kept="until the permit is presented or the request expires; then an entry `lapsed`",
        ground="命令85 41③",
        ender=Ender.FLOW,
        every=OFTEN,
        rows=(Rows(table="notices", since="request_expires", where="set_aside_at IS NULL"),),
    ),
    Term(
        name="holds-open",
        what="Answers held for people",
        tables=("holds",),
        kept="until the request expires; then an entry `hold-lapsed`",
        ground="命令85 41③",
        ender=Ender.FLOW,
        every=MINUTE,
        rows=(
            Rows(table="holds", since="request_expires", where="state IN ('waiting', 'released')"),
        ),
    ),
    Term(
        name="holds-ended",
        what="Held answers that were decided or lapsed, with decisions and deliveries",
        tables=("holds", "hold_decisions", "deliveries"),
        kept="8 days after the request expired",
        ground="PROTOCOL §3, Kept",
        ender=Ender.JOB,
        every=MINUTE,
        rows=(
            Rows(
                table="holds",
                since="request_expires",
                where="state IN ('delivered', 'refused', 'lapsed', 'stopped')",
            ),
        ),
        after=HOLD_KEPT,
    ),
    Term(
        name="outbox",
        what="What others must be told; ids only",
        tables=("outbox",),
        kept="until acknowledged, at most as long as it is of use; then an alarm",
        ground="PROTOCOL §3",
        ender=Ender.FLOW,
        every=MINUTE,
        rows=(Rows(table="outbox", since="expires_at"),),
    ),
)

_PEOPLE: Final = (
    Term(
        name="replicas",
        what="Replicas and their batches",
        tables=("replicas", "replica_batches"),
        kept="until publication ends or a newer one counts; unfinished batches 1 day",
        ground="DESIGN §2.10",
        ender=Ender.FLOW,
        rows=(Rows(table="replica_batches", since="created_at", where="state = 'receiving'"),),
        after=ABANDONED_AFTER,
    ),
    Term(
        name="network-codes",
        what="Whose code is whose",
        tables=("network_codes",),
        kept="while the organisation knows the person",
        ground="番号法; 符号の紐付け",
        ender=Ender.OWNER,
    ),
    Term(
        name="acquisition-numbers",
        what="Acquisition numbers of codes under way",
        tables=("code_acquisitions",),
        kept="until the code is linked, at most 7 days",
        ground="法21の2③",
        ender=Ender.FLOW,
        rows=(Rows(table="code_acquisitions", since="requested_at", where="state = 'requested'"),),
        after=NUMBER_LIFE,
    ),
    Term(
        name="acquisitions-ended",
        what="Code acquisitions that are over, without their numbers",
        tables=("code_acquisitions",),
        kept="30 days after their end",
        ground="the registry asks how it went",
        ender=Ender.JOB,
        rows=(
            Rows(table="code_acquisitions", since="finished_at", where="finished_at IS NOT NULL"),
        ),
        after=ACQUISITION_KEPT,
    ),
    Term(
        name="codes-wanted",
        what="Requests of others for a code, with four facts of a person",
        tables=("code_wanted",),
        kept="until the registry has seen to it, at most 30 days",
        ground="令26③",
        ender=Ender.JOB,
        rows=(Rows(table="code_wanted", since="received_at"),),
        after=WANTED_KEPT,
    ),
    Term(
        name="subject-flags",
        what="Flags of people",
        tables=("subject_flags",),
        kept="while they stand, and 60 days longer: who lifted one approves no hold of that time",
        ground="PROTOCOL §3, Held answers",
        ender=Ender.JOB,
        rows=(
            Rows(
                table="subject_flags",
                since="least(lifted_at, until)",
                where="(lifted_at IS NOT NULL OR until IS NOT NULL)",
            ),
        ),
        after=FLAG_KEPT,
    ),
    Term(
        name="stop-switches",
        what="Stop switches; nothing personal but who set them",
        tables=("stop_switches",),
        kept="while they stand, and seven years longer",
        ground="as long as the records of what they stopped",
        ender=Ender.JOB,
        rows=(
            Rows(
                table="stop_switches",
                since="least(lifted_at, until)",
                where="(lifted_at IS NOT NULL OR until IS NOT NULL)",
            ),
        ),
        after=SWITCH_KEPT,
    ),
)

_DOORS: Final = (
    Term(
        name="client-tokens",
        what="Access tokens of back-office systems, as digests",
        tables=("access_tokens",),
        kept="10 minutes",
        ground="DESIGN §3",
        ender=Ender.JOB,
        rows=(Rows(table="access_tokens", since="expires_at"),),
    ),
    Term(
        name="client-assertions",
        what="Assertions seen before",
        tables=("client_assertions",),
        kept="the day after the one they expire on",
        ground="DESIGN §3: `jti` unique across workers",
        ender=Ender.DAYS,
        every=HOUR,
        days=("client_assertions",),
    ),
    Term(
        name="clients",
        what="Registrations of back-office systems",
        tables=("clients",),
        kept="for the life of the instance: names are not given twice",
        ground="records name them",
        ender=Ender.OWNER,
    ),
    Term(
        name="staff",
        what="Accounts of staff; a retired credential keeps its name alone",
        tables=("staff", "staff_credentials"),
        kept="for the life of the instance: records name them, names are not given twice",
        ground="PROTOCOL §3, Held answers",
        ender=Ender.OWNER,
    ),
    Term(
        name="staff-sessions",
        what="Sessions of staff and failed attempts, as keyed digests",
        tables=("staff_sessions", "staff_attempts"),
        kept="15 minutes idle, 9 hours at most; attempts 24 hours",
        ground="DESIGN §3",
        ender=Ender.JOB,
        rows=(
            Rows(table="staff_sessions", since="expires_at"),
            Rows(table="staff_sessions", since="used_at + interval '15 minutes'"),
            Rows(
                table="staff_attempts",
                since="greatest(last_at + interval '24 hours', blocked_until)",
            ),
        ),
    ),
)

_KEPT_BY_BOTH: Final = (*RECORD_TERMS, *COPY_TERMS)
TERMS: Final[tuple[Term, ...]] = (*_EXCHANGE, *_PEOPLE, *_DOORS, *_KEPT_BY_BOTH, *CORE_TERMS)


def terms_of(names: frozenset[str]) -> Iterator[Term]:
    """Yield the terms of these names, those that come round most often first."""
    yield from sorted((term for term in TERMS if term.name in names), key=lambda term: term.every)
