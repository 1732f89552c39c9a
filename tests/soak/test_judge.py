"""The judge finds nothing where nothing is wrong, and each wrong thing by its name, once."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from gateway.flows.receipts import FETCHED
from gateway.records.entry import ParsedEntry, parse_entry
from gateway.records.tiles import RightEdge
from tests.soak.judge import Asked, Evidence, Log, Row, Sighting, Verdict, judge
from tests.unit.records import made
from tests.unit.records.test_reconcile import CORE, NAGAOKA, PERMIT_ID, UNION, Story, entry, leaf

KEY, INQUIRY = "5" * 32, "6" * 32
KNOWN, LONGER = 2, 99


def log_of(entries: list[ParsedEntry]) -> Log:
    hashes = [one.leaf_hash for one in entries]
    return Log(hashes=hashes, size=len(hashes), root=root_of(hashes))


def root_of(hashes: list[bytes]) -> bytes:
    return RightEdge().extend(hashes).edge.root()


@dataclass
class Case:
    """A good round, to be spoilt in one place."""

    story: Story
    evidence: Evidence

    @classmethod
    def good(cls) -> "Case":
        story = Story.told()
        inquiry = story.entries[UNION][0]
        one = Asked(
            organisation=UNION,
            kind="held",
            key=KEY,
            expected="provided",
            ids={INQUIRY},
            state="provided",
            permit_id=PERMIT_ID,
            acknowledged=1,
        )
        row = Row(
            inquiry_id=INQUIRY,
            state="provided",
            entry_id=inquiry.public.id,
            permit_id=PERMIT_ID,
        )
        case = cls(
            story,
            Evidence(
                asked=[one],
                logs={},
                entries={},
                rows={UNION: {INQUIRY: row}, NAGAOKA: {}},
                refused=1,
            ),
        )
        case.write()
        seen = case.evidence.logs[NAGAOKA][0].hashes[:1]
        case.evidence = replace(
            case.evidence,
            sightings=[
                Sighting(organisation=NAGAOKA, slot=0, size=1, root=root_of(list(seen)), by=UNION)
            ],
            remembered={
                name: {0: tuple(logs[0].hashes[:KNOWN])}
                for name, logs in case.evidence.logs.items()
            },
        )
        return case

    @property
    def one(self) -> Asked:
        return self.evidence.asked[0]

    def write(self) -> None:
        """Let the logs hold what the story says."""
        entries = self.story.entries
        self.evidence = replace(
            self.evidence,
            entries={name: tuple(found) for name, found in entries.items()},
            logs={name: {0: log_of(found)} for name, found in entries.items()},
        )

    def record(self, organisation: str, one: ParsedEntry) -> None:
        self.story.entries[organisation].append(one)
        self.write()

    def strike(self, organisation: str, one: ParsedEntry) -> None:
        self.story.entries[organisation].remove(one)
        self.write()

    def see(self, **changes: object) -> None:
        (first,) = self.evidence.sightings
        self.evidence = replace(
            self.evidence,
            sightings=[first, replace(first, **changes)],  # type: ignore[arg-type]  # its own fields
        )

    def set_row(self, **changes: object) -> None:
        row = replace(self.evidence.rows[UNION][INQUIRY], **changes)  # type: ignore[arg-type]  # its own fields
        self.evidence = replace(self.evidence, rows={UNION: {INQUIRY: row}, NAGAOKA: {}})


def counts(verdict: Verdict) -> dict[str, int]:
    found = {
        "lost": verdict.lost,
        "forks": verdict.forks,
        "doubled": verdict.doubled,
        "unfinished": verdict.unfinished,
        "differences": verdict.differences,
    }
    return {name: len(words) for name, words in found.items() if words}


def test_a_good_round_has_nothing_wrong() -> None:
    verdict = judge(Case.good().evidence)

    assert counts(verdict) == {}
    assert verdict.is_settled


def no_row(case: Case) -> None:
    case.evidence = replace(case.evidence, rows={UNION: {}, NAGAOKA: {}})


def no_inquiry_entry(case: Case) -> None:
    case.set_row(entry_id="f" * 32)


def no_answer_entry(case: Case) -> None:
    case.evidence = replace(case.evidence, remembered={})
    for one in case.story.entries[UNION][1:3]:
        case.strike(UNION, one)


def an_entry_replaced(case: Case) -> None:
    case.evidence = replace(case.evidence, remembered={NAGAOKA: {0: (b"\0" * 32,)}})


def a_shorter_log(case: Case) -> None:
    case.see(size=LONGER)


def an_unsigned_slot(case: Case) -> None:
    case.evidence = replace(case.evidence, unsigned=["core/0"])


def an_alarm(case: Case) -> None:
    case.record(UNION, parse_entry(made.an_entry("log-loss", organisation=UNION).raw))


def a_wrong_answer(case: Case) -> None:
    case.one.is_right = False


def a_withdrawal_forgotten(case: Case) -> None:
    case.one.is_withdrawn, case.one.state = True, "withdrawn"


def a_refusal_unrecorded(case: Case) -> None:
    case.evidence = replace(case.evidence, refused=2)


def another_root(case: Case) -> None:
    case.see(root=b"\0" * 32)


def two_roots_beyond_the_log(case: Case) -> None:
    case.see(size=LONGER)
    case.evidence = replace(
        case.evidence,
        sightings=[*case.evidence.sightings, replace(case.evidence.sightings[1], root=b"\1" * 32)],
    )


def a_slot_row_of_another_tree(case: Case) -> None:
    logs = case.evidence.logs
    bad = replace(logs[CORE][0], root=b"\2" * 32)
    case.evidence = replace(case.evidence, logs={**logs, CORE: {0: bad}})


def a_slot_row_of_another_size(case: Case) -> None:
    logs = case.evidence.logs
    bad = replace(logs[CORE][0], size=len(logs[CORE][0].hashes) + 1)
    case.evidence = replace(case.evidence, logs={**logs, CORE: {0: bad}})


def two_provisions(case: Case) -> None:
    first = case.story.entries[NAGAOKA][0].public
    case.record(
        NAGAOKA,
        entry(
            NAGAOKA,
            "provision",
            inquirer=UNION,
            permit_id="b" * 32,
            inquiry_leaf=first.inquiry_leaf,  # type: ignore[attr-defined]
        ),
    )


def two_permits(case: Case) -> None:
    first = case.story.entries[CORE][0].public
    leaf_of_inquiry = first.inquiry_leaf  # type: ignore[attr-defined]
    case.record(CORE, entry(CORE, "permit", inquiry_leaf=leaf_of_inquiry, permit_id="b" * 32))


def two_receipts(case: Case) -> None:
    answer = leaf(case.story.entries[NAGAOKA][1])
    case.record(UNION, entry(UNION, "receipt", answer_leaf=answer))


def two_inquiries_of_one_key(case: Case) -> None:
    case.one.ids.add("7" * 32)


def still_open(case: Case) -> None:
    case.one.state = "open"


def ended_otherwise(case: Case) -> None:
    case.one.state = "failed"


def withheld_and_nobody_waits(case: Case) -> None:
    case.one.state = "withheld"


def never_answered(case: Case) -> None:
    case.one.ids.clear()


def untold(case: Case) -> None:
    case.evidence = replace(case.evidence, undelivered={CORE: 1})


def a_strange_word(case: Case) -> None:
    case.evidence = replace(case.evidence, strange=["internal-error"])


def an_outcome_untold(case: Case) -> None:
    case.evidence = replace(case.evidence, remembered={})
    case.strike(CORE, case.story.entries[CORE][-1])


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (no_row, {"lost": 1}),
        (no_inquiry_entry, {"lost": 1}),
        (no_answer_entry, {"lost": 1, "differences": 4}),
        (an_entry_replaced, {"lost": 1}),
        (a_shorter_log, {"lost": 1}),
        (an_unsigned_slot, {"lost": 1}),
        (an_alarm, {"lost": 1}),
        (a_wrong_answer, {"lost": 1}),
        (a_withdrawal_forgotten, {"lost": 1}),
        (a_refusal_unrecorded, {"lost": 1}),
        (another_root, {"forks": 1}),
        (two_roots_beyond_the_log, {"lost": 1, "forks": 1}),
        (a_slot_row_of_another_tree, {"forks": 1}),
        (a_slot_row_of_another_size, {"lost": 1}),
        (two_provisions, {"doubled": 1, "differences": 1}),
        (two_permits, {"doubled": 1, "differences": 1}),
        (two_receipts, {"doubled": 1, "differences": 1}),
        (two_inquiries_of_one_key, {"lost": 1, "doubled": 1}),
        (still_open, {"unfinished": 1}),
        (ended_otherwise, {"unfinished": 1}),
        (withheld_and_nobody_waits, {"unfinished": 1}),
        (never_answered, {"unfinished": 1}),
        (untold, {"unfinished": 1}),
        (a_strange_word, {"unfinished": 1}),
        (an_outcome_untold, {"differences": 1}),
    ],
)
def test_each_wrong_thing_is_found_once(
    spoil: Callable[[Case], None], found: dict[str, int]
) -> None:
    case = Case.good()

    spoil(case)

    assert counts(judge(case.evidence)) == found


def test_an_answer_that_waits_for_people_is_told() -> None:
    case = Case.good()
    case.one.state = "withheld"
    case.evidence = replace(case.evidence, holds={PERMIT_ID: "waiting"})

    assert counts(judge(case.evidence)) == {}


def test_an_answer_to_a_withdrawn_question_is_to_be_on_record_as_any_other() -> None:
    case = Case.good()
    case.evidence = replace(case.evidence, remembered={})
    case.one.is_withdrawn, case.one.state = True, "withdrawn"
    case.set_row(state="withdrawn", permit_id=None)
    got, told = case.story.entries[UNION][2], case.story.entries[CORE][-1]
    case.strike(UNION, got)
    case.strike(CORE, told)

    assert counts(judge(case.evidence)) == {"differences": 1}


def test_an_answer_taken_in_by_its_statement_is_told() -> None:
    case = Case.good()
    before = judge(case.evidence).fetched

    case.record(UNION, entry(UNION, "receipt", reason=FETCHED))

    assert (before, judge(case.evidence).fetched) == (0, 1)


def test_a_restored_slot_is_no_fork_where_it_goes_on_as_it_was() -> None:
    case = Case.good()
    log = case.evidence.logs[NAGAOKA][0]
    case.see(size=log.size, root=log.root, by=CORE)

    assert counts(judge(case.evidence)) == {}
