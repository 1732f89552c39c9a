"""The seal of a slot is of every fact, of this key, and of nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certs.boxes import SecretKey
from certs.errors import SlotSealError
from certs.slot_seal import SlotFacts, slot_seal, verify_slot_seal

KEY = SecretKey("secret/slot-seal", bytes(range(64)))
FACTS = SlotFacts(
    origin="test/nagaoka/log/3",
    size=258,
    root=b"r" * 32,
    last_time=datetime(2026, 11, 30, 14, 59, 59, 999_999, tzinfo=UTC),
    signed_size=256,
    signed_root=b"s" * 32,
)
GOLDEN = "3c611f8357542fc67aeffc6313f4ba8460c5cbbd5653686db7fa2988646b613a"


def test_the_golden_seal_is_made_again() -> None:
    assert slot_seal(KEY, FACTS).hex() == GOLDEN
    verify_slot_seal(KEY, FACTS, bytes.fromhex(GOLDEN))


@pytest.mark.parametrize(
    "other",
    [
        replace(FACTS, origin="test/nagaoka/log/4"),
        replace(FACTS, size=257),
        replace(FACTS, size=-1),
        replace(FACTS, root=b"R" * 32),
        replace(FACTS, last_time=datetime(2026, 11, 30, 14, 59, 59, 999_998, tzinfo=UTC)),
        replace(FACTS, last_time=None),
        replace(FACTS, last_time=datetime.max),  # noqa: DTZ901 - as a driver reads `infinity`
        replace(FACTS, signed_size=258),
        replace(FACTS, signed_root=b"r" * 32),
        replace(FACTS, size=256, signed_size=258),
        replace(FACTS, root=b"s" * 32, signed_root=b"r" * 32),
        replace(FACTS, root=b"r" * 31),
        replace(FACTS, signed_root=b"s" * 33),
    ],
)
def test_a_seal_is_of_no_other_fact(other: SlotFacts) -> None:
    with pytest.raises(SlotSealError) as refused:
        verify_slot_seal(KEY, other, slot_seal(KEY, FACTS))

    assert refused.value.reason == "not-sealed"


def test_nobody_without_the_key_makes_a_seal() -> None:
    stranger = SecretKey("secret/slot-seal", bytes(64))

    for seal in (slot_seal(stranger, FACTS), b"", slot_seal(KEY, FACTS)[:-1]):
        with pytest.raises(SlotSealError):
            verify_slot_seal(KEY, FACTS, seal)


def test_instants_are_told_apart_whatever_their_zone() -> None:
    assert FACTS.last_time is not None
    moved = FACTS.last_time + timedelta(hours=9)

    assert slot_seal(KEY, replace(FACTS, last_time=moved)) != slot_seal(KEY, FACTS)
