"""Gates beside the table: assessments, consent, stop switches; each can only refuse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, assert_never

from codes.canonical import tokyo_day
from policies.allow_list import AllowList
from policies.classes import plain
from policies.measures import Assessment, Exchange, StopSwitch
from policies.model import Permit, Reason, Refuse

TAX: Final = "地方税関係情報"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStatement:
    """What the inquirer states on consent: its ground, and the day the person consented."""

    ground: str = ""
    consented_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Who asks whom, and what the inquirer stated on consent."""

    inquirer: str
    inquirer_body: str
    provider: str
    provider_body: str
    consent: ConsentStatement = ConsentStatement()


def check_gates(
    law: AllowList,
    permit: Permit,
    parties: Parties,
    switches: Iterable[StopSwitch],
    now: datetime,
) -> Refuse | None:
    """Return the refusal of the first closed gate, or None: stops, assessments, consent.

    `switches` are the caller's own; those of the whole network are in the list itself.
    """
    for reason, is_closed in (
        (Reason.STOPPED, stopping(law, permit, parties, switches, now) is not None),
        (Reason.ASSESSMENT_UNPUBLISHED, not _is_assessed(law, permit, parties)),
        (Reason.CONSENT_MISSING, not _has_consent(permit, parties.consent, tokyo_day(now))),
    ):
        if is_closed:
            return Refuse(reason=reason, basis=(permit.citation,))
    return None


def stopping(
    law: AllowList,
    permit: Permit,
    parties: Parties,
    switches: Iterable[StopSwitch],
    now: datetime,
) -> StopSwitch | None:
    """Return the first switch, of the network or the caller's own, that stops the exchange now."""
    exchange = Exchange(
        procedure=permit.procedure.id,
        information=frozenset({permit.term.id, *(scope.id for scope in permit.scopes)}),
        parties=frozenset({parties.inquirer, parties.provider, *_bodies(parties)}),
        bodies=_bodies(parties),
    )
    for switch in (*law.switches, *switches):
        if switch.is_on(now) and switch.stops(exchange):
            return switch
    return None


def needs_consent_ground(permit: Permit) -> bool:
    """Tell whether the caller must state a ground: tax information, and nobody knows if consent."""
    return plain(permit.term.ja) == TAX and permit.consent.state == "unknown"


def _bodies(parties: Parties) -> frozenset[str]:
    return frozenset({parties.inquirer_body, parties.provider_body})


def _is_assessed(law: AllowList, permit: Permit, parties: Parties) -> bool:
    receiving = [
        found
        for found in law.assessments
        if found.side == "receiving"
        and found.organisation == parties.inquirer
        and found.covers_any(frozenset({permit.procedure.id}))
    ]
    source = [
        found
        for found in law.assessments
        if found.side == "source"
        and found.organisation == parties.provider
        and found.covers_any(frozenset({permit.term.id}))
    ]
    return _is_open(receiving) and _is_open(source)


def _is_open(files: list[Assessment]) -> bool:
    """No file stated is no assessment; one unpublished file closes the gate for all."""
    return bool(files) and all(found.state != "unpublished" for found in files)


def _has_consent(permit: Permit, stated: ConsentStatement, today: date) -> bool:
    if plain(permit.term.ja) != TAX:
        return True
    match permit.consent.state:
        case "not-required":
            return bool(permit.consent.ground)
        case "required":
            return stated.consented_on is not None and stated.consented_on <= today
        case "unknown":
            return bool(stated.ground.strip())
        case _ as never:
            assert_never(never)
