"""Exchanges as a person is shown them: codes with what they are called today, page by page.

A page never ends between two exchanges of one moment: the next begins with a later one.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, Protocol, TypeVar

from gateway.flows.fact_names import FactNames
from gateway.records.disclosure import Exchange
from gateway.wire.codec import encode_json
from gateway.wire.staff_disclosure import DisclosedExchange, DisclosedInformation, Named

EXCHANGES_MAX: Final = 100
EXCHANGES_BYTES_MAX: Final = 48 * 1024
"""Of one page as JSON; exchanges of one moment are together however long they are."""


class Requested(Protocol):
    """Anything that stands for one exchange."""

    @property
    def requested_at(self) -> str:
        """Return when the core accepted it."""
        ...


R = TypeVar("R", bound=Requested)


def first_page(exchanges: Sequence[R]) -> tuple[list[R], str | None]:
    """Return the first of these exchanges, sorted as they are, and from when on there are more."""
    taken: list[R] = []
    length = 0
    for moment, some in groupby(exchanges, key=lambda one: one.requested_at):
        group = list(some)
        length += sum(len(encode_json(one)) for one in group)
        is_over = len(taken) + len(group) > EXCHANGES_MAX or length > EXCHANGES_BYTES_MAX
        if taken and is_over:
            return taken, moment
        taken += group
    return taken, None


def disclosed_exchange(one: Exchange, names: FactNames) -> DisclosedExchange:
    """Return an exchange as it is shown."""
    return DisclosedExchange(
        direction=one.direction,
        requested_at=one.requested_at,
        outcome=one.outcome,
        act21_2=one.act21_2,
        inquirer=_named(one.inquirer_body, names.body),
        provider=_named(one.provider_body, names.body),
        provided_at=one.provided_at,
        department=one.department,
        affair=_named(one.affair, names.affair),
        procedure=_named(one.procedure, names.procedure),
        citation=one.citation,
        information=_information(one, names),
        corrected_at=one.corrected_at,
        permit_id=one.permit_id,
    )


def _information(one: Exchange, names: FactNames) -> DisclosedInformation | None:
    if one.information is None:
        return None
    return DisclosedInformation(
        term=Named(code=one.information.term, name=names.term(one.information.term)),
        scope=Named(code=one.information.scope, name=names.scope(one.information.scope)),
        items=[Named(code=item, name=names.item(item)) for item in one.information.items],
    )


def _named(code: str | None, name_of: Callable[[str], str | None]) -> Named | None:
    return None if code is None else Named(code=code, name=name_of(code))
