"""Questions between members of the network that change nothing, and notices of corrections."""

from typing import Annotated

import msgspec

from gateway.wire.fields import ITEMS_MAX, Count, Hex32, Message, Organisation, Position
from gateway.wire.network import Groups, Reference
from gateway.wire.problems import Problem


class ProvidersQuestion(Message, frozen=True):
    """Which organisations could provide this (命令85 40③)."""

    procedure: str
    information: str


class ProvidersRequest(Message, frozen=True):
    """`POST /v1/providers:lookup` of the core."""

    items: Annotated[list[ProvidersQuestion], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class ProviderFound(Message, frozen=True):
    """One organisation and body that the allow list of the day names as a provider."""

    organisation: Organisation
    body: str
    name: str


class ProvidersFound(Message, frozen=True):
    """All providers for one question."""

    providers: list[ProviderFound]


class ProvidersResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: ProvidersFound | None = None
    problem: Problem | None = None


class ProvidersAnswer(Message, frozen=True):
    """Answers in the request's order."""

    results: Annotated[list[ProvidersResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class StatementWanted(Message, frozen=True):
    """A party of this exchange asks for its counterpart's statements by permit id."""

    permit_id: Hex32


class StatementsFetchRequest(Message, frozen=True):
    """`POST /v1/statements:fetch`."""

    items: Annotated[list[StatementWanted], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class StatementsFound(Message, frozen=True):
    """Where the statements of one exchange stand in this message."""

    statements: list[Reference]


class StatementsResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: StatementsFound | None = None
    problem: Problem | None = None


class StatementsFetchAnswer(Message, frozen=True):
    """Answers in the request's order."""

    groups: Groups
    results: Annotated[list[StatementsResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class CorrectionNotice(Message, frozen=True):
    """A record was corrected (法31, 個情法97): the `correction` statement and what it corrects."""

    permit_id: Hex32
    group: Position
    index: Count


class CorrectionNoticesRequest(Message, frozen=True):
    """`POST /v1/correction-notices`."""

    groups: Groups
    items: Annotated[list[CorrectionNotice], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
