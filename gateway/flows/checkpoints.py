"""How far our log has grown, for those who have something of it in hand (PROTOCOL §5)."""

from certs.errors import CertsError
from gateway.errors import NotFoundError
from gateway.flows.context import Context
from gateway.flows.cosigned_notes import cosigned_note
from gateway.flows.trust import CORE
from gateway.records.errors import RecordsError
from gateway.records.note import log_origin, origin_hash_of
from gateway.records.tiles import TILE_WIDTH, TileId, parse_tile_path
from gateway.records.tree import HASH_BYTES
from gateway.storage.checkpoints import holds_statement
from gateway.storage.cosigned import newest_cosignatures
from gateway.storage.erasures import minimums
from gateway.storage.tiles import read_tiles


class TileErasedError(NotFoundError):
    """What the tile tells of is erased; `minimum_index` says what is kept: from there on."""

    problem = "tile-erased"

    def __init__(self, minimum: int) -> None:
        super().__init__("tile: erased", members={"minimum_index": minimum})


class Checkpoints:
    """Checkpoints of this gateway's slots, for peers and witnesses."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._holders: set[tuple[int, str]] = set()

    async def note(self, origin_hash: str, sender: str) -> str:
        """Return the newest checkpoint of the slot whose origin has this hex SHA-256.

        The newest that a witness has cosigned, with its line, where there is one.

        Raises:
            NotFoundError: there is no such slot, or the sender has nothing of it in hand.
        """
        slot = self._slot(origin_hash)
        if not await self._may_see(slot, sender):
            raise NotFoundError("checkpoint: no such stream")
        async with self._context.database.read() as connection:
            lines = await newest_cosignatures(connection, slot, sorted(self._witnesses()))
        if not lines:
            return await self._context.writer.checkpoint(slot)
        (note,) = await self._context.writer.checkpoints_at(slot, [lines[0].size])
        return cosigned_note(self._context.trust.network, note, lines)

    async def tile(self, origin_hash: str, path: str, sender: str) -> bytes:
        """Return the hashes of a tile of committed entries, as wide as its path says.

        Raises:
            NotFoundError: no such slot or tile, or nothing of the slot in the sender's hand.
            TileErasedError: it lies below the slot's minimum index (tlog-tiles, Pruning).
        """
        slot = self._slot(origin_hash)
        if not await self._may_see(slot, sender):
            raise NotFoundError("tile: no such stream")
        try:
            wanted, is_bundle = parse_tile_path(path)
        except RecordsError:
            raise NotFoundError("tile: no such path") from None
        if is_bundle:
            raise NotFoundError("tile: entries stand in exports alone")
        async with self._context.database.read() as connection:
            found = await read_tiles(connection, slot, [wanted])
        tile = found.get((wanted.level, wanted.number))
        if tile is None:
            minimum = await self.minimum(origin_hash)
            if _first_index(wanted) < minimum:
                raise TileErasedError(minimum)
            raise NotFoundError("tile: not of this log")
        return tile.hashes[: wanted.width * HASH_BYTES]

    async def minimum(self, origin_hash: str) -> int:
        """Return the first index of a slot that is kept; 0 while nothing of it is erased."""
        slot = self._slot(origin_hash)
        async with self._context.database.read() as connection:
            return (await minimums(connection)).get(slot, 0)

    def _slot(self, origin_hash: str) -> int:
        trust = self._context.trust
        for slot in range(trust.directory.organisation(trust.organisation).slots):
            origin = log_origin(trust.network, trust.organisation, slot)
            if origin_hash_of(origin) == origin_hash:
                return slot
        raise NotFoundError("checkpoint: no such stream")

    async def _may_see(self, slot: int, sender: str) -> bool:
        if sender == CORE or sender in self._witnesses() or (slot, sender) in self._holders:
            return True
        async with self._context.database.read() as connection:
            is_holder = await holds_statement(connection, slot, sender)
        if is_holder:
            self._holders.add((slot, sender))
        return is_holder

    def _witnesses(self) -> frozenset[str]:
        trust = self._context.trust
        try:
            return frozenset(trust.directory.organisation(trust.organisation).witnesses)
        except CertsError:
            return frozenset()


def _first_index(tile: TileId) -> int:
    return int(tile.number * TILE_WIDTH ** (tile.level + 1))
