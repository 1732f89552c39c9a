"""Zip archives as answers, sent as they are made."""

from collections.abc import AsyncIterator

from aiohttp import web

from gateway.flows.record_archive import MEDIA_TYPE, archived


async def send_archive(
    request: web.Request, files: AsyncIterator[tuple[str, bytes]]
) -> web.StreamResponse:
    """Send files, in pieces under their names, as one archive; an early end leaves a broken one."""
    response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE})
    await response.prepare(request)
    async for piece in archived(files):
        await response.write(piece)
    await response.write_eof()
    return response
