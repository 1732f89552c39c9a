"""A log that lost records is exported, and verifies before the damage and after it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from gateway.flows.context import Context
from gateway.flows.export_records import ExportRecords, Period
from gateway.records.bundle import read_slot
from gateway.records.lost import LOSSES
from gateway.records.note import parse_note
from tests.conftest import Dsns
from tests.damage.judges import Verdict, by_one_file, by_the_program, report_of_one_file
from tests.integration.flows.old_logs import cosigned
from tests.integration.hand_in_tables import END_WRITERS, as_superuser, put_other, set_back
from tests.integration.record_log import SetClock, a_draft
from tests.unit.certs import networks

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MAY, OLD, SIGNED = 301, 311, 314
"""How many entries there were in May and June 2019, and how many when the damage was done."""
Damage = Callable[[Context, Dsns], Awaitable[None]]


async def fall_behind(context: Context, dsns: Dsns) -> None:
    await set_back(context.vault, dsns, to=OLD + 1)


async def other_rows(_context: Context, dsns: Dsns) -> None:
    await put_other(dsns, index=OLD + 1)


async def other_hash(_context: Context, dsns: Dsns) -> None:
    """A row of June is not the one that its hash says, either: more is lost than is known."""
    await put_other(dsns, index=OLD + 1)
    await as_superuser(
        dsns, "UPDATE log_entries SET leaf = 'x' WHERE slot = 0 AND index = $1", OLD - 1
    )


async def no_rows(_context: Context, dsns: Dsns) -> None:
    await as_superuser(dsns, "DELETE FROM log_entries WHERE slot = 0")


@pytest.fixture
def begun(aged: networks.Network) -> datetime:
    """When the day of the damage began: the network's keys are as old as an hour."""
    return aged.directory.issued + 10 * MINUTE


@pytest.fixture
def damaged(
    old_log: Context, aged: networks.Network, dsns: Dsns, begun: datetime
) -> Callable[[Damage], Awaitable[Context]]:
    """Return what lets a log lose records of slot 0, tell of it in slot 1 and be cosigned again."""
    clock, writer = old_log.clock, old_log.writer
    assert isinstance(clock, SetClock)

    async def do(damage: Damage) -> Context:
        await cosigned(old_log, aged, begun)
        clock.moment = begun + 20 * MINUTE
        await writer.append([a_draft() for _ in range(SIGNED - OLD)], source="a")
        # The witness holds what was signed, whatever the rows say later.
        await cosigned(old_log, aged, clock.moment)
        await damage(old_log, dsns)
        await as_superuser(dsns, END_WRITERS)
        async with asyncio.timeout(10):
            await writer.wait_lost()
            await writer.wait_taken()
        assert writer.slot == 1
        for minutes in (21, 31):
            clock.moment = begun + minutes * MINUTE
            await cosigned(old_log, aged, clock.moment, but=(0,))
        return old_log

    return do


async def export(context: Context, begins: datetime, ends: datetime) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    async with asyncio.timeout(20):
        period = Period(begins=begins, ends=ends)
        async for name, piece in ExportRecords(context).files(period):
            files[name] = files.get(name, b"") + piece
    return files


async def test_what_a_former_witness_signed_is_exported_for_whoever_knows_of_it(
    old_log: Context, aged: networks.Network, begun: datetime
) -> None:
    await cosigned(old_log, aged, begun, by="union")
    await cosigned(old_log, aged, begun + MINUTE)

    files = await export(old_log, begun - HOUR, begun)

    names = [
        {line.name for line in parse_note(each.note).lines} for each in read_slot(files, 0).notes
    ]
    assert any("testnet/union/witness" in found for found in names)
    assert by_the_program(files, aged.path / "root" / "root.json").complete


@pytest.mark.parametrize(
    ("damage", "left"),
    [(fall_behind, OLD + 1), (other_rows, OLD), (other_hash, MAY)],
    ids=["behind", "other-rows", "other-hash"],
)
async def test_before_and_after_the_damage_the_log_is_proved_complete(
    damaged: Callable[[Damage], Awaitable[Context]],
    aged: networks.Network,
    begun: datetime,
    damage: Damage,
    left: int,
) -> None:
    root = aged.path / "root" / "root.json"
    context = await damaged(damage)

    before = await export(context, datetime(2000, 1, 1, tzinfo=UTC), begun - HOUR)
    during = await export(context, begun + MINUTE, begun + 25 * MINUTE)
    after = await export(context, begun + 22 * MINUTE, begun + 30 * MINUTE)

    assert by_the_program(after, root) == Verdict((), complete=True)
    assert by_one_file(after, root) == Verdict((), complete=True)
    named = Verdict(((0, left, "lost"),), complete=False)
    assert by_the_program(during, root) == named
    assert by_one_file(during, root) == named
    told = {"first": left, "end": SIGNED, "told": [1, 1]}
    assert report_of_one_file(during, root)["slots"][0]["lost"] == told
    is_whole = left >= OLD
    assert by_the_program(before, root) == (Verdict((), complete=True) if is_whole else named)
    assert by_one_file(before, root) == (Verdict((), complete=True) if is_whole else named)
    assert read_slot(after, 0).end == left


async def test_a_slot_of_which_nothing_can_be_shown_is_empty(
    damaged: Callable[[Damage], Awaitable[Context]], aged: networks.Network, begun: datetime
) -> None:
    root = aged.path / "root" / "root.json"
    context = await damaged(no_rows)

    during = await export(context, begun + MINUTE, begun + 25 * MINUTE)
    after = await export(context, begun + 22 * MINUTE, begun + 30 * MINUTE)

    assert by_the_program(after, root) == Verdict((), complete=True)
    assert by_one_file(after, root) == Verdict((), complete=True)
    named = Verdict(((0, 0, "lost"),), complete=False)
    assert by_the_program(during, root) == named
    assert by_one_file(during, root) == named
    less = {name: raw for name, raw in after.items() if name != LOSSES}
    assert by_the_program(less, root) == Verdict(((1, 1, "loss-unproved"),), complete=False)
