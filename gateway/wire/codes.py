"""Messages that bring a person a network code (法21の2, 令26・27; PROTOCOL §3 *Codes*)."""

from typing import Annotated

import msgspec

from gateway.wire.fields import END, ITEMS_MAX, Hex32, Message, Slug
from gateway.wire.network import Keys, Sealed
from gateway.wire.problems import Problem


class CodeAsked(Message, frozen=True):
    """One code acquisition the gateway begins."""

    request_id: Hex32


class CodeRequestsRequest(Message, frozen=True):
    """`POST /v1/code-requests` of the core."""

    items: Annotated[list[CodeAsked], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class CodeRequested(Message, frozen=True):
    """The acquisition number the registry takes to the resident network (法21の2②)."""

    request_id: Hex32
    acquisition_number: Hex32


class CodeRequestResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: CodeRequested | None = None
    problem: Problem | None = None


class CodeRequestsAnswer(Message, frozen=True):
    """Answers in the request's order."""

    results: Annotated[list[CodeRequestResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class ResidentCode(Message, frozen=True):
    """What the resident network tells the core (令27③): 11 digits for an acquisition number."""

    acquisition_number: Hex32
    resident_code: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{11}" + END)]


class ResidentCodesRequest(Message, frozen=True):
    """`POST /v1/resident-codes` of the core, from the resident network only."""

    items: Annotated[list[ResidentCode], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class Lookup(Message, frozen=True):
    """What the registry brings to the resident network: the number and whose it is."""

    acquisition_number: Hex32
    my_number: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}" + END)]


class LookupsRequest(Message, frozen=True):
    """`POST /v1/lookups` of the resident network, from registries only."""

    items: Annotated[list[Lookup], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class NumberTaken(Message, frozen=True):
    """The acquisition number was taken in."""

    acquisition_number: Hex32


class NumberResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: NumberTaken | None = None
    problem: Problem | None = None


class NumbersAnswer(Message, frozen=True):
    """Answers in the request's order."""

    results: Annotated[list[NumberResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class CodeDelivered(Message, frozen=True):
    """A code for an acquisition number, or word that the person is coded already (命令85 44②)."""

    request_id: Hex32
    state: Slug  # acquired | already-acquired
    code: Sealed | None = None


class CodeDeliveriesRequest(Message, frozen=True):
    """`POST /v1/code-deliveries` of a gateway, from the core only."""

    keys: Keys
    items: Annotated[list[CodeDelivered], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class RequestTaken(Message, frozen=True):
    """The code request was completed."""

    request_id: Hex32


class RequestResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: RequestTaken | None = None
    problem: Problem | None = None


class RequestsAnswer(Message, frozen=True):
    """Answers in the request's order."""

    results: Annotated[list[RequestResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class CodeWanted(Message, frozen=True):
    """An inquirer asks a provider to acquire a code (令26③): four facts, sealed to the provider.

    `person` seals canonical JSON {name, birth_date, sex, address} under purpose `notice`.
    """

    request_id: Hex32
    person: Sealed


class CodeAcquisitionRequestsRequest(Message, frozen=True):
    """`POST /v1/code-acquisition-requests` of a provider."""

    keys: Keys
    items: Annotated[list[CodeWanted], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
