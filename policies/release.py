"""Release rules: whether an answer goes out by itself, waits for people, or is refused; no I/O.

A rule can only make an answer stricter: rules are asked one by one, and the strictest of all that
apply is what counts. Reading a rule file refuses every word it does not know.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Final, Literal, Self, TypeAlias

import msgspec

from policies.model import Dated, Fact

FORMAT: Final = 1
RULES_BYTES_MAX: Final = 256 * 1024
SHARE_OF: Final = 1_000_000
APPROVALS_MAX: Final = 2
DEADLINE_HOURS_MAX: Final = 30 * 24
DEFAULT: Final = "rules/default.toml"


class Flag(StrEnum):
    """Three things that are said of a person or item; only the first is about answers (§1.6)."""

    AUTOMATIC_ANSWER_DISABLED = "automatic-answer-disabled"
    RECORD_NOT_DISCLOSED = "record-not-disclosed"
    OWN_INFORMATION_VIEW_DISABLED = "own-information-view-disabled"


class RefusalGround(StrEnum):
    """The closed list of grounds of refusal: else, providing is a duty (法22①)."""

    NOT_PERMITTED = "not-permitted"
    WRONG_PERSON = "wrong-person"
    REPLICA_UNRELIABLE = "replica-unreliable"
    ASSESSMENT_UNPUBLISHED = "assessment-unpublished"
    STOPPED = "stopped"


class RulesError(ValueError):
    """The rules cannot be read; `reason` is a stable slug."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


Hour: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=23)]


class Hours(Fact, frozen=True, kw_only=True):
    """Hours of the day in Asia/Tokyo, from the first to the last, over midnight if need be."""

    first: Hour
    last: Hour

    def hold(self, hour: int) -> bool:
        """Tell whether the hour is among them."""
        if self.first <= self.last:
            return self.first <= hour <= self.last
        return hour >= self.first or hour <= self.last


class When(Fact, frozen=True, kw_only=True):
    """What a rule is about: every member that is given must fit; a rule for all gives `always`."""

    always: Literal[1] | None = None
    flags: frozenset[Flag] | None = None
    information: frozenset[str] | None = None
    procedures: frozenset[str] | None = None
    counterparties: frozenset[str] | None = None
    hours: Hours | None = None
    share_per_million: Annotated[int, msgspec.Meta(ge=1, le=SHARE_OF)] | None = None

    def fits(self, situation: Situation) -> bool:
        """Tell whether the rule is about this answer."""
        return all(
            (
                self.flags is None or not self.flags.isdisjoint(situation.flags),
                self.information is None or not self.information.isdisjoint(situation.information),
                self.procedures is None or situation.procedure in self.procedures,
                self.counterparties is None or situation.counterparty in self.counterparties,
                self.hours is None or self.hours.hold(situation.hour),
                self.share_per_million is None or situation.draw < self.share_per_million,
            )
        )


class Rule(Dated, frozen=True, kw_only=True):
    """One dated rule."""

    id: str
    when: When
    then: Literal["hold", "refuse"]
    reason: str
    approvals: Annotated[int, msgspec.Meta(ge=1, le=APPROVALS_MAX)] | None = None
    deadline_hours: Annotated[int, msgspec.Meta(ge=1, le=DEADLINE_HOURS_MAX)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of one answer; `hour` is Asia/Tokyo, `draw` a random 0…999,999 made outside."""

    day: date
    hour: int
    flags: frozenset[Flag]
    information: frozenset[str]
    procedure: str
    counterparty: str
    draw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """The answer may go out by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAnswer:
    """The answer waits for so many people, at most so long; `reasons` are the rules' own."""

    approvals: int
    deadline: timedelta
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseAnswer:
    """The answer is refused, on a ground of the closed list."""

    reason: RefusalGround


Release: TypeAlias = Automatic | HoldAnswer | RefuseAnswer


class ReleaseRules(Fact, frozen=True, kw_only=True):
    """One version of the rules; the version stands in each record made under them."""

    format: Literal[1]
    version: str
    otherwise: Literal["automatic"]
    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read rules from TOML.

        Raises:
            RulesError: malformed, unknown words, an id twice, or a rule that says too little.
        """
        if len(text.encode("utf-8", "surrogatepass")) > RULES_BYTES_MAX:
            raise RulesError("rules-too-large", f"over {RULES_BYTES_MAX} bytes")
        try:
            rules = msgspec.convert(tomllib.loads(text), type=cls)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise RulesError("rules-malformed", str(error)) from error
        _check(rules)
        return rules

    @classmethod
    def from_document(cls, raw: bytes) -> Self:
        """Read rules that were written by `to_document`; raises `RulesError`."""
        try:
            rules = msgspec.json.decode(raw, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RulesError("rules-malformed", "rules: not as they were written") from error
        _check(rules)
        return rules

    def to_document(self) -> bytes:
        """Return the rules as they are kept; equal rules have equal bytes, whatever their file."""
        return msgspec.json.encode(self, order="deterministic")


def shipped_rules() -> ReleaseRules:
    """Return the rules that come with the program."""
    return ReleaseRules.parse((files("policies") / DEFAULT).read_text("utf-8"))


def evaluate(rules: ReleaseRules, situation: Situation) -> Release:
    """Return the strictest of what all applying rules say; refusal before hold before automatic.

    Of holds, the most approvals and the shortest deadline count, with the reasons of all.
    """
    applying = [
        rule for rule in rules.rules if rule.holds_on(situation.day) and rule.when.fits(situation)
    ]
    refusing = sorted(RefusalGround(rule.reason) for rule in applying if rule.then == "refuse")
    if refusing:
        return RefuseAnswer(reason=refusing[0])
    if not applying:
        return Automatic()
    return HoldAnswer(
        approvals=max(rule.approvals or 1 for rule in applying),
        deadline=min(timedelta(hours=rule.deadline_hours or 0) for rule in applying),
        reasons=tuple(sorted({rule.reason for rule in applying})),
    )


def _check(rules: ReleaseRules) -> None:
    if len({rule.id for rule in rules.rules}) != len(rules.rules):
        raise RulesError("duplicate-rule", "an id stands twice")
    for rule in rules.rules:
        _check_rule(rule)


def _check_rule(rule: Rule) -> None:
    is_hold = rule.then == "hold"
    if is_hold != (rule.approvals is not None) or is_hold != (rule.deadline_hours is not None):
        raise RulesError("rule-incomplete", f"{rule.id}: a hold has approvals and a deadline")
    if not is_hold and rule.reason not in {ground.value for ground in RefusalGround}:
        raise RulesError("unknown-ground", f"{rule.id}: not a ground of refusal")
    stated = [value for value in msgspec.structs.astuple(rule.when) if value is not None]
    if not stated or (rule.when.always is not None and len(stated) > 1):
        raise RulesError("rule-without-condition", f"{rule.id}: says not when, or says it twice")
