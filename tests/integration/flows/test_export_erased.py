"""An export that begins in an erased month, or of a slot with nothing left, still verifies."""

import asyncio
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from gateway.errors import NotFoundError
from gateway.flows.checkpoints import Checkpoints, TileErasedError
from gateway.flows.context import Context
from gateway.flows.export_records import ExportRecords, Period
from gateway.http.problems import problem_type
from gateway.records.bundle import read_slot
from gateway.records.erased import ERASURES
from gateway.records.note import log_origin, origin_hash_of, parse_note
from tests.damage.judges import Verdict, by_one_file, by_the_program
from tests.integration.flows.old_logs import CORE, ENDED, NAGAOKA, cosigned, erased
from tests.unit.certs import networks

WHOLE = Period(begins=datetime(2000, 1, 1, tzinfo=UTC), ends=ENDED + timedelta(days=3))
BETWEEN = Period(begins=ENDED + timedelta(hours=1), ends=ENDED + timedelta(days=3))
INSIDE = Period(begins=ENDED - timedelta(hours=1), ends=ENDED - timedelta(minutes=1))


@pytest.fixture
async def context(old_log: Context, aged: networks.Network, tmp_path: Path) -> Context:
    """The log after May 2019 was erased, cosigned as it is."""
    await erased(old_log, tmp_path / "archives")
    await cosigned(old_log, aged, datetime.now(UTC).replace(microsecond=0))
    return old_log


async def test_the_log_says_from_which_index_on_it_is_kept(context: Context) -> None:
    checkpoints = Checkpoints(context)
    log, idle = (origin_hash_of(log_origin("testnet", NAGAOKA, slot)) for slot in (0, 1))
    size = parse_note(await checkpoints.note(log, CORE)).checkpoint.size

    with pytest.raises(TileErasedError) as gone:
        await checkpoints.tile(log, "tile/0/000", CORE)
    with pytest.raises(NotFoundError) as never:
        await checkpoints.tile(log, "tile/0/002", CORE)

    assert gone.value.members == {"minimum_index": 301}
    assert problem_type(type(gone.value)).status == HTTPStatus.GONE
    assert never.value.problem == "not-found"
    assert (await checkpoints.minimum(log), await checkpoints.minimum(idle)) == (301, 1)
    # What later proofs need is still given: the root of what is gone, and all that goes on.
    upper = await checkpoints.tile(log, "tile/1/000.p/1", CORE)
    right = await checkpoints.tile(log, f"tile/0/001.p/{size - 256}", CORE)
    assert (len(upper), len(right)) == (32, 32 * (size - 256))


async def export(context: Context, period: Period) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    async with asyncio.timeout(20):
        async for name, piece in ExportRecords(context).files(period):
            files[name] = files.get(name, b"") + piece
    return files


@pytest.mark.parametrize("period", [WHOLE, BETWEEN, INSIDE], ids=["whole", "between", "inside"])
async def test_what_is_left_of_an_erased_month_verifies(
    context: Context, aged: networks.Network, period: Period
) -> None:
    root = aged.path / "root" / "root.json"
    files = await export(context, period)

    assert by_the_program(files, root) == Verdict((), complete=True)
    assert by_one_file(files, root) == Verdict((), complete=True)
    assert [read_slot(files, slot).first for slot in (0, 1)] == [301, 1]
    assert read_slot(files, 1).leaves == ()
    less = {name: raw for name, raw in files.items() if name != ERASURES}
    assert {reason for _, _, reason in by_the_program(less, root).faults} == {"begins-late"}
