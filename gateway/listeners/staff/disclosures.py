"""Staff zone: what a person may see of the records about them; who that is stands in the body."""

from typing import Final

from codes.numbers import UnifiedNumber
from gateway.domain.staff import StaffPermission
from gateway.flows.disclose_records import DisclosureAsked
from gateway.flows.disclosed_exchanges import disclosed_exchange
from gateway.flows.exchanges_about import PeriodAsked
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.records import instant_in
from gateway.listeners.staff.services import StaffCall
from gateway.wire.staff_disclosure import Disclosure, DisclosureRequest

_BYTES_MAX: Final = 8 * 1024


async def disclose_records(call: StaffCall, body: DisclosureRequest) -> Disclosure:
    """Return a person's exchanges as the person may see them; that somebody asked is recorded.

    Exchanges of which either party's mark of 法23② stands are left out and counted.
    """
    services = call.services
    disclosed = await services.disclosures.disclose(
        DisclosureAsked(
            person=UnifiedNumber.parse(body.unified_number),
            period=PeriodAsked(
                since=instant_in(body.since, "/since"),
                until=instant_in(body.until, "/until"),
            ),
        ),
        reader=call.caller.staff,
    )
    return Disclosure(
        organisation=disclosed.organisation,
        title=disclosed.title,
        made_at=disclosed.made_at,
        exchanges=[disclosed_exchange(one, disclosed.names) for one in disclosed.exchanges],
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
