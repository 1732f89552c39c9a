"""A person's exchanges put together: one row each, corrected, without what a mark leaves out."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.records.disclosure import Exchange, OwnEntry, exchanges_of
from gateway.records.marks import OthersCorrection, OwnCorrection
from tests.unit.records import made

PERMIT = "a" * 32
FIRST = datetime(2026, 7, 1, 3, tzinfo=UTC)
_BY_MINUTE = "2026-07-01T03:{:02d}:00.000Z"


def entry(
    kind: str, number: int, minute: int, *, flags: tuple[str, ...] = (), **members: object
) -> OwnEntry:
    found = made.an_entry(
        kind,
        members={**made.MEMBERS[kind], **members},
        number=number,
        time=FIRST + timedelta(minutes=minute),
    )
    return OwnEntry(
        entry_id=found.public.id,
        leaf=found.leaf_hash.hex(),
        public=found.public,
        private={"flags": list(flags)},
    )


INQUIRY = entry("inquiry", 1, 0)
RECEIPT = entry(
    "receipt",
    2,
    2,
    inquiry_leaf=INQUIRY.leaf,
    outcome="provided",
    reason=None,
    permit_id=PERMIT,
    requested_at=_BY_MINUTE.format(1),
    provided_at=_BY_MINUTE.format(2),
    payload="7" * 64,
    non_disclosure=0,
    non_disclosure_provider=0,
)
WITHHELD = entry(
    "provision",
    3,
    2,
    outcome="withheld",
    payload=None,
    provided_at=None,
    non_disclosure_provider=0,
)
DELIVERY = entry(
    "delivery",
    4,
    9,
    outcome="provided",
    payload="7" * 64,
    requested_at=_BY_MINUTE.format(1),
    non_disclosure=0,
    non_disclosure_provider=0,
)


def ours(
    of: OwnEntry, minute: int, *, permit_id: str | None = PERMIT, **members: object
) -> OwnCorrection:
    return OwnCorrection(
        entry_id=f"{minute:032x}",
        corrected_id=of.entry_id,
        permit_id=permit_id,
        time=_BY_MINUTE.format(minute),
        members=members,
    )


def theirs(mark: int | None, minute: int) -> OthersCorrection:
    return OthersCorrection(
        entry_id=f"{minute:032x}",
        party="gunma-union",
        permit_id=PERMIT,
        time=_BY_MINUTE.format(minute),
        non_disclosure=mark,
    )


def only(exchanges: list[Exchange]) -> Exchange:
    (one,) = exchanges
    return one


def test_an_inquiry_and_its_receipt_are_one_exchange() -> None:
    one = only(exchanges_of([RECEIPT, INQUIRY], [], []))

    assert (one.direction, one.permit_id, one.outcome) == ("asked", PERMIT, "provided")
    assert one.requested_at == _BY_MINUTE.format(1)
    assert one.provided_at == _BY_MINUTE.format(2)
    assert (one.inquirer_body, one.provider_body) == (made.BODY, made.OTHER_BODY)
    assert (one.department, one.citation) == ("国保年金課", "115/117/6/ロ")
    assert one.information == INQUIRY.public.information  # type: ignore[attr-defined]
    assert (one.act21_2, one.corrected_at, one.is_left_out) == (False, None, False)


def test_an_inquiry_without_an_answer_was_requested_when_we_asked() -> None:
    one = only(exchanges_of([INQUIRY], [], []))

    assert (one.requested_at, one.outcome, one.provided_at) == (
        INQUIRY.public.time,
        "unanswered",
        None,
    )


def test_a_held_answer_and_its_delivery_are_one_exchange_provided_when_it_left() -> None:
    one = only(exchanges_of([WITHHELD, DELIVERY], [], []))

    assert (one.direction, one.outcome) == ("provided", "provided")
    assert one.provided_at == DELIVERY.public.time


def test_an_answer_that_gives_nothing_has_no_time_of_provision() -> None:
    denied = entry("delivery", 4, 9, requested_at=_BY_MINUTE.format(1))

    one = only(exchanges_of([WITHHELD, denied], [], []))

    assert (one.outcome, one.provided_at) == ("denied", None)


def test_corrections_of_any_entry_of_an_exchange_are_applied_and_the_last_wins() -> None:
    corrections = [
        ours(RECEIPT, 30, department="税務課"),
        ours(
            INQUIRY,
            20,
            department="福祉課",
            information={"term": "T", "scope": "S", "items": ["I"]},
        ),
        ours(INQUIRY, 40, non_disclosure=0),
    ]

    one = only(exchanges_of([INQUIRY, RECEIPT], corrections, []))

    assert one.department == "税務課"
    assert one.information is not None
    assert (one.information.term, one.information.items) == ("T", ("I",))
    assert one.corrected_at == _BY_MINUTE.format(30)  # a mark is no fact of the exchange


@pytest.mark.parametrize(
    ("entries", "own", "others", "is_left_out"),
    [
        ([INQUIRY, RECEIPT], [], [], False),
        ([INQUIRY, RECEIPT], [ours(INQUIRY, 20, non_disclosure=1)], [], True),
        (
            [INQUIRY, RECEIPT],
            [ours(INQUIRY, 20, non_disclosure=1), ours(RECEIPT, 30, non_disclosure=0)],
            [],
            False,
        ),
        ([INQUIRY, RECEIPT], [], [theirs(1, 20)], True),
        ([INQUIRY, RECEIPT], [], [theirs(1, 30), theirs(0, 20)], True),
        ([INQUIRY, RECEIPT], [], [theirs(1, 20), theirs(0, 30)], False),
        ([INQUIRY, RECEIPT], [], [theirs(None, 20)], False),
        # Ours lifted does not lift theirs, nor theirs ours.
        ([entry("provision", 3, 2)], [], [theirs(0, 30)], True),
        ([INQUIRY, RECEIPT], [ours(INQUIRY, 30, non_disclosure=0)], [theirs(1, 20)], True),
        ([WITHHELD, DELIVERY], [ours(WITHHELD, 20, non_disclosure_provider=1)], [], True),
        ([WITHHELD, DELIVERY], [], [theirs(1, 20)], True),
        ([entry("inquiry", 1, 0, non_disclosure=1)], [], [], True),
        ([entry("provision", 3, 2)], [], [], True),  # the provider's mark of its own day
        (
            [entry("provision", 3, 2)],
            [ours(WITHHELD, 20, non_disclosure_provider=0)],
            [],
            False,
        ),
    ],
)
def test_a_mark_that_stands_on_either_side_leaves_the_exchange_out(
    entries: list[OwnEntry],
    own: list[OwnCorrection],
    others: list[OthersCorrection],
    is_left_out: bool,  # noqa: FBT001  # the expectation
) -> None:
    assert only(exchanges_of(entries, own, others)).is_left_out == is_left_out


def test_a_held_answer_about_somebody_flagged_is_left_out_though_it_shows_no_mark() -> None:
    held = entry(
        "provision",
        3,
        2,
        flags=("automatic-answer-disabled", "record-not-disclosed"),
        outcome="withheld",
        payload=None,
        non_disclosure_provider=0,
    )

    assert only(exchanges_of([held], [], [])).is_left_out


def test_who_asks_itself_has_both_sides_and_corrects_each_for_itself() -> None:
    both = exchanges_of(
        [INQUIRY, RECEIPT, WITHHELD, DELIVERY], [ours(DELIVERY, 20, department="福祉課")], []
    )

    assert {one.direction: one.department for one in both} == {
        "asked": "国保年金課",
        "provided": "福祉課",
    }


def test_exchanges_stand_in_the_order_they_were_requested() -> None:
    later = entry("inquiry", 9, 30)

    found = exchanges_of([later, RECEIPT, INQUIRY], [], [])

    assert [one.requested_at for one in found] == [_BY_MINUTE.format(1), later.public.time]
