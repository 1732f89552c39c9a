"""Export bundles made for tests of the offline verifier."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache, partial

from certs.log_keys import WitnessKey, WitnessPublicKey
from codes.canonical import instant
from gateway.records import bundle as bundles
from gateway.records.bundle import SlotExport, export_slot, write_bundle
from gateway.records.note import witness_name
from gateway.records.trust import LogTrust
from gateway.records.verify import Report, verify_bundle
from tests.unit.records import made

CORE = (witness_name(made.NETWORK, "core"), made.a_witness("core"))
PEER = (witness_name(made.NETWORK, "gunma-union"), made.a_witness("peer"))
THIRD = (witness_name(made.NETWORK, "audit-office"), made.a_witness("third"))
BEGINS = made.NOON + timedelta(minutes=10)
ENDS = made.NOON + timedelta(minutes=20)
SLOTS = 2


def witness_key(key: WitnessKey, _moment: datetime) -> WitnessPublicKey:
    return key.public


def trust(*witnesses: tuple[str, WitnessKey]) -> LogTrust:
    """Return whom to believe: the core as the only witness, or these."""
    known = dict(witnesses or (CORE,))
    return LogTrust(
        network=made.NETWORK,
        organisation=made.ORGANISATION,
        slots=SLOTS,
        log_keys=lambda _moment: made.a_signer().public,
        witnesses={name: partial(witness_key, key) for name, key in known.items()},
        named=lambda _moment: frozenset(known),
    )


def a_log(slot: int = 0) -> tuple[made.MadeLog, list[str]]:
    """Thirty entries, a minute apart, cosigned at sizes 5, 12, 15 and 30."""
    log, notes = made.MadeLog(slot=slot), []
    for size in (5, 12, 15, 30):
        log.grow(size - log.size)
        notes.append(log.note(cosigners=[CORE]))
    return log, notes


def an_export(
    log: made.MadeLog, notes: Sequence[str], *, first: int = 9, end: int = 21
) -> SlotExport:
    return export_slot(
        slot=log.slot,
        first=first,
        entries=[entry.raw for entry in log.entries[first:end]],
        leaves=[entry.leaf_hash for entry in log.entries[first:end]],
        notes=notes,
        node=log.state.node,
        private={9: log.entries[9].private_plaintext, 12: log.entries[12].private_plaintext},
    )


def a_bundle(
    *exports: SlotExport, begins: datetime = BEGINS, ends: datetime = ENDS
) -> bundles.Files:
    return dict(
        write_bundle(
            network=made.NETWORK,
            organisation=made.ORGANISATION,
            begins=instant(begins),
            ends=instant(ends),
            directory=b"{}",
            slots=exports,
        )
    )


@cache
def logs() -> tuple[tuple[made.MadeLog, list[str]], ...]:
    return tuple(a_log(slot) for slot in range(SLOTS))


@cache
def exports() -> tuple[SlotExport, ...]:
    return tuple(an_export(log, notes) for log, notes in logs())


def verify(
    *exports: SlotExport,
    foreign: Sequence[str] = (),
    witnesses: Sequence[tuple[str, WitnessKey]] = (),
) -> Report:
    return verify_bundle(a_bundle(*exports), trust=trust(*witnesses), foreign_notes=foreign)


def faults(report: Report) -> list[tuple[int, int | None, str]]:
    return [(fault.slot, fault.index, fault.reason) for fault in report.faults]
