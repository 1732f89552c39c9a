"""Back-office zone: flags of people, and what the law's table says to a question."""

from http import HTTPStatus
from typing import Final

import msgspec

from codes.canonical import instant, parse_instant
from codes.numbers import UnifiedNumber
from gateway.domain.scopes import DECISIONS_READ, FLAGS_READ, FLAGS_WRITE
from gateway.flows.flags import CLIENT, FlagMaker, NewFlag, is_of
from gateway.http.routes import Permission, Reply, Route
from gateway.listeners.backoffice.services import BackofficeCall, Client
from gateway.storage.flags import Flag
from gateway.wire.decisions import DecisionExplained, DecisionQuestion
from gateway.wire.flags import (
    FlagLift,
    FlagSetAnswer,
    FlagsLookup,
    NewSubjectFlag,
    SubjectFlag,
    SubjectFlags,
)
from policies.release import Flag as FlagKind

WRITE: Final = Permission(FLAGS_WRITE)
READ: Final = Permission(FLAGS_READ)
EXPLAIN: Final = Permission(DECISIONS_READ)


async def set_flag(call: BackofficeCall, body: NewSubjectFlag) -> Reply:
    """Set a flag; once this is answered every statement honours it."""
    new = NewFlag(
        unified_number=UnifiedNumber.parse(body.unified_number),
        kind=FlagKind(body.kind),
        reason=body.reason,
        term=body.term,
        item=body.item,
        until=parse_instant(body.until) if body.until is not None else None,
    )
    flag_id = await call.services.flags.set(new, by=_maker(call.caller))
    return Reply(FlagSetAnswer(id=flag_id), status=HTTPStatus.CREATED)


async def lift_flag(call: BackofficeCall, body: FlagLift) -> None:
    """Lift one of the caller's own flags."""
    await call.services.flags.lift(body.id, reason=body.reason, by=_maker(call.caller))


async def look_up_flags(call: BackofficeCall, body: FlagsLookup) -> SubjectFlags:
    """Show the caller's own flags of one person."""
    number = UnifiedNumber.parse(body.unified_number)
    flags = call.services.flags
    found = await (flags.history(number) if body.lifted else flags.standing(number))
    maker = _maker(call.caller)
    return SubjectFlags(flags=[_flag(flag) for flag in found if is_of(flag, maker)])


async def explain_decision(call: BackofficeCall, body: DecisionQuestion) -> DecisionExplained:
    """Say what the table permits on a day, on what ground, and what comes nearest."""
    answer = call.services.explain.answer(msgspec.to_builtins(body))
    return msgspec.convert(answer, DecisionExplained)


def _maker(client: Client) -> FlagMaker:
    registration = client.registration
    return FlagMaker(name=registration.client_id, kind=CLIENT, system=registration.system)


def _flag(flag: Flag) -> SubjectFlag:
    return SubjectFlag(
        id=flag.flag_id,
        kind=flag.kind,
        reason=flag.reason,
        set_at=instant(flag.set_at),
        term=flag.term,
        item=flag.item,
        until=instant(flag.until) if flag.until is not None else None,
        lifted_at=instant(flag.lifted_at) if flag.lifted_at is not None else None,
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/subject-flags",
        handler=set_flag,
        permission=WRITE,
        summary="Set a flag of a person",
        request=NewSubjectFlag,
        response=FlagSetAnswer,
        bytes_max=4 * 1024,
        statuses=(HTTPStatus.CREATED,),
        problems=("queue-full",),
    ),
    Route(
        method="POST",
        path="/v1/subject-flags:lift",
        handler=lift_flag,
        permission=WRITE,
        summary="Lift a flag of a person",
        request=FlagLift,
        bytes_max=4 * 1024,
        statuses=(HTTPStatus.NO_CONTENT,),
        problems=("not-found", "conflict", "queue-full"),
    ),
    Route(
        method="POST",
        path="/v1/subject-flags:lookup",
        handler=look_up_flags,
        permission=READ,
        summary="Look up flags of a person",
        request=FlagsLookup,
        response=SubjectFlags,
        bytes_max=4 * 1024,
    ),
    Route(
        method="POST",
        path="/v1/decisions:explain",
        handler=explain_decision,
        permission=EXPLAIN,
        summary="Explain what the table permits",
        request=DecisionQuestion,
        response=DecisionExplained,
        bytes_max=16 * 1024,
    ),
)
