"""The record log as other members see it, at gateways and core alike (PROTOCOL §5).

Whoever holds something of a slot, and its witnesses, read how far it has grown; whoever names us
as a witness has its checkpoints cosigned here.
"""

from typing import Final, Protocol, TypeAlias

from aiohttp import web

from gateway import metrics
from gateway.errors import NotFoundError, SekishoError
from gateway.flows.checkpoints import Checkpoints
from gateway.flows.witnessing import Witnessing
from gateway.http.body import ANY_TYPE
from gateway.http.members import MEMBER, Member
from gateway.http.routes import Call, Route
from gateway.records.witness import REQUEST_BYTES_MAX, Holds, answer_text, size_text

TEXT: Final = "text/plain"
OCTETS: Final = "application/octet-stream"
IMMUTABLE: Final = "private, max-age=31536000, immutable"
TLOG_SIZE: Final = "text/x.tlog.size"
CONFLICT: Final = "conflict"
ADD_CHECKPOINT: Final = "/add-checkpoint"
MINIMUM_INDEX: Final = "Sekisho-Minimum-Index"
"""The first index that is kept: the specification leaves open how a log tells of it."""


class WitnessServices(Protocol):
    """What a listener needs to cosign."""

    @property
    def witnessing(self) -> Witnessing:
        """Return this organisation as a witness."""
        ...


class LogServices(WitnessServices, Protocol):
    """What a listener needs to show its own log too."""

    @property
    def checkpoints(self) -> Checkpoints:
        """Return this organisation's log as others may see it."""
        ...


WitnessCall: TypeAlias = Call[WitnessServices, Member]
LogCall: TypeAlias = Call[LogServices, Member]


async def add_checkpoint(call: WitnessCall, body: bytes) -> web.Response:
    """Cosign a checkpoint of the caller's log (C2SP tlog-witness).

    409 gives the size of the tree that was cosigned last, as `text/x.tlog.size`.
    """
    try:
        answer = await call.services.witnessing.add(call.caller.organisation, body)
    except SekishoError as error:
        metrics.WITNESSED.labels(outcome=error.problem).inc()
        raise
    if isinstance(answer, Holds):
        metrics.WITNESSED.labels(outcome=CONFLICT).inc()
        return web.Response(status=409, text=size_text(answer), content_type=TLOG_SIZE)
    return web.Response(text=answer_text(answer), content_type=TEXT)


async def checkpoint(call: LogCall) -> web.Response:
    """Give the newest cosigned checkpoint of one slot, to whoever has something of it in hand.

    Of the caller's own slots it is the one that was cosigned here last. Of ours the header
    `Sekisho-Minimum-Index` says from which index on entries are kept (tlog-tiles, Pruning).
    """
    origin, caller = call.path("origin"), call.caller.organisation
    try:
        note = await call.services.witnessing.newest(caller, origin)
    except NotFoundError:
        note = await call.services.checkpoints.note(origin, caller)
        return _note(note, minimum=await call.services.checkpoints.minimum(origin))
    return _note(note)


async def witnessed_checkpoint(call: WitnessCall) -> web.Response:
    """Give the caller's own checkpoint that was cosigned here last."""
    return _note(
        await call.services.witnessing.newest(call.caller.organisation, call.path("origin"))
    )


def _note(note: str, *, minimum: int | None = None) -> web.Response:
    headers = {"Cache-Control": "no-cache"}
    if minimum is not None:
        headers[MINIMUM_INDEX] = str(minimum)
    return web.Response(text=note, content_type=TEXT, headers=headers)


async def tile(call: LogCall) -> web.Response:
    """Give a hash tile of one slot, full or as wide as asked; it never changes (tlog-tiles).

    One of erased entries alone is gone: 410, with the slot's `minimum_index`. Any tile above it,
    and so every later proof, is given for ever.
    """
    raw = await call.services.checkpoints.tile(
        call.path("origin"), f"tile/{call.path('tile')}", call.caller.organisation
    )
    return web.Response(body=raw, content_type=OCTETS, headers={"Cache-Control": IMMUTABLE})


CHECKPOINT: Final = "/{origin}/checkpoint"
_ADD: Final = (
    Route(
        method="POST",
        path=ADD_CHECKPOINT,
        handler=add_checkpoint,
        permission=MEMBER,
        summary="Have a checkpoint cosigned",
        request=bytes,
        takes=ANY_TYPE,
        gives=TEXT,
        statuses=(200, 409),
        bytes_max=REQUEST_BYTES_MAX,
        problems=(
            *("checkpoint-not-signed", "not-consistent", "not-found"),
            *("cosigned-forgotten", "clock-off"),
        ),
    ),
)
WITNESS_ROUTES: Final = (
    *_ADD,
    Route(
        method="GET",
        path=CHECKPOINT,
        handler=witnessed_checkpoint,
        permission=MEMBER,
        summary="Get the newest checkpoint that was cosigned",
        gives=TEXT,
        problems=("not-found", "cosigned-forgotten"),
    ),
)
LOG_ROUTES: Final = (
    *_ADD,
    Route(
        method="GET",
        path=CHECKPOINT,
        handler=checkpoint,
        permission=MEMBER,
        summary="Get a checkpoint of a slot",
        gives=TEXT,
        answer_headers=(MINIMUM_INDEX,),
        problems=("not-found", "cosigned-forgotten"),
    ),
    Route(
        method="GET",
        path="/{origin}/tile/{tile:.+}",
        handler=tile,
        permission=MEMBER,
        summary="Get a hash tile of a slot",
        gives=OCTETS,
        problems=("not-found", "tile-erased"),
    ),
)
