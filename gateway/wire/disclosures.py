"""Messages by which the disclosure system has a person's exchanges from gateways (法31; TKM-07).

The core stands for it on the network. Codes and exchanges are sealed under purpose `disclosure`,
each bound to its request id, and stored nowhere.
"""

from typing import Annotated, Final

import msgspec

from gateway.wire.fields import Hex32, Instant, Message, Organisation
from gateway.wire.network import Keys, Sealed
from gateway.wire.problems import Problem
from gateway.wire.staff_disclosure import DisclosedExchange

DISCLOSURES_MAX: Final = 32


class DisclosureWanted(Message, frozen=True):
    """Whose exchanges: `code` seals salt and the gateway's own code for the person.

    Of those requested from `since` on and before `until` the answer begins with the ones requested
    from `page_from` on: the `next` of the page before.
    """

    request_id: Hex32
    code: Sealed
    since: Instant | None = None
    until: Instant | None = None
    page_from: Instant | None = None


class DisclosuresRequest(Message, frozen=True):
    """`POST /v1/disclosures` of a gateway, from the core only; each request id once."""

    keys: Keys
    items: Annotated[list[DisclosureWanted], msgspec.Meta(min_length=1, max_length=DISCLOSURES_MAX)]


class DisclosedPage(Message, frozen=True):
    """What is sealed in an answer: exchanges as the person may see them, oldest first.

    Nobody known, nothing recorded and nothing that may be shown read alike. `next` says from when
    on there are more; up to the end of `erased_through` (2019-05) nothing is kept any more.
    """

    organisation: Organisation
    title: str
    made_at: Instant
    exchanges: list[DisclosedExchange]
    erased_through: str | None = None
    next: Instant | None = None


class DisclosureGiven(Message, frozen=True):
    """One `DisclosedPage`, packed like an answer and sealed to the core."""

    request_id: Hex32
    page: Sealed


class DisclosureResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: DisclosureGiven | None = None
    problem: Problem | None = None


class DisclosuresAnswer(Message, frozen=True):
    """Answers in the request's order."""

    keys: Keys
    results: Annotated[
        list[DisclosureResult], msgspec.Meta(min_length=1, max_length=DISCLOSURES_MAX)
    ]


class ExchangeOfParty(Message, frozen=True):
    """One exchange as one party of it has it on record."""

    organisation: Organisation
    exchange: DisclosedExchange

    @property
    def requested_at(self) -> str:
        """Return when the core accepted it."""
        return self.exchange.requested_at


class PartyAsked(Message, frozen=True):
    """An organisation that was asked: what it said of itself, or the problem it met."""

    organisation: Organisation
    title: str | None = None
    made_at: Instant | None = None
    erased_through: str | None = None
    problem: str | None = None


class MergedDisclosure(Message, frozen=True):
    """What all parties that know a person gave, oldest first; `next` as of each page."""

    exchanges: list[ExchangeOfParty]
    parties: list[PartyAsked]
    next: Instant | None = None
