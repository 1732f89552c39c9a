"""A person's exchanges as 法23① lists them, put together from our entries and corrections. Pure.

One exchange has several entries: what was asked, each answer, what was corrected later. Here it is
one row, whichever side of it we were; a mark of 法23② that stands leaves it out (法31, 個情法78).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import msgspec

from certs.terms import Information
from gateway.records.corrections import FACTS, INQUIRERS_MARK, PROVIDERS_MARK
from gateway.records.kinds import Delivery, Inquiry, Provision, Public, Receipt
from gateway.records.marks import (
    MARKS,
    MarkSaid,
    OthersCorrection,
    OwnCorrection,
    mark_said,
    standing_mark,
)

Direction: TypeAlias = Literal["asked", "provided"]

KINDS: Final = ("inquiry", "receipt", "provision", "delivery")
"""Entries that are found by the person; a permit never presented to us names nobody here."""
PROVIDED: Final = "provided"
UNANSWERED: Final = "unanswered"
_OTHERS_MARK: Final[Mapping[Direction, str]] = {
    "asked": PROVIDERS_MARK,
    "provided": INQUIRERS_MARK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEntry:
    """One of our entries about the person, opened."""

    entry_id: str
    leaf: str
    public: Public = field(repr=False)
    private: Mapping[str, object] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What 法23① wants of one exchange, as it stands with its corrections."""

    direction: Direction
    permit_id: str | None
    requested_at: str
    provided_at: str | None
    inquirer_body: str | None
    provider_body: str | None
    department: str | None
    affair: str | None
    procedure: str | None
    citation: str | None
    information: Information | None
    outcome: str
    act21_2: bool
    corrected_at: str | None
    """When we last corrected anything of it but a mark."""
    is_left_out: bool
    """Whether one of both marks stands now."""


def exchanges_of(
    entries: Iterable[OwnEntry],
    own: Sequence[OwnCorrection],
    others: Sequence[OthersCorrection],
) -> list[Exchange]:
    """Return the exchanges that these entries tell of, by when they were requested."""
    groups: dict[tuple[Direction, str], list[OwnEntry]] = {}
    for entry in entries:
        if (key := _key(entry)) is not None:
            groups.setdefault(key, []).append(entry)
    places = {one.entry_id: key for key, some in groups.items() for one in some}
    found = []
    for key, some in groups.items():
        permit_id = _permit_of(some)
        ours = [
            one
            for one in own
            if places.get(one.corrected_id) == key
            or (one.permit_id is not None and one.permit_id == permit_id)
        ]
        # Who asks itself has both sides under one permit: facts belong to the side corrected.
        facts = [one for one in ours if places.get(one.corrected_id, key) == key]
        theirs = [one for one in others if one.permit_id == permit_id]
        found.append(
            _exchange(key[0], permit_id, some, facts, _is_marked(key[0], some, ours, theirs))
        )
    return sorted(found, key=lambda one: (one.requested_at, one.permit_id or ""))


def _key(entry: OwnEntry) -> tuple[Direction, str] | None:
    match entry.public:
        case Inquiry():
            return "asked", entry.leaf
        case Receipt(inquiry_leaf=leaf):
            return "asked", leaf
        case Provision(permit_id=permit_id) | Delivery(permit_id=permit_id):
            return "provided", permit_id
        case _:
            return None


def _permit_of(entries: Iterable[OwnEntry]) -> str | None:
    named = (getattr(one.public, "permit_id", None) for one in entries)
    return next((permit_id for permit_id in named if permit_id is not None), None)


def _is_marked(
    direction: Direction,
    entries: Sequence[OwnEntry],
    own: Sequence[OwnCorrection],
    others: Sequence[OthersCorrection],
) -> bool:
    return any(
        standing_mark(
            (said for one in entries for said in mark_said(one.public, one.private, name)),
            _marks_corrected(name, own, others if name == _OTHERS_MARK[direction] else ()),
        )
        for name in MARKS
    )


def _marks_corrected(
    name: str, own: Iterable[OwnCorrection], others: Iterable[OthersCorrection]
) -> Iterator[MarkSaid]:
    for ours in own:
        yield from ours.mark(name)
    for theirs in others:
        yield from theirs.mark()


def _exchange(
    direction: Direction,
    permit_id: str | None,
    entries: Sequence[OwnEntry],
    corrections: Sequence[OwnCorrection],
    is_left_out: bool,  # noqa: FBT001  # what was found a line before
) -> Exchange:
    said = sorted((one.public for one in entries), key=lambda public: public.time)
    facts: dict[str, object] = {"requested_at": said[0].time}
    for public in said:
        facts |= {
            name: value for name in FACTS if (value := getattr(public, name, None)) is not None
        }
        facts["provided_at"] = _provided_at(public) or facts.get("provided_at")
    corrected_at = None
    for correction in sorted(corrections, key=lambda one: one.time):
        changed = {name: one for name, one in correction.members.items() if name in FACTS}
        if changed:
            facts |= changed
            corrected_at = correction.time
    outcomes = [public.outcome for public in said if not isinstance(public, Inquiry)]  # type: ignore[attr-defined]  # each is an answer
    return msgspec.convert(
        {name: facts.get(name) for name in FACTS}
        | {
            "direction": direction,
            "permit_id": permit_id,
            "outcome": outcomes[-1] if outcomes else UNANSWERED,
            "act21_2": bool(facts.get("act21_2")),
            "corrected_at": corrected_at,
            "is_left_out": is_left_out,
        },
        Exchange,
    )


def _provided_at(public: Public) -> str | None:
    """Return when an answer was given that provided something; other answers have no such time."""
    if isinstance(public, Receipt | Provision | Delivery) and public.outcome == PROVIDED:
        return public.provided_at or public.time
    return None
