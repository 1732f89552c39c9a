"""Work that comes round: one thing, at an interval, until cancelled; a failed turn comes again."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.errors import SekishoError

log = structlog.get_logger()


async def every(seconds: float, turn: Callable[[], Awaitable[None]], *, name: str) -> None:
    """Run `turn` again and again with a pause of so many seconds between."""
    while True:
        await once(turn, name=name)
        await asyncio.sleep(seconds)


async def once(turn: Callable[[], Awaitable[None]], *, name: str) -> None:
    """Run `turn`; what it raises is told of and ends nothing."""
    try:
        await turn()
    except SekishoError as error:
        log.warning("job_turn_failed", job=name, problem=error.problem)
    except Exception:
        log.exception("job_turn_failed", job=name, problem="internal-error")
