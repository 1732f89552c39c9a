"""Records that are lost, and losses that are made up, hidden, or told otherwise than they were."""

from collections.abc import Sequence
from typing import Any

from codes.canonical import b64
from gateway.records.bundle import Files
from tests.damage.good import COSIGNED, Good, at
from tests.damage.kept import UNPROVED, case_of
from tests.damage.lossy import AFTER, IN_IT, LEFT, LOST, SEEN, TOLD, Lossy
from tests.unit.records import made


def _told(good: Good, **telling: Any) -> Files:
    """Return the bundle of the time after a loss of which something else is told."""
    return Lossy(good=good, telling=telling).files(AFTER)


@case_of("records were lost in the period, as the log tells", reason="lost", slot=LOST, index=LEFT)
def lost_records(good: Good) -> Files:
    return Lossy(good=good).files(IN_IT)


@case_of(
    "rows that were never signed stood in their place, as the log tells",
    reason="lost",
    slot=LOST,
    index=SEEN,
)
def lost_to_other_rows(good: Good) -> Files:
    return Lossy(good=good, is_prefix=False).files(IN_IT)


@case_of(
    "a witness signed what was left, just before the loss was told",
    reason="lost",
    slot=LOST,
    index=LEFT,
)
def lost_and_cosigned(good: Good) -> Files:
    return Lossy(good=good, seen_late=27).files(IN_IT)


@case_of("a witness signed what was left, long after the loss", reason="lost", slot=LOST, index=15)
def lost_and_cosigned_later(good: Good) -> Files:
    return Lossy(good=good, seen_late=41).files(IN_IT)


@case_of(
    "witnesses signed the entry that tells of the loss only when the period was over",
    reason="lost",
    slot=LOST,
    index=LEFT,
)
def loss_seen_late(good: Good) -> Files:
    return Lossy(good=good, told_sizes=COSIGNED[:-1]).files(AFTER)


@case_of("a slot ended before the period, and nothing tells why", reason=UNPROVED)
def loss_stripped(good: Good) -> Files:
    return Lossy(good=good).files(AFTER, proofs=[])


@case_of(
    "the log tells of a loss, and the bundle keeps it closed", reason="loss-unproved", index=16
)
def loss_closed(good: Good) -> Files:
    return Lossy(good=good, seen_late=41).files(IN_IT, proofs=[])


@case_of("a loss is told that the log knows nothing of", reason="loss-unproved", index=TOLD)
def made_up_loss(good: Good) -> Files:
    lossy = Lossy(good=good)
    entry = lossy.logs[0].entries[TOLD]
    forged = made.an_entry("log-loss", members={}, private={"slot": LOST}, number=99, time=at(TOLD))
    assert forged.raw != entry.raw
    proof = lossy.proof(entry=forged.raw, private=forged.private_plaintext)
    return lossy.files(AFTER, proofs=[proof])


@case_of("the loss is said to stand elsewhere in the log", reason="loss-unproved", index=TOLD + 1)
def loss_moved(good: Good) -> Files:
    lossy = Lossy(good=good)
    return lossy.files(AFTER, proofs=[lossy.proof(index=TOLD + 1)])


@case_of("an entry of another kind tells of the loss", reason="loss-unproved", index=TOLD)
def loss_by_another_kind(good: Good) -> Files:
    return Lossy(good=good, kind="records-read").files(AFTER)


@case_of("the private part of the loss is edited", reason="loss-unproved", index=TOLD)
def loss_edited(good: Good) -> Files:
    lossy = Lossy(good=good, telling={"known_size": 17})
    private = lossy.proof().private.replace(b'"known_size":17', b'"known_size":15')
    return lossy.files(AFTER, proofs=[lossy.proof(private=private)])


@case_of("the loss tells of another slot", reason=UNPROVED)
def loss_of_another_slot(good: Good) -> Files:
    return _told(good, slot=2)


@case_of("the loss tells that more is left", reason=UNPROVED)
def loss_of_another_range(good: Good) -> Files:
    return _told(good, size=LEFT + 1)


@case_of("the loss names a root that is not this tree's", reason=UNPROVED)
def loss_with_another_root(good: Good) -> Files:
    return _told(good, root=b64(bytes(32)))


@case_of(
    "a slot that ended with a loss goes on, as a peer shows", reason="truncated", slot=1, index=15
)
def lost_slot_goes_on(good: Good) -> tuple[Files, Sequence[str]]:
    return Lossy(good=good).files(AFTER), [good.logs[LOST].note(20, at=at(36), cosigners=[])]
