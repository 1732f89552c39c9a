"""Whole exchanges, back office to back office, between real processes."""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.bench.exchange_load import Job, Seen
from gateway.bench.field import ASKING, Field, laid_field
from gateway.bench.loading import idle_cpu_s, run_load
from gateway.bench.report import Measured, Report, effort, make_report
from gateway.demo import cast
from gateway.demo.asking import PROVIDED, UNION_ASKS_CITY_TAX
from gateway.demo.offices import credentials_folder
from gateway.wire.backoffice import NewInquiry

WARM_UP_S: Final = 2.0
_MODULE: Final = "gateway.bench.exchange_load"


async def bench_exchange(
    *, seconds: float, concurrency: int, workers: int, providers: int
) -> Report:
    """Return what so many requests in flight for so many seconds showed.

    Raises:
        AuditFailedError, RecordsError: a log is not what it must be.
        UnavailableError: a process did not do its part.
    """
    async with laid_field(providers=providers, workers=workers, inquirer=cast.GUNMA_UNION) as field:
        idle = await idle_cpu_s(field)
        folder = credentials_folder(field.fleet[cast.GUNMA_UNION], ASKING)
        job = Job(
            credentials=str(folder / "credentials.json"),
            concurrency=concurrency,
            warm_up_s=WARM_UP_S,
            seconds=seconds,
            expected=PROVIDED,
            inquiries=_inquiries(field),
        )
        seen, watched = await run_load(field, _MODULE, msgspec.json.encode(job), Seen)
        measured = Measured(
            bench="exchange",
            waits_ms=seen.waits_ms,
            exchanges=len(seen.waits_ms),
            errors=seen.errors,
            problems=seen.problems,
            seconds=seen.seconds,
            concurrency=concurrency,
            workers=workers,
            cpu=watched.cpu,
            idle_cpu_s=idle,
            items=watched.items,
            batch=_batch(watched.items, field),
            acknowledged=seen.acknowledged,
            effort=effort(watched.first, watched.last, list(watched.cpu)),
        )
        return make_report(field, measured, await field.audit())


def _inquiries(field: Field) -> list[NewInquiry]:
    """Return an inquiry about everybody at every provider."""
    return [
        msgspec.structs.replace(
            UNION_ASKS_CITY_TAX.of(person), provider_body=cast.city_mayor(provider)
        )
        for provider in field.providers
        for person in field.people
    ]


def _batch(items: Mapping[str, float], field: Field) -> float:
    """Return how many items a message from the inquirer to a provider held on average."""
    sizes = [items.get(f"{cast.GUNMA_UNION} → {name}", 1.0) for name in field.providers]
    return sum(sizes) / len(sizes)
