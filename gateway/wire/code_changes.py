"""Changed resident-record codes: the resident network tells the core (住基法30の9の2②)."""

from typing import Annotated

import msgspec

from gateway.wire.fields import ITEMS_MAX, Mark, Message
from gateway.wire.problems import Problem

ResidentCodeText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{11}$(?!\n)")]


class ResidentCodeChange(Message, frozen=True):
    """One person's resident-record code before and after."""

    previous: ResidentCodeText
    current: ResidentCodeText


class ResidentCodeChangesRequest(Message, frozen=True):
    """`POST /v1/resident-code-changes` of the core, from the resident network only."""

    items: Annotated[list[ResidentCodeChange], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class ChangeTaken(Message, frozen=True):
    """The change was taken in; `known` is 1 if the core had met the person before."""

    known: Mark


class ChangeResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: ChangeTaken | None = None
    problem: Problem | None = None


class ResidentCodeChangesAnswer(Message, frozen=True):
    """Answers in the request's order."""

    results: Annotated[list[ChangeResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
