"""A party's records of a permit held against the core's word, changed in one place at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from gateway.records.entry import ParsedEntry
from gateway.records.reconcile_core import OwnRecords, PermitAtCore, ToldAtCore, compare
from tests.unit.records.test_reconcile import (
    CORE,
    NAGAOKA,
    PERMIT_ID,
    UNION,
    Story,
    entry,
    leaf,
)

IMMIGRATION = "immigration"


@dataclass
class Told:
    """The story of one exchange, and the core's words about it."""

    story: Story = field(default_factory=Story.told)
    told: list[ToldAtCore] = field(default_factory=list)
    changes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for party, kind in ((NAGAOKA, "provision"), (NAGAOKA, "delivery")):
            self.told.append(self._word(party, self.story.one(party, kind), kind))
        for number, answer in enumerate(("provision", "delivery")):
            of = leaf(self.story.one(NAGAOKA, answer))
            word = self._word(UNION, self.story.one(UNION, "receipt", number), "receipt")
            self.told.append(replace(word, of=of))

    @staticmethod
    def _word(party: str, entry: ParsedEntry, kind: str) -> ToldAtCore:
        outcome: str = entry.public.outcome  # type: ignore[attr-defined]  # an answer or a receipt
        return ToldAtCore(party=party, kind=kind, outcome=outcome, leaf=leaf(entry))

    def permit(self) -> PermitAtCore:
        inquiry, permit = self.story.one(UNION, "inquiry"), self.story.one(CORE, "permit")
        as_it_was = PermitAtCore(
            permit_id=PERMIT_ID,
            inquirer=UNION,
            provider=NAGAOKA,
            inquiry_leaf=leaf(inquiry),
            permit_leaf=leaf(permit),
            told=tuple(self.told),
        )
        return replace(as_it_was, **self.changes)  # type: ignore[arg-type]  # texts alone

    def found(
        self, organisation: str, *, is_over: bool = True, is_silence: bool = True
    ) -> set[tuple[str, str]]:
        own = OwnRecords(
            organisation=organisation,
            entries=[
                one
                for one in self.story.entries.get(organisation, ())
                if one.public.kind == "inquiry" or getattr(one.public, "permit_id", None)
            ],
            is_over=is_over,
            is_silence=is_silence,
        )
        return {(one.organisation, one.reason) for one in compare(own, self.permit())}

    def change(self, number: int, **members: str) -> None:
        self.told[number] = replace(self.told[number], **members)


PROVISION, DELIVERY, FIRST_RECEIPT, SECOND_RECEIPT = range(4)


@pytest.mark.parametrize("organisation", [UNION, NAGAOKA, IMMIGRATION])
def test_who_says_the_same_as_the_core_differs_in_nothing(organisation: str) -> None:
    assert Told().found(organisation) == set()


@pytest.mark.parametrize(
    ("spoil", "at_union", "at_nagaoka"),
    [
        (
            lambda t: t.told.pop(DELIVERY),
            {(NAGAOKA, "provision-missing")},
            {(CORE, "outcome-missing")},
        ),
        (
            lambda t: t.told.pop(SECOND_RECEIPT),
            {(CORE, "outcome-missing")},
            {(UNION, "receipt-missing")},
        ),
        (
            lambda t: t.change(PROVISION, outcome="denied"),
            {(CORE, "outcome-differs")},
            {(CORE, "outcome-differs")},
        ),
        (
            lambda t: t.change(FIRST_RECEIPT, outcome="denied"),
            {(CORE, "outcome-differs")},
            {(UNION, "outcome-differs")},
        ),
        (
            lambda t: t.change(FIRST_RECEIPT, leaf="0" * 64),
            {(CORE, "outcome-missing"), (CORE, "outcome-unknown")},
            set(),
        ),
        (
            lambda t: t.change(FIRST_RECEIPT, of="0" * 64),
            set(),
            {(NAGAOKA, "provision-missing"), (UNION, "receipt-missing")},
        ),
        (
            lambda t: t.story.drop(UNION, "receipt", 1),
            {(UNION, "receipt-missing"), (CORE, "outcome-unknown")},
            set(),
        ),
        (
            lambda t: t.story.drop(NAGAOKA, "delivery"),
            set(),
            {(CORE, "outcome-unknown"), (NAGAOKA, "provision-missing")},
        ),
        (
            lambda t: t.changes.update(permit_leaf="0" * 64),
            set(),
            {(CORE, "permit-leaf-differs")},
        ),
        (
            lambda t: t.changes.update(inquiry_leaf="0" * 64),
            {(CORE, "inquiry-leaf-differs")},
            {(CORE, "inquiry-leaf-differs")},
        ),
    ],
)
def test_each_thing_that_does_not_fit_is_named(
    spoil: Callable[[Told], None],
    at_union: set[tuple[str, str]],
    at_nagaoka: set[tuple[str, str]],
) -> None:
    told = Told()

    spoil(told)

    assert (told.found(UNION), told.found(NAGAOKA)) == (at_union, at_nagaoka)


def test_what_may_still_come_is_not_missing() -> None:
    told = Told()
    told.told.clear()

    assert told.found(UNION, is_over=False, is_silence=False) == set()
    assert told.found(NAGAOKA, is_over=False, is_silence=False) == set()
    assert told.found(NAGAOKA, is_silence=False) == {(CORE, "outcome-missing")}


def test_an_answer_without_our_receipt_is_missing_once_the_request_is_over() -> None:
    told = Told()
    told.story.entries[UNION] = [told.story.one(UNION, "inquiry")]
    told.told = [one for one in told.told if one.party == NAGAOKA]

    assert told.found(UNION) == {(UNION, "receipt-missing")}
    assert told.found(UNION, is_over=False) == set()


def test_a_permit_that_was_never_presented_wants_a_notice() -> None:
    told = Told()
    told.story.entries[NAGAOKA], told.told = [], []
    told.story.entries[UNION] = [told.story.one(UNION, "inquiry")]
    nothing = told.found(NAGAOKA)

    told.story.entries[NAGAOKA] = [entry(NAGAOKA, "lapsed", permit_id=PERMIT_ID)]

    assert nothing == {(NAGAOKA, "notice-missing")}
    assert told.found(NAGAOKA) == set()
    assert told.found(UNION) == set()


def test_a_receipt_of_the_permit_alone_wants_no_answer_of_the_provider() -> None:
    told = Told()
    inquiry, permit = told.story.one(UNION, "inquiry"), told.story.one(CORE, "permit")
    failed = entry(
        UNION,
        "receipt",
        peer=CORE,
        inquiry_leaf=leaf(inquiry),
        answer_leaf=leaf(permit),
        permit_id=PERMIT_ID,
        outcome="failed",
        payload=None,
    )
    told.story.entries[UNION] = [inquiry, failed]
    told.story.entries[NAGAOKA] = [entry(NAGAOKA, "notified", permit_id=PERMIT_ID)]
    word = Told._word(UNION, failed, "receipt")
    told.told = [replace(word, of=leaf(permit))]

    assert told.found(UNION) == set()
    assert told.found(NAGAOKA) == set()
