"""The log inside a backup: what was erased is stood for by what was kept of it."""

import pytest

from gateway.domain.backup import BackupSlot, BackupTable
from gateway.flows.backed_up_log import BackedUpLog
from gateway.records.tiles import RightEdge
from gateway.records.tree import leaf_hash

LEAVES = [str(number).encode() for number in range(800)]
TREE = RightEdge().extend([leaf_hash(leaf) for leaf in LEAVES])
SLOT = BackupSlot(slot=3, origin="test/nagaoka/log/3", size=800, root=TREE.root.hex())

Value = int | bytes | None


def table(name: str, *columns: str, of: str | None = None) -> BackupTable:
    return BackupTable(name=name, of=of, columns=["slot", *columns], rows=0)


SLOTS = table("log_slots", "is_frozen")
MINIMUMS = table("log_minimums", "minimum")
LEFT = table("log_erased_leaves", "index", "leaf_hash")
TILES = table("log_tiles", "level", "number", "root", "hashes")
ENTRIES = table("log_entries_202611", "index", "leaf", "leaf_hash", of="log_entries")


def take(log: BackedUpLog, of: BackupTable, *values: Value) -> None:
    row = [v.to_bytes(8, "big") if isinstance(v, int) else v for v in (SLOT.slot, *values)]
    assert log.wants(of)
    log.take(of, row)


def a_log(*, minimum: int, tiles: bool = True, frozen: bytes = b"\0") -> BackedUpLog:
    """Return what is stored after the entries below a minimum were erased from 800."""
    log = BackedUpLog()
    take(log, SLOTS, frozen)
    if minimum:
        take(log, MINIMUMS, minimum)
    for index in range(768, minimum):
        take(log, LEFT, index, leaf_hash(LEAVES[index]))
    for number in range(3 if tiles else 0):
        tile = TREE.full_tiles[0, number]
        is_gone = (number + 1) * 256 <= minimum
        take(log, TILES, 0, number, tile.root, None if is_gone else tile.hashes)
    take(log, TILES, 1, 0, b"x" * 32, b"y" * 8192)
    for index in range(minimum, 800):
        take(log, ENTRIES, index, LEAVES[index], leaf_hash(LEAVES[index]))
    return log


@pytest.mark.parametrize("minimum", [0, 1, 256, 601, 768, 780, 800])
def test_whatever_was_erased_the_rest_leads_to_the_root(minimum: int) -> None:
    assert a_log(minimum=minimum).faults([SLOT]) == []


def test_what_should_stand_for_erased_entries_and_is_not_there_is_named() -> None:
    (fault,) = a_log(minimum=601, tiles=False).faults([SLOT])

    assert fault.reason == "log-differs"
    assert fault.where == "slot 3: what stands for erased entries is missing"


def test_a_frozen_slot_is_told_of_by_its_log_loss_and_not_here() -> None:
    assert a_log(minimum=601, tiles=False, frozen=b"\1").faults([SLOT]) == []


def test_a_slot_that_is_not_there_at_all_is_named() -> None:
    (fault,) = BackedUpLog().faults([SLOT])

    assert fault.where == "slot 3: 0 entries lead to another root"
