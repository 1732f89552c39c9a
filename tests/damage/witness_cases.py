"""A log that two witnesses stand for: what one of them alone does not prove."""

from dataclasses import replace

from certs.log_keys import WitnessKey
from gateway.records.bundle import Files, SlotExport
from tests.damage.good import PEER, Good, Log, at
from tests.damage.kept import UNPROVED, case_of
from tests.unit.certs.networks import entry, resigned

LATER = 25
"""Another tree than the core signed, and large enough for the period."""
SHORT = 20


def by_two(good: Good, *, second_size: int = LATER) -> Files:
    """Return the good bundle of a log with two witnesses, each with trees of its own sizes."""
    slots = [_export(good, log, second_size) for log in good.logs]
    return good.files(slots=slots, directory=_named(good, "core", PEER))


@case_of("only the core signed, and the directory names another witness too", reason=UNPROVED)
def only_the_core(good: Good) -> Files:
    return good.files(directory=_named(good, "core", PEER))


@case_of("the second witness signed too small a tree", reason=UNPROVED)
def second_witness_behind(good: Good) -> Files:
    return by_two(good, second_size=SHORT - 1)


def _named(good: Good, *witnesses: str) -> bytes:
    """Return the directory with these witnesses of the log."""
    return resigned(
        good.network, lambda signed: entry(signed, "nagaoka").update(witnesses=list(witnesses))
    )


def _export(good: Good, log: Log, size: int) -> SlotExport:
    key: WitnessKey = good.network.keys(PEER).witness
    name = f"testnet/{PEER}/witness"
    # The last entry of a tree is as old as its cosignature, so that nothing looks back-dated.
    second = log.note(size, cosigners=[(name, key)], at=at(max(size - 1, SHORT)))
    return replace(log, more_notes=(second,)).export()
