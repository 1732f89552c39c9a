"""The record log inside a backup, held against its slots' roots while its rows go by.

Small tables come first (they say what was erased), then the entries of each month in the order of
their slots; what is kept of a slot is one hash a level of its tree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.backup import BackupSlot, BackupTable
from gateway.flows.backup_folder import Fault
from gateway.records.errors import RecordsError
from gateway.records.regrown import RegrownTree
from gateway.records.tiles import TILE_HEIGHT, TILE_WIDTH
from gateway.records.tree import HASH_BYTES, leaf_hash
from gateway.storage.copy_rows import Row
from gateway.storage.dump import LOG_ENTRIES

SLOTS: Final = "log_slots"
MINIMUMS: Final = "log_minimums"
TILES: Final = "log_tiles"
ERASED_LEAVES: Final = "log_erased_leaves"
_TRUE: Final = b"\x01"
_DIFFERS: Final = "log-differs"


@dataclass(slots=True)
class _Erased:
    """What stands for the entries of a slot that are gone."""

    minimum: int = 0
    roots: dict[int, bytes] = field(default_factory=dict)
    """Of full tiles of leaves whose hashes are gone, by number."""
    leaves: dict[int, bytes] = field(default_factory=dict)
    """Hashes of leaves below the minimum that are still there, by index."""


class BackedUpLog:
    """Takes the rows of a backup as they come; rows of other tables are not for it."""

    def __init__(self) -> None:
        self._erased: dict[int, _Erased] = {}
        self._trees: dict[int, RegrownTree] = {}
        self._frozen: set[int] = set()
        self._broken: dict[int, str] = {}

    @staticmethod
    def wants(table: BackupTable) -> bool:
        """Tell whether rows of this table say anything about the log's trees."""
        return table.of == LOG_ENTRIES or table.name in {SLOTS, MINIMUMS, TILES, ERASED_LEAVES}

    def take(self, table: BackupTable, row: Row) -> None:
        """Take one row of a table that is wanted."""
        value = dict(zip(table.columns, row, strict=True))
        slot = _integer(value["slot"])
        match table.name:
            case "log_slots":
                if value["is_frozen"] == _TRUE:
                    self._frozen.add(slot)
            case "log_minimums":
                self._of(slot).minimum = _integer(value["minimum"])
            case "log_erased_leaves":
                self._of(slot).leaves[_integer(value["index"])] = value["leaf_hash"] or b""
            case "log_tiles":
                self._tile(slot, value)
            case _:
                self._entry(slot, value)

    def faults(self, slots: Sequence[BackupSlot]) -> list[Fault]:
        """Return the slots whose entries are not what the manifest says of them.

        A frozen slot is not looked at: what it lacks is told by its `log-loss` entry.
        """
        found = []
        for one in slots:
            if one.slot in self._frozen:
                continue
            tree = self._tree(one.slot)
            where = self._broken.get(one.slot)
            if where is None and (tree.size, tree.root().hex()) != (one.size, one.root):
                where = f"slot {one.slot}: {tree.size} entries lead to another root"
            if where is not None:
                found.append(Fault(reason=_DIFFERS, where=where))
        return found

    def _of(self, slot: int) -> _Erased:
        return self._erased.setdefault(slot, _Erased())

    def _tile(self, slot: int, value: dict[str, bytes | None]) -> None:
        if _integer(value["level"]) != 0:
            return
        erased, number = self._of(slot), _integer(value["number"])
        hashes = value["hashes"]
        if hashes is None:
            erased.roots[number] = value["root"] or b""
        elif number == erased.minimum // TILE_WIDTH:
            for place in range(erased.minimum % TILE_WIDTH):
                start = place * HASH_BYTES
                digest = hashes[start : start + HASH_BYTES]
                erased.leaves[number * TILE_WIDTH + place] = digest

    def _entry(self, slot: int, value: dict[str, bytes | None]) -> None:
        tree, index = self._tree(slot), _integer(value["index"])
        if slot in self._broken:
            return
        digest = leaf_hash(value["leaf"] or b"")
        if tree.size != index:
            self._broken[slot] = f"slot {slot}: entry {tree.size} is missing"
        elif digest != value["leaf_hash"]:
            self._broken[slot] = f"slot {slot}: entry {index} is not what was hashed"
        else:
            tree.add(digest)

    def _tree(self, slot: int) -> RegrownTree:
        """Return the tree of a slot, begun with what stands for its erased entries."""
        if slot not in self._trees:
            tree, erased = RegrownTree(), self._of(slot)
            try:
                for number in range(erased.minimum // TILE_WIDTH):
                    tree.add(erased.roots[number], level=TILE_HEIGHT)
                for index in range(tree.size, erased.minimum):
                    tree.add(erased.leaves[index])
            except (KeyError, RecordsError):
                self._broken[slot] = f"slot {slot}: what stands for erased entries is missing"
            self._trees[slot] = tree
        return self._trees[slot]


def _integer(value: bytes | None) -> int:
    """Return a smallint, integer or bigint of the binary format."""
    return int.from_bytes(value or b"", "big", signed=True)
