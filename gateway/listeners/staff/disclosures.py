"""Staff zone: what a person may see of the records about them; who that is stands in the body."""

from collections.abc import Callable
from typing import Final

from codes.numbers import UnifiedNumber
from gateway.domain.staff import StaffPermission
from gateway.flows.disclose_records import DisclosureAsked
from gateway.flows.fact_names import FactNames
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.records import instant_in
from gateway.listeners.staff.services import StaffCall
from gateway.records.disclosure import Exchange
from gateway.wire.staff_disclosure import (
    DisclosedExchange,
    DisclosedInformation,
    Disclosure,
    DisclosureRequest,
    Named,
)

_BYTES_MAX: Final = 8 * 1024


async def disclose_records(call: StaffCall, body: DisclosureRequest) -> Disclosure:
    """Return a person's exchanges as the person may see them; that somebody asked is recorded.

    Exchanges of which either party's mark of 法23② stands are left out and counted.
    """
    services = call.services
    disclosed = await services.disclosures.disclose(
        DisclosureAsked(
            person=UnifiedNumber.parse(body.unified_number),
            since=instant_in(body.since, "/since"),
            until=instant_in(body.until, "/until"),
        ),
        reader=call.caller.staff,
    )
    return Disclosure(
        organisation=disclosed.organisation,
        title=disclosed.title,
        made_at=disclosed.made_at,
        exchanges=[_exchange(one, disclosed.names) for one in disclosed.exchanges],
        left_out=disclosed.left_out,
        since=body.since,
        until=body.until,
        erased_through=await services.erase_months.erased_through(),
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/records:disclose",
        handler=disclose_records,
        permission=Permission(StaffPermission.RECORDS_DISCLOSE),
        summary="Show what a person may see of the records about them",
        request=DisclosureRequest,
        response=Disclosure,
        bytes_max=_BYTES_MAX,
        problems=("record-damaged", "queue-full", "slot-stopped", "no-free-slot"),
    ),
)


def _exchange(one: Exchange, names: FactNames) -> DisclosedExchange:
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
