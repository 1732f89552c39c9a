"""Staff zone: flags of people set, lifted and looked up; a person stands in the body alone."""

from http import HTTPStatus
from typing import Final

from codes.canonical import instant
from codes.numbers import UnifiedNumber
from gateway.domain.staff import Staff, StaffPermission
from gateway.flows import flags
from gateway.flows.flags import STAFF, FlagMaker
from gateway.http.routes import Permission, Route
from gateway.listeners.staff.services import StaffCall
from gateway.listeners.staff.switches import read_until
from gateway.storage import flags as stored
from gateway.wire.staff_measures import Flag, FlagLifting, FlagLookup, Flags, Made, NewFlag
from policies.release import Flag as FlagKind

_BYTES_MAX: Final = 8 * 1024


async def set_flag(call: StaffCall, body: NewFlag) -> Made:
    """Set a flag; once this is answered, every commit from now on honours it.

    Who sets or lifts a flag that holds answers back does not approve what it holds.
    """
    new = flags.NewFlag(
        unified_number=UnifiedNumber.parse(body.unified_number),
        kind=FlagKind(body.kind),
        reason=body.reason,
        term=body.term,
        item=body.item,
        until=read_until(body.until),
    )
    return Made(id=await call.services.flags.set(new, by=_maker(call.caller.staff)))


async def look_up_flags(call: StaffCall, body: FlagLookup) -> Flags:
    """Show a person's flags; that somebody looked is recorded."""
    found = await call.services.review_flags.look_up(
        UnifiedNumber.parse(body.unified_number),
        with_history=body.all,
        reader=call.caller.staff,
    )
    return Flags(flags=[_flag(flag) for flag in found])


async def lift_flag(call: StaffCall, body: FlagLifting) -> None:
    """Lift a flag, whoever set it."""
    await call.services.flags.lift(
        call.path("id"), reason=body.reason, by=_maker(call.caller.staff)
    )


_WRITE: Final = Permission(StaffPermission.FLAGS_WRITE)

ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/flags",
        handler=set_flag,
        permission=_WRITE,
        summary="Set a flag",
        request=NewFlag,
        response=Made,
        statuses=(HTTPStatus.CREATED,),
        bytes_max=_BYTES_MAX,
        problems=("queue-full", "slot-stopped", "no-free-slot"),
    ),
    Route(
        method="POST",
        path="/v1/flags:lookup",
        handler=look_up_flags,
        permission=Permission(StaffPermission.FLAGS_READ),
        summary="Look a person's flags up",
        request=FlagLookup,
        response=Flags,
        bytes_max=_BYTES_MAX,
        problems=("queue-full", "slot-stopped", "no-free-slot"),
    ),
    Route(
        method="POST",
        path="/v1/flags/{id}/lifting",
        handler=lift_flag,
        permission=_WRITE,
        summary="Lift a flag",
        request=FlagLifting,
        statuses=(HTTPStatus.NO_CONTENT,),
        bytes_max=_BYTES_MAX,
        problems=("not-found", "conflict", "queue-full", "slot-stopped", "no-free-slot"),
    ),
)


def _maker(person: Staff) -> FlagMaker:
    return FlagMaker(name=person.staff_id, kind=STAFF)


def _flag(flag: stored.Flag) -> Flag:
    return Flag(
        id=flag.flag_id,
        kind=flag.kind,  # type: ignore[arg-type]  # the table's CHECK names the same words
        reason=flag.reason,
        maker=flag.maker,
        maker_kind=flag.maker_kind,  # type: ignore[arg-type]  # likewise
        set_at=instant(flag.set_at),
        term=flag.term,
        item=flag.item,
        until=instant(flag.until) if flag.until else None,
        lifted_at=instant(flag.lifted_at) if flag.lifted_at else None,
        lifted_by=flag.lifted_by,
    )
