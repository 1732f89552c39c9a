"""One exported slot as files in the C2SP tlog-tiles layout, for readers that nobody here wrote.

Only a slot exported from leaf 0 has all its tiles: those left of a later range are not in a bundle.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from gateway.records.bundle import SlotExport, frame_entries
from gateway.records.errors import RecordsError
from gateway.records.note import parse_note
from gateway.records.tiles import TILE_WIDTH, RightEdge, Tile, TileId, edge_sources, tile_path

CHECKPOINT: Final = "checkpoint"


def tile_files(export: SlotExport) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes: the largest checkpoint inside the export, its tiles, its entries.

    Nothing is verified; that is the reader's part.

    Raises:
        RecordsError: not-from-the-beginning, no-checkpoint if no note lies inside the export, or
            as `parse_note`.
    """
    if export.first:
        raise RecordsError("not-from-the-beginning", f"slot {export.slot}: from {export.first} on")
    sizes = {parse_note(note.note).checkpoint.size: note.note for note in export.notes}
    held = min(len(export.entries), len(export.leaves))
    size = max((size for size in sizes if 0 < size <= held), default=0)
    if not size:
        raise RecordsError("no-checkpoint", f"slot {export.slot}")
    yield CHECKPOINT, sizes[size].encode("utf-8")
    extension = RightEdge().extend(export.leaves[:size])
    full = ((TileId(*place), tile) for place, tile in extension.full_tiles.items())
    partial = (
        (place, extension.edge.tile(place.level, place.number)) for place in edge_sources(size)
    )
    for place, tile in chain(full, partial):
        yield from _files(place, tile, export)


def _files(place: TileId, tile: Tile | None, export: SlotExport) -> Iterator[tuple[str, bytes]]:
    if tile is None or not place.width:
        return
    yield tile_path(place), tile.hashes
    if place.level == 0:
        start = place.number * TILE_WIDTH
        entries = export.entries[start : start + place.width]
        yield tile_path(place, entries=True), frame_entries(entries)
