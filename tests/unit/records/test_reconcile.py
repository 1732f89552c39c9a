"""What three parties recorded about the same exchange, changed in one place at a time."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gateway.records.entry import ParsedEntry, parse_entry
from gateway.records.errors import RecordsError
from gateway.records.kinds import COMMON
from gateway.records.reconcile import PartyRecords, Reconciliation, reconcile
from tests.unit.records import made

UNION, NAGAOKA, CORE = "gunma-union", "nagaoka", "core"
PERMIT_ID = "a" * 32
_numbers = itertools.count(1)


def entry(organisation: str, kind: str, **members: object) -> ParsedEntry:
    given = {**made.MEMBERS[kind], **members}
    built = made.an_entry(
        kind,
        members={name: value for name, value in given.items() if value is not None},
        number=next(_numbers),
        organisation=organisation,
    )
    return parse_entry(built.raw)


def leaf(one: ParsedEntry) -> str:
    return one.leaf_hash.hex()


@dataclass
class Story:
    """One exchange as all three record it: the union asks, 長岡市 withholds and then delivers."""

    entries: dict[str, list[ParsedEntry]] = field(default_factory=dict)

    @classmethod
    def told(cls) -> "Story":
        inquiry = entry(UNION, "inquiry", provider=NAGAOKA)
        permit = entry(CORE, "permit", inquirer=UNION, provider=NAGAOKA, inquiry_leaf=leaf(inquiry))
        provision = entry(
            NAGAOKA,
            "provision",
            inquirer=UNION,
            inquiry_leaf=leaf(inquiry),
            permit_leaf=leaf(permit),
            outcome="withheld",
            payload=None,
        )
        delivery = entry(
            NAGAOKA,
            "delivery",
            inquirer=UNION,
            provision_leaf=leaf(provision),
            outcome="provided",
            payload="7" * 64,
        )
        held = receipt(inquiry, provision, outcome="withheld")
        got = receipt(inquiry, delivery, outcome="provided", payload="7" * 64)
        refused = entry(CORE, "refusal", counterparty=UNION)
        answers = [(NAGAOKA, provision), (NAGAOKA, delivery), (UNION, held), (UNION, got)]
        outcomes = [
            entry(CORE, "outcome", party=party, of=leaf(one), outcome=one.public.outcome)  # type: ignore[attr-defined]
            for party, one in answers
        ]
        story = cls()
        story.entries = {
            UNION: [
                inquiry,
                held,
                got,
                entry(UNION, "receipt", peer=CORE, answer_leaf=leaf(refused)),
            ],
            NAGAOKA: [provision, delivery],
            CORE: [permit, refused, *outcomes],
        }
        return story

    def held_together(self) -> Reconciliation:
        return reconcile(
            [
                PartyRecords(organisation=name, entries=entries)
                for name, entries in self.entries.items()
            ]
        )

    def found(self) -> set[tuple[str, str]]:
        return {(one.organisation, one.reason) for one in self.held_together().differences}

    def one(self, organisation: str, kind: str, number: int = 0) -> ParsedEntry:
        return [one for one in self.entries[organisation] if one.public.kind == kind][number]

    def drop(self, organisation: str, kind: str, number: int = 0) -> None:
        self.entries[organisation].remove(self.one(organisation, kind, number))

    def change(self, organisation: str, kind: str, number: int = 0, **members: object) -> None:
        """Let the entry say something else, and everybody who names it still name the old one."""
        old = self.one(organisation, kind, number)
        public = {
            name: getattr(old.public, name)
            for name in old.public.__struct_fields__
            if name not in COMMON
        }
        changed = entry(organisation, kind, **(public | members))
        place = self.entries[organisation].index(old)
        self.entries[organisation][place] = ParsedEntry(
            raw=changed.raw, leaf_hash=old.leaf_hash, public=changed.public
        )


def receipt(inquiry: ParsedEntry, answer: ParsedEntry, **members: object) -> ParsedEntry:
    return entry(
        UNION,
        "receipt",
        peer=NAGAOKA,
        inquiry_leaf=leaf(inquiry),
        answer_leaf=leaf(answer),
        permit_id=PERMIT_ID,
        reason=None,
        **members,
    )


def test_three_who_say_the_same_agree() -> None:
    found = Story.told().held_together()

    assert found.differences == ()
    assert (found.permits, found.refusals, found.is_agreed) == (1, 1, True)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda s: s.drop(UNION, "inquiry"), {(UNION, "inquiry-missing")}),
        (
            lambda s: s.drop(UNION, "receipt", 1),
            {(UNION, "receipt-missing"), (UNION, "outcome-unknown")},
        ),
        (
            lambda s: s.drop(NAGAOKA, "delivery"),
            {(NAGAOKA, "answer-leaf-differs"), (NAGAOKA, "outcome-unknown")},
        ),
        (
            lambda s: s.drop(NAGAOKA, "provision"),
            {
                (NAGAOKA, "provision-leaf-differs"),
                (NAGAOKA, "answer-leaf-differs"),
                (NAGAOKA, "outcome-unknown"),
            },
        ),
        (lambda s: s.drop(CORE, "outcome"), {(CORE, "outcome-missing")}),
        (lambda s: s.drop(CORE, "refusal"), {(CORE, "refusal-unknown")}),
        (
            lambda s: s.drop(CORE, "permit"),
            {(UNION, "permit-unknown"), (NAGAOKA, "permit-unknown")},
        ),
        (
            lambda s: s.change(NAGAOKA, "provision", permit_leaf="0" * 64),
            {(NAGAOKA, "permit-leaf-differs")},
        ),
        (
            lambda s: s.change(NAGAOKA, "provision", inquiry_leaf="0" * 64),
            {(NAGAOKA, "inquiry-leaf-differs")},
        ),
        (
            lambda s: s.change(NAGAOKA, "provision", subject_p="0" * 64),
            {(NAGAOKA, "subject-differs")},
        ),
        (
            lambda s: s.change(NAGAOKA, "delivery", payload="0" * 64),
            {(UNION, "payload-differs")},
        ),
        (
            lambda s: s.change(NAGAOKA, "delivery", outcome="denied", payload=None),
            {(UNION, "outcome-differs"), (UNION, "payload-differs"), (NAGAOKA, "outcome-differs")},
        ),
        (
            lambda s: s.change(UNION, "receipt", 1, inquiry_leaf="0" * 64),
            {(UNION, "inquiry-leaf-differs")},
        ),
        (
            lambda s: s.change(UNION, "receipt", 0, outcome="denied"),
            {(UNION, "outcome-differs")},  # from the provider's and from what the core was told
        ),
        (
            lambda s: s.change(CORE, "outcome", 0, party=UNION),
            {(UNION, "outcome-unknown")},
        ),
        (
            lambda s: s.entries[NAGAOKA].append(
                entry(NAGAOKA, "provision", inquirer=UNION, permit_id=PERMIT_ID)
            ),
            {
                (NAGAOKA, "provision-twice"),
                (NAGAOKA, "permit-leaf-differs"),
                (NAGAOKA, "inquiry-leaf-differs"),
                (UNION, "receipt-missing"),
                (CORE, "outcome-missing"),
            },
        ),
        (
            lambda s: s.entries[NAGAOKA].append(
                entry(NAGAOKA, "provision", inquirer=UNION, permit_id="b" * 32)
            ),
            {(NAGAOKA, "permit-unknown")},
        ),
    ],
)
def test_each_thing_that_does_not_fit_is_named(
    spoil: Callable[[Story], None], expected: set[tuple[str, str]]
) -> None:
    story = Story.told()

    spoil(story)

    assert story.found() == expected


def test_a_receipt_of_the_permit_alone_wants_no_answer_of_the_provider() -> None:
    story = Story.told()
    permit, inquiry = story.one(CORE, "permit"), story.one(UNION, "inquiry")
    failed = receipt(inquiry, permit, outcome="failed")
    told = entry(CORE, "outcome", party=UNION, of=leaf(failed), outcome="failed")
    story.entries = {UNION: [inquiry, failed], NAGAOKA: [], CORE: [permit, told]}

    assert story.held_together().differences == ()


def test_a_receipt_of_an_answer_that_the_provider_does_not_have_is_named() -> None:
    story = Story.told()
    story.entries[NAGAOKA] = []

    assert (NAGAOKA, "provision-missing") in story.found()


def test_exchanges_with_somebody_else_are_left_out() -> None:
    story = Story.told()
    story.entries[CORE].append(entry(CORE, "permit", provider="digital-agency", permit_id="c" * 32))
    story.entries[UNION].append(
        entry(UNION, "provision", inquirer="digital-agency", permit_id="d" * 32)
    )

    assert story.held_together().differences == ()


@pytest.mark.parametrize(
    "names",
    [
        [UNION, NAGAOKA],
        [UNION, NAGAOKA, "digital-agency"],
        [UNION, UNION, CORE],
        [UNION, NAGAOKA, "digital-agency", CORE],
    ],
)
def test_it_takes_the_core_and_two_others(names: list[str]) -> None:
    with pytest.raises(RecordsError) as refused:
        reconcile([PartyRecords(organisation=name, entries=()) for name in names])

    assert refused.value.reason == "not-three-parties"
