"""Staff zone: exchanges stopped, and let go on."""

from datetime import datetime
from http import HTTPStatus
from typing import Final

from codes.canonical import instant, parse_instant
from codes.errors import CodesError
from gateway.domain.staff import StaffPermission
from gateway.errors import InvalidBodyError
from gateway.flows import switch_measures
from gateway.http.paging import cursor_of, read_cursor
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.services import StaffCall
from gateway.storage.switches import SwitchRow
from gateway.wire.staff_measures import Made, NewSwitch, Switch, Switches, SwitchesQuery

_BYTES_MAX: Final = 8 * 1024


async def list_switches(call: StaffCall) -> Switches:
    """List what stops exchanges now, or a page of all there were."""
    query, measures = call.query(SwitchesQuery), call.services.switches
    if not query.all:
        return Switches(switches=[_switch(row) for row in await measures.standing()])
    rows = await measures.page(before=read_cursor(query.after), limit=query.limit)
    following = cursor_of(rows[-1].set_at, rows[-1].switch_id) if rows else None
    return Switches(
        switches=[_switch(row) for row in rows],
        next=following if len(rows) == query.limit else None,
    )


async def set_switch(call: StaffCall, body: NewSwitch) -> Made:
    """Stop exchanges; once this is answered, every commit from now on is bound by it."""
    new = switch_measures.NewSwitch(
        by=body.by, value=body.value, reason=body.reason, until=read_until(body.until)
    )
    return Made(id=await call.services.switches.set(new, by=call.caller.staff))


async def lift_switch(call: StaffCall) -> None:
    """Let exchanges go on."""
    await call.services.switches.lift(call.path("id"), by=call.caller.staff)


def read_until(text: str | None) -> datetime | None:
    """Return an end as an instant; raises `InvalidBodyError` for a day that does not exist."""
    try:
        return parse_instant(text) if text is not None else None
    except CodesError:
        raise InvalidBodyError("until: no such instant", pointer="/until") from None


_WRITE: Final = Permission(StaffPermission.SWITCHES_WRITE)

ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/switches",
        handler=list_switches,
        permission=Permission(StaffPermission.SWITCHES_READ),
        summary="List stop switches",
        response=Switches,
        query=SwitchesQuery,
    ),
    Route(
        method="POST",
        path="/v1/switches",
        handler=set_switch,
        permission=_WRITE,
        summary="Stop exchanges",
        request=NewSwitch,
        response=Made,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=("queue-full", "slot-stopped", "no-free-slot"),
    ),
    Route(
        method="POST",
        path="/v1/switches/{id}/lifting",
        handler=lift_switch,
        permission=_WRITE,
        summary="Let exchanges go on",
        statuses=(HTTPStatus.NO_CONTENT,),
        problems=("not-found", "conflict", "queue-full", "slot-stopped", "no-free-slot"),
    ),
)


def _switch(row: SwitchRow) -> Switch:
    return Switch(
        id=row.switch_id,
        by=row.by,  # type: ignore[arg-type]  # the table's CHECK names the same words
        value=row.value,
        reason=row.reason,
        maker=row.maker,
        set_at=instant(row.set_at),
        until=instant(row.until) if row.until else None,
        lifted_at=instant(row.lifted_at) if row.lifted_at else None,
        lifted_by=row.lifted_by,
    )
