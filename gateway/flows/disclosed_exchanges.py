"""Exchanges as a person is shown them: codes with what they are called today."""

from collections.abc import Callable

from gateway.flows.fact_names import FactNames
from gateway.records.disclosure import Exchange
from gateway.wire.staff_disclosure import DisclosedExchange, DisclosedInformation, Named


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
