"""Release rules: strictest wins, unknown words are refused."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from policies import release
from policies.release import (
    Automatic,
    Flag,
    HoldAnswer,
    RefusalGround,
    RefuseAnswer,
    ReleaseRules,
    RulesError,
    Situation,
    evaluate,
    shipped_rules,
)

HEAD = 'format = 1\nversion = "v"\notherwise = "automatic"\n'
PLAIN = Situation(
    day=date(2026, 7, 1),
    hour=12,
    flags=frozenset(),
    information=frozenset({"TM1", "S1"}),
    procedure="P1",
    counterparty="union",
    draw=500_000,
)
FLAGGED = replace(PLAIN, flags=frozenset({Flag.AUTOMATIC_ANSWER_DISABLED}))


def a_rule(when: str, *, id_: str = "r", then: str = "hold", more: str = "") -> str:
    outcome = "approvals = 1\ndeadline_hours = 24\n" if then == "hold" else ""
    reason = "why" if then == "hold" else "replica-unreliable"
    return (
        f'[[rules]]\nid = "{id_}"\nfrom = 2024-05-27\nwhen = {{ {when} }}\n'
        f'then = "{then}"\nreason = "{reason}"\n{outcome}{more}'
    )


def rules(*texts: str) -> ReleaseRules:
    return ReleaseRules.parse(HEAD + "".join(texts))


def test_the_shipped_rules_hold_a_flagged_person_for_two() -> None:
    found = evaluate(shipped_rules(), FLAGGED)

    assert found == HoldAnswer(
        approvals=2, deadline=timedelta(hours=72), reasons=("automatic-answer-disabled",)
    )
    assert evaluate(shipped_rules(), PLAIN) == Automatic()


def test_the_other_two_flags_hold_nothing() -> None:
    others = frozenset({Flag.RECORD_NOT_DISCLOSED, Flag.OWN_INFORMATION_VIEW_DISABLED})

    assert evaluate(shipped_rules(), replace(PLAIN, flags=others)) == Automatic()


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ("always = 1", True),
        ('information = ["S1"]', True),
        ('information = ["TM2"]', False),
        ('procedures = ["P1", "P2"]', True),
        ('procedures = ["P2"]', False),
        ('counterparties = ["union"]', True),
        ('counterparties = ["city"]', False),
        ("hours = { first = 9, last = 17 }", True),
        ("hours = { first = 17, last = 9 }", False),
        ("hours = { first = 12, last = 11 }", True),
        ("share_per_million = 500000", False),
        ("share_per_million = 500001", True),
        ('procedures = ["P1"], counterparties = ["city"]', False),
        ('flags = ["automatic-answer-disabled"]', False),
    ],
)
def test_a_rule_applies_when_all_it_says_fits(when: str, *, fits: bool) -> None:
    assert isinstance(evaluate(rules(a_rule(when)), PLAIN), HoldAnswer) == fits


def test_hours_may_run_over_midnight() -> None:
    night = rules(a_rule("hours = { first = 22, last = 5 }"))

    for hour, held in ((22, True), (5, True), (6, False), (21, False)):
        assert isinstance(evaluate(night, replace(PLAIN, hour=hour)), HoldAnswer) == held


def test_a_rule_counts_on_its_days_only() -> None:
    dated = rules(a_rule("always = 1", more="to = 2026-07-01\n"))

    assert isinstance(evaluate(dated, PLAIN), HoldAnswer)
    assert evaluate(dated, replace(PLAIN, day=date(2026, 7, 2))) == Automatic()


def test_of_two_holds_the_stricter_part_of_each_counts() -> None:
    two = a_rule("always = 1", id_="b").replace("approvals = 1", "approvals = 2")
    both = rules(
        a_rule("always = 1", id_="a").replace("hours = 24", "hours = 12"), two.replace("why", "x")
    )

    assert evaluate(both, PLAIN) == HoldAnswer(
        approvals=2, deadline=timedelta(hours=12), reasons=("why", "x")
    )


def test_a_refusal_is_stricter_than_any_hold() -> None:
    both = rules(a_rule("always = 1", id_="a"), a_rule("always = 1", id_="b", then="refuse"))

    assert evaluate(both, PLAIN) == RefuseAnswer(reason=RefusalGround.REPLICA_UNRELIABLE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("format = ", "rules-malformed"),
        (HEAD.replace("1", "2", 1), "rules-malformed"),
        (HEAD + "more = 1\n", "rules-malformed"),
        (HEAD.replace("automatic", "hold"), "rules-malformed"),
        (HEAD + a_rule('flags = ["unknown"]'), "rules-malformed"),
        (HEAD + a_rule("always = 1") * 2, "duplicate-rule"),
        (HEAD + a_rule("hours = { first = 24, last = 1 }"), "rules-malformed"),
        (HEAD + a_rule("share_per_million = 0"), "rules-malformed"),
        (HEAD + a_rule(""), "rule-without-condition"),
        (HEAD + a_rule('always = 1, procedures = ["P1"]'), "rule-without-condition"),
        (HEAD + a_rule("always = 1").replace("approvals = 1\n", ""), "rule-incomplete"),
        (HEAD + a_rule("always = 1").replace("approvals = 1", "approvals = 3"), "rules-malformed"),
        (HEAD + a_rule("always = 1").replace("deadline_hours = 24\n", ""), "rule-incomplete"),
        (HEAD + a_rule("always = 1", then="refuse", more="approvals = 1\n"), "rule-incomplete"),
        (
            HEAD + a_rule("always = 1", then="refuse").replace("replica-unreliable", "mood"),
            "unknown-ground",
        ),
    ],
)
def test_rules_that_cannot_be_read_are_refused(text: str, reason: str) -> None:
    with pytest.raises(RulesError) as caught:
        ReleaseRules.parse(text)
    assert caught.value.reason == reason


def test_a_file_of_rules_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "RULES_BYTES_MAX", 10)
    with pytest.raises(RulesError) as caught:
        ReleaseRules.parse(HEAD)
    assert caught.value.reason == "rules-too-large"


def test_rules_are_kept_as_one_document_whatever_their_file_looks_like() -> None:
    flags = '"automatic-answer-disabled", "record-not-disclosed"'
    turned = ", ".join(reversed(flags.split(", ")))
    one, other = (
        ReleaseRules.parse(HEAD + a_rule(f"flags = [{text}], hours = {{ first = 22, last = 5 }}"))
        for text in (flags, turned)
    )

    assert one.to_document() == other.to_document()
    assert ReleaseRules.from_document(one.to_document()) == one
    assert ReleaseRules.from_document(shipped_rules().to_document()) == shipped_rules()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b'"then"', b'"than"', "rules-malformed"),
        (b"{", b"\xff", "rules-malformed"),
        (b'"approvals":1,', b"", "rule-incomplete"),
    ],
)
def test_a_document_that_is_not_as_it_was_written_is_refused(
    before: bytes, after: bytes, reason: str
) -> None:
    document = ReleaseRules.parse(HEAD + a_rule("always = 1")).to_document()

    with pytest.raises(RulesError) as refusal:
        ReleaseRules.from_document(document.replace(before, after))

    assert refusal.value.reason == reason
