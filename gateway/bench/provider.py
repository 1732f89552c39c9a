"""One provider alone: permits of a real core, presented to it over TLS."""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.bench.field import Field, laid_field
from gateway.bench.floor import PROVIDER
from gateway.bench.loading import idle_cpu_s, run_load
from gateway.bench.machine import CpuTime
from gateway.bench.provider_load import ITEMS_MAX, Job, Seen
from gateway.bench.report import Measured, Report, effort, make_report
from gateway.demo import cast

PLACES: Final = 2
"""Messages that each worker of the provider is sent at once."""
_MODULE: Final = "gateway.bench.provider_load"
_KINDS: Final = ("permit", "provision")


async def bench_provider(*, seconds: float, concurrency: int, workers: int) -> Report:
    """Return what one provider does when so many permits are presented to it at once.

    Raises:
        AuditFailedError, RecordsError: a log is not what it must be.
        UnavailableError: a process did not do its part.
    """
    messages = min(concurrency, PLACES * workers)
    async with laid_field(providers=1, workers=workers, member=cast.GUNMA_UNION) as field:
        idle = await idle_cpu_s(field)
        job = _job(field, seconds=seconds, messages=messages, items=concurrency // messages)
        seen, watched = await run_load(field, _MODULE, msgspec.json.encode(job), Seen)
        measured = Measured(
            bench="provider",
            waits_ms=seen.waits_ms,
            exchanges=len(seen.waits_ms),
            errors=seen.errors,
            problems=seen.problems,
            seconds=seen.seconds,
            concurrency=concurrency,
            workers=workers,
            cpu=_provider_alone(watched.cpu),
            idle_cpu_s=idle,
            items={**watched.items, "message": float(job.items)},
            batch=job.items,
            acknowledged=seen.provided,
            effort=effort(watched.first, watched.last, [cast.NAGAOKA]),
            kinds=_KINDS,
            parties=(PROVIDER,),
        )
        audited = await field.audit()
        return make_report(field, measured, audited, own_entries=seen.entries)


def _job(field: Field, *, seconds: float, messages: int, items: int) -> Job:
    provider = field.fleet[cast.NAGAOKA]
    return Job(
        config=str(field.instance(cast.GUNMA_UNION).config),
        core_folder=str(field.instance(cast.CORE).folder),
        residents=[person.code.text for person in field.people],
        provider=cast.NAGAOKA,
        provider_url=provider.url("network"),
        messages=messages,
        items=min(items, ITEMS_MAX),
        seconds=seconds,
    )


def _provider_alone(cpu: Mapping[str, CpuTime]) -> dict[str, CpuTime]:
    """Leave out the core, which made its permits before."""
    return {cast.NAGAOKA: cpu[cast.NAGAOKA]}
