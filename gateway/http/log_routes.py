"""The record log as other members see it, at gateways and core alike (PROTOCOL §5).

Whoever holds something of a slot, and its witnesses, read how far it has grown; whoever names us
as a witness has its checkpoints cosigned here.
"""

from typing import Final, Protocol, TypeAlias

from aiohttp import web

from gateway import metrics
from gateway.errors import SekishoError
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
    """Give the newest cosigned checkpoint of one slot, to whoever has something of it in hand."""
    note = await call.services.checkpoints.note(call.path("origin"), call.caller.organisation)
    return web.Response(text=note, content_type=TEXT, headers={"Cache-Control": "no-cache"})


async def tile(call: LogCall) -> web.Response:
    """Give a hash tile of one slot, full or as wide as asked; it never changes (tlog-tiles)."""
    raw = await call.services.checkpoints.tile(
        call.path("origin"), f"tile/{call.path('tile')}", call.caller.organisation
    )
    return web.Response(body=raw, content_type=OCTETS, headers={"Cache-Control": IMMUTABLE})


WITNESS_ROUTES: Final = (
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
        problems=("checkpoint-not-signed", "not-consistent", "not-found", "clock-off"),
    ),
)
LOG_ROUTES: Final = (
    *WITNESS_ROUTES,
    Route(
        method="GET",
        path="/{origin}/checkpoint",
        handler=checkpoint,
        permission=MEMBER,
        summary="Get a checkpoint of a slot",
        gives=TEXT,
        problems=("not-found",),
    ),
    Route(
        method="GET",
        path="/{origin}/tile/{tile:.+}",
        handler=tile,
        permission=MEMBER,
        summary="Get a hash tile of a slot",
        gives=OCTETS,
        problems=("not-found",),
    ),
)
