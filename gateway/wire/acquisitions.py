"""Messages of the back-office listener by which the registry acquires network codes (法21の2).

A person appears as a unified number in bodies only. Acquisition numbers appear in the answer to
their request and nowhere else.
"""

from typing import Annotated

import msgspec

from gateway.wire.backoffice import PAGE_ITEMS_MAX, UnifiedNumberText
from gateway.wire.fields import ITEMS_MAX, Day, Hex32, Instant, Message, Organisation, Slug
from gateway.wire.problems import Problem

UnifiedNumbers = Annotated[
    list[UnifiedNumberText], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)
]


class NewAcquisitions(Message, frozen=True):
    """`POST /v1/code-acquisitions`: people who need a network code."""

    unified_numbers: UnifiedNumbers


class Acquisition(Message, frozen=True):
    """One person's acquisition: what to take to the resident network, or why there is nothing.

    `state`: `requested` with an acquisition number, `linked`, `suspended`, or none of them where
    `problem` says why.
    """

    unified_number: UnifiedNumberText
    id: Hex32 | None = None
    state: Slug | None = None
    acquisition_number: Hex32 | None = None
    problem: Problem | None = None


class Acquisitions(Message, frozen=True):
    """Answers in the request's order."""

    acquisitions: list[Acquisition]


class AcquisitionListed(Message, frozen=True):
    """One acquisition without the person."""

    id: Hex32
    state: Slug
    requested_at: Instant
    finished_at: Instant | None = None


class AcquisitionPage(Message, frozen=True):
    """A page of acquisitions, newest first; `next` is given to `?after=`."""

    acquisitions: list[AcquisitionListed]
    next: str | None = None


class AcquisitionsQuery(Message, frozen=True):
    """Which page of which state."""

    state: Slug | None = None
    after: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ITEMS_MAX)] = 50


class CodesLookup(Message, frozen=True):
    """`POST /v1/code-acquisitions:lookup`: whether these people have codes (FGU-06)."""

    unified_numbers: UnifiedNumbers


class CodeStanding(Message, frozen=True):
    """How one person's code stands; `none` where nothing was ever asked."""

    unified_number: UnifiedNumberText
    state: Slug  # linked | suspended | requested | already-acquired | lapsed | none


class CodeStandings(Message, frozen=True):
    """Answers in the request's order."""

    people: list[CodeStanding]


class CodeChange(Message, frozen=True):
    """`POST /v1/network-codes:suspend` and `:resume`: one person's code, and why."""

    unified_number: UnifiedNumberText
    reason: Slug


class CodeHandOver(Message, frozen=True):
    """`POST /v1/network-codes:move`: one number's code and replicas go over to another number."""

    unified_number: UnifiedNumberText
    to_unified_number: UnifiedNumberText
    reason: Slug


class PersonFacts(Message, frozen=True):
    """The four facts by which an inquirer shows whom it means (令26③)."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    birth_date: Day
    sex: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
    address: Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class NewCodeWanted(Message, frozen=True):
    """`POST /v1/codes-wanted`: ask a provider to acquire a code for a person.

    The same `id` again is the same request.
    """

    provider: Organisation
    person: PersonFacts
    id: Hex32 | None = None


class CodeWantedSent(Message, frozen=True):
    """The provider has the request."""

    id: Hex32


class CodeWantedListed(Message, frozen=True):
    """One request that another organisation made of us."""

    id: Hex32
    inquirer: Organisation
    received_at: Instant
    person: PersonFacts


class CodesWantedPage(Message, frozen=True):
    """A page of requests, newest first; `next` is given to `?after=`."""

    requests: list[CodeWantedListed]
    next: str | None = None


class CodesWantedQuery(Message, frozen=True):
    """Which page."""

    after: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ITEMS_MAX)] = 50
