"""The core's log as others may see it: checkpoints of its slots (PROTOCOL §5 *Who may read*).

Tiles and witnesses' requests come with the issue on evidence; their routes do not exist yet.
"""

import hashlib
from typing import Final

from aiohttp import web

from gateway.core.services import CoreCall
from gateway.errors import NotFoundError
from gateway.http.members import GATEWAY_ONLY
from gateway.http.routes import Route
from gateway.records.note import log_origin

TEXT: Final = "text/plain"


def slot_of(origin_hash: str, *, network: str, organisation: str, slots: int) -> int:
    """Return the slot whose origin has this hex SHA-256, or raise `NotFoundError`."""
    for slot in range(slots):
        origin = log_origin(network, organisation, slot)
        if hashlib.sha256(origin.encode("ascii")).hexdigest() == origin_hash:
            return slot
    raise NotFoundError("checkpoint: no such stream")


async def checkpoint(call: CoreCall) -> web.Response:
    """Give the newest signed checkpoint of one slot of the core's log."""
    directory = call.services.publication.directory
    slot = slot_of(
        call.path("origin_hash"),
        network=directory.network,
        organisation=directory.core.name,
        slots=directory.core.slots,
    )
    note = await call.services.writer.checkpoint(slot)
    return web.Response(text=note, content_type=TEXT, headers={"Cache-Control": "no-cache"})


ROUTES = (
    Route(
        method="GET",
        path="/{origin_hash}/checkpoint",
        handler=checkpoint,
        permission=GATEWAY_ONLY,
        summary="Get a checkpoint of the core's log",
        gives=TEXT,
        problems=("not-found",),
    ),
)
