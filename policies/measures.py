"""Assessment states and stop switches: what beside the table is stated, dated and signed."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, assert_never

from codes.canonical import parse_instant
from policies.model import Fact, ProcedureId

EVERYTHING: Final = "*"


class Assessment(Fact, frozen=True, kw_only=True):
    """How the impact assessment of one file stands (法28⑥, 21②).

    `covers` are procedure ids for an inquirer's receiving file, term ids for a provider's source
    file, or the one word `*`. What is not required says on which ground.
    """

    organisation: str
    file: str
    side: Literal["receiving", "source"]
    covers: tuple[str, ...]
    state: Literal["published", "unpublished", "not-required"]
    ground: str = ""

    def __post_init__(self) -> None:
        """Refuse a state that would need a ground and has none."""
        if self.state == "not-required" and not self.ground:
            raise ValueError("an assessment that is not required says on which ground")

    def covers_any(self, names: frozenset[str]) -> bool:
        """Tell whether the file holds what one of these procedures or terms speaks of."""
        return EVERYTHING in self.covers or not names.isdisjoint(self.covers)


class Exchange(Fact, frozen=True, kw_only=True):
    """What of one exchange a switch can be about."""

    procedure: ProcedureId
    information: frozenset[str]
    parties: frozenset[str]
    bodies: frozenset[str]


class StopSwitch(Fact, frozen=True, kw_only=True):
    """A stop that binds every later commit: by one property of an exchange, or all.

    `value` is a procedure id, a term or scope id, an organisation or body code of either party, or
    empty for `all`. `since` and `until` are instants as on the wire; no `until` means until lifted.
    """

    id: str
    by: Literal["procedure", "information", "counterparty", "body", "all"]
    reason: str
    value: str = ""
    since: str = ""
    until: str = ""

    def __post_init__(self) -> None:
        """Refuse a switch that says nothing or too much; raises `ValueError`."""
        if (self.by == "all") != (not self.value):
            raise ValueError("a stop switch names a value exactly when it is not for all")
        if not self.reason:
            raise ValueError("a stop switch says why")
        for edge in (self.since, self.until):
            if edge:
                parse_instant(edge)

    def is_on(self, now: datetime) -> bool:
        """Tell whether the switch stops exchanges now; its end is the first free moment."""
        begun = not self.since or parse_instant(self.since) <= now
        return begun and (not self.until or now < parse_instant(self.until))

    def stops(self, exchange: Exchange) -> bool:
        """Tell whether the switch is about this exchange."""
        match self.by:
            case "all":
                return True
            case "procedure":
                return self.value == exchange.procedure
            case "information":
                return self.value in exchange.information
            case "counterparty":
                return self.value in exchange.parties
            case "body":
                return self.value in exchange.bodies
            case _ as never:
                assert_never(never)
