"""What a witness remembers beside its database, and what it does when that came without it."""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from gateway import metrics
from gateway.app.cosigning_commands import cosigning_commands
from gateway.errors import ConfigurationError, InvalidRequestError
from gateway.flows.cosigned_marks import CosignedMarks
from gateway.flows.cosigned_memory import CosignedForgottenError, CosignedMemory
from gateway.flows.record_marks import Mark
from gateway.storage.database import Database
from gateway.storage.witnessed import Witnessed, find_witnessed
from tests.conftest import Dsns

ORIGIN = "testnet/nagaoka/log/0"
OTHER = "testnet/nagaoka/log/1"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def at(size: int, root: int = 0, *, origin: str = ORIGIN) -> Witnessed:
    return Witnessed(origin=origin, size=size, root=bytes([root]) * 32, note=f"note {size}")


async def a_memory(database: Database, folder: Path) -> CosignedMemory:
    memory = CosignedMemory(database, CosignedMarks(folder))
    await memory.begin()
    return memory


async def cosigned(memory: CosignedMemory, new: Witnessed) -> None:
    """Do what a request does that is cosigned."""
    held = await memory.held(new.origin)
    assert await memory.advance(held, new, at=NOW)
    mark = Mark(new.size, new.root)
    assert memory.marks.advance(new.origin, before=held.mark, new=mark)


async def set_back(dsns: Dsns, *, restored: bool = False) -> None:
    """Make the database one that never cosigned anything; with a restore it says why."""
    owner = await asyncpg.connect(dsns.superuser)
    await owner.execute("DELETE FROM witnessed")
    if restored:
        await owner.execute("DELETE FROM cosigned_folders")
        await owner.execute(
            "INSERT INTO restores (backup_id, taken_at, is_whole) VALUES ($1, now(), false)",
            "0" * 32,
        )
    await owner.close()


def forgotten() -> float:
    return metrics.COSIGNED_FORGOTTEN._value.get()  # type: ignore[no-any-return]  # untyped


async def test_what_comes_next_continues_the_mark_whatever_the_database_says(
    database: Database, dsns: Dsns, tmp_path: Path
) -> None:
    memory = await a_memory(database, tmp_path)
    await cosigned(memory, at(5))
    await cosigned(memory, at(9))
    before = forgotten()

    await set_back(dsns)
    held = await memory.held(ORIGIN)
    while_behind = forgotten()
    await cosigned(memory, at(12))
    healed = forgotten()

    assert (held.size, held.root, held.note) == (9, bytes(32), "")
    assert while_behind == before + 1
    assert (await memory.held(ORIGIN)).note == "note 12"
    assert forgotten() == healed


@pytest.mark.parametrize("row", [at(4), at(9, root=1)])
async def test_a_row_that_somebody_changed_counts_for_nothing_and_alarms(
    database: Database, tmp_path: Path, row: Witnessed
) -> None:
    memory = await a_memory(database, tmp_path)
    await cosigned(memory, at(9))
    held = await memory.held(ORIGIN)
    await memory.advance(held, row, at=NOW)
    before = forgotten()

    held = await memory.held(ORIGIN)

    assert (held.size, held.root, held.note) == (9, bytes(32), "")
    assert forgotten() == before + 1
    with pytest.raises(CosignedForgottenError):
        await memory.note(ORIGIN)


async def test_a_row_that_was_raised_does_not_move_where_the_next_one_begins(
    database: Database, tmp_path: Path
) -> None:
    """Nor does one whose worker died before it signed."""
    memory = await a_memory(database, tmp_path)
    await cosigned(memory, at(9))
    await memory.advance(await memory.held(ORIGIN), at(20, root=1), at=NOW)

    held = await memory.held(ORIGIN)

    assert held.size == 9
    assert await memory.note(ORIGIN) == "note 20"
    await cosigned(memory, at(12))
    async with database.read() as connection:
        assert await find_witnessed(connection, ORIGIN) == at(12)


async def test_of_two_that_mark_at_once_one_does(database: Database, tmp_path: Path) -> None:
    memory = await a_memory(database, tmp_path)
    await cosigned(memory, at(5))
    before = Mark(5, bytes(32))

    assert memory.marks.advance(ORIGIN, before=before, new=Mark(9, b"1" * 32))
    assert not memory.marks.advance(ORIGIN, before=before, new=Mark(9, b"2" * 32))
    assert memory.marks.highest(ORIGIN) == Mark(9, b"1" * 32)


async def test_a_damaged_mark_lets_nothing_be_signed(database: Database, tmp_path: Path) -> None:
    memory = await a_memory(database, tmp_path)
    await cosigned(memory, at(5))
    path = tmp_path / ORIGIN.replace("/", ".")
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(ConfigurationError, match="damaged"):
        await memory.held(ORIGIN)


async def test_a_database_on_a_machine_without_its_marks_waits_for_the_operator(
    database: Database, tmp_path: Path
) -> None:
    there = await a_memory(database, tmp_path / "there")
    await cosigned(there, at(5))
    here = await a_memory(database, tmp_path / "here")
    beside = await a_memory(database, tmp_path / "here")  # another worker

    for origin in (ORIGIN, OTHER):  # the other may have been cosigned since, as far as it knows
        for question in (here.held, here.note):
            with pytest.raises(CosignedForgottenError):
                await question(origin)
    assert metrics.COSIGNING_UNCONFIRMED._value.get() == 1

    commands = cosigning_commands(here)
    listed = await commands["cosigning-list"]({})
    with pytest.raises(InvalidRequestError):
        await commands["cosigning-accept"]({"organisation": "nagaoka"})
    accepted = await commands["cosigning-accept"]({})

    row = {"organisation": "nagaoka", "slot": 0, "size": 5, "root": bytes(32).hex()}
    assert listed == {"held_back": True, "streams": [row]}
    assert accepted == {"held_back": False, "streams": [row]}
    assert (await beside.held(ORIGIN)).size == 5
    assert (await here.held(OTHER)).size == 0
    await cosigned(here, at(9))
    assert here.marks.highest(ORIGIN) == Mark(9, bytes(32))
    assert await commands["cosigning-list"]({}) == {"held_back": False, "streams": []}


async def test_the_marks_of_before_a_restore_are_in_force_after_it_on_the_same_machine(
    database: Database, dsns: Dsns, tmp_path: Path
) -> None:
    await cosigned(await a_memory(database, tmp_path), at(9))

    await set_back(dsns)
    memory = await a_memory(database, tmp_path)

    assert not memory.is_held_back
    assert (await memory.held(ORIGIN)).size == 9


async def test_a_backup_of_before_the_first_start_does_not_pass_for_a_new_database(
    database: Database, dsns: Dsns, tmp_path: Path
) -> None:
    await cosigned(await a_memory(database, tmp_path / "there"), at(9))
    await set_back(dsns, restored=True)

    memory = await a_memory(database, tmp_path / "here")

    assert memory.is_held_back
    with pytest.raises(CosignedForgottenError):
        await memory.held(ORIGIN)
