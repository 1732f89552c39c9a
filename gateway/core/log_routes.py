"""The core's log as others may see it: checkpoints of its slots (PROTOCOL §5 *Who may read*).

Tiles and witnesses' requests come with the issue on evidence; their routes do not exist yet.
"""

from typing import Final

from aiohttp import web

from gateway.core.services import CoreCall
from gateway.http.members import MEMBER
from gateway.http.routes import Route

TEXT: Final = "text/plain"


async def checkpoint(call: CoreCall) -> web.Response:
    """Give the newest signed checkpoint of one slot to who holds something of it."""
    sender = call.caller.organisation
    note = await call.services.checkpoints.note(call.path("origin_hash"), sender)
    return web.Response(text=note, content_type=TEXT, headers={"Cache-Control": "no-cache"})


ROUTES = (
    Route(
        method="GET",
        path="/{origin_hash}/checkpoint",
        handler=checkpoint,
        permission=MEMBER,
        summary="Get a checkpoint of the core's log",
        gives=TEXT,
        problems=("not-found",),
    ),
)
