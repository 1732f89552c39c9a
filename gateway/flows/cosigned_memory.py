"""What this witness remembers of the logs of others: in the database, and in marks beside it.

The marks decide what may be signed next; the database holds the notes, and is compared with them.
A database that comes to a machine without its marks (a backup restored on another one) may have
forgotten the last that was signed: nothing that no mark tells of is signed until the operator has
said so (docs/operations/witness.md).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway import metrics
from gateway.errors import UnavailableError
from gateway.flows.cosigned_marks import CosignedMarks
from gateway.flows.record_marks import Mark
from gateway.logs import get_logger
from gateway.records.tree import EMPTY_ROOT
from gateway.records.witness import parse_origin
from gateway.storage import cosigned_folders
from gateway.storage.database import Database
from gateway.storage.witnessed import Witnessed, advance, every_witnessed, find_witnessed

LOOK_S: Final = 10.0
BETWEEN_S: Final = 0.02
BETWEEN_MAX: Final = 5
"""How often a mark is waited for that should follow its row at once."""
_NOTHING: Final = Mark(0, EMPTY_ROOT)

log = get_logger()


class CosignedForgottenError(UnavailableError):
    """What this witness signed of the stream last is not known here any more."""

    problem = "cosigned-forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What of a stream was cosigned last: the next one must continue it."""

    size: int
    root: bytes = field(repr=False)
    note: str = field(repr=False)
    """The checkpoint, if the database still has it."""
    mark: Mark | None
    row: Witnessed | None = field(repr=False)


class CosignedMemory:
    """One worker's way to what its organisation cosigned."""

    def __init__(self, database: Database, marks: CosignedMarks) -> None:
        self._database = database
        self.marks: Final = marks
        self._is_ours = False

    @property
    def is_held_back(self) -> bool:
        """Whether streams that no mark tells of are not cosigned."""
        return not self._is_ours

    async def begin(self) -> None:
        """At start: make these marks the database's, if it never cosigned anything anywhere."""
        async with self._database.certain() as connection:
            await cosigned_folders.join_if_first(connection, self.marks.name)
        await self.look()
        if self.is_held_back:
            log.error("cosigning_held_back")

    async def look(self) -> None:
        """Learn whether these are the marks of this database, and tell Prometheus."""
        if not self._is_ours:
            async with self._database.read() as connection:
                self._is_ours = await cosigned_folders.is_known(connection, self.marks.name)
        metrics.COSIGNING_UNCONFIRMED.set(self.is_held_back)

    async def accept(self) -> None:
        """Go on from what the database says of streams without a mark: the operator's word."""
        async with self._database.certain() as connection:
            await cosigned_folders.join(connection, self.marks.name)
        await self.look()
        log.warning("cosigning_accepted")

    async def waiting(self) -> Sequence[Witnessed]:
        """Return the streams that the database knows and no mark tells of, while held back."""
        if not self.is_held_back:
            return ()
        async with self._database.read() as connection:
            rows = await every_witnessed(connection)
        return [row for row in rows if self.marks.highest(row.origin) is None]

    async def held(self, origin: str) -> Held:
        """Return what the next checkpoint of a stream must continue.

        Raises:
            CosignedForgottenError: no mark tells of it, and this database came without its marks.
            ConfigurationError: its mark cannot be read.
        """
        mark, row = await self._both(origin)
        for _ in range(BETWEEN_MAX):
            if mark is None or row is None or row.size <= mark.size:
                break
            # Another request has stored its row and not marked it yet; or one never did.
            await asyncio.sleep(BETWEEN_S)
            mark, row = await self._both(origin)
        if mark is None:
            newest = _NOTHING if row is None else Mark(row.size, row.root)
            return Held(
                size=newest.size,
                root=newest.root,
                note="" if row is None else row.note,
                mark=None,
                row=row,
            )
        is_same = row is not None and (row.size, row.root) == (mark.size, mark.root)
        if row is None or (row.size <= mark.size and not is_same):
            self._tell(origin, mark, row)
        note = row.note if row is not None and is_same else ""
        return Held(size=mark.size, root=mark.root, note=note, mark=mark, row=row)

    async def note(self, origin: str) -> str | None:
        """Return the checkpoint that was cosigned last, None if none ever was.

        Raises:
            CosignedForgottenError: the database has an older one at most.
        """
        mark, row = await self._both(origin)
        if mark is not None and (
            row is None or row.size < mark.size or (row.size == mark.size and row.root != mark.root)
        ):
            raise CosignedForgottenError("witness: the note of what it signed last is gone")
        return None if row is None else row.note

    async def advance(self, held: Held, new: Witnessed, *, at: datetime) -> bool:
        """Store what is about to be signed, if the row is still as it was seen.

        The mark follows, in the thread that signs. Raises `UnavailableError` as `advance` does.
        """
        return await advance(self._database, new, before=held.row, at=at)

    async def _both(self, origin: str) -> tuple[Mark | None, Witnessed | None]:
        # In this order: the row moves first, so what is read of it later is never behind.
        mark = await asyncio.to_thread(self.marks.highest, origin)
        if mark is None:
            await self.look()
            if self.is_held_back:
                raise CosignedForgottenError("witness: its operator has to say how it goes on")
        async with self._database.read() as connection:
            return mark, await find_witnessed(connection, origin)

    def _tell(self, origin: str, mark: Mark, row: Witnessed | None) -> None:
        """Raise the alarm: the database went back, or somebody changed it."""
        metrics.COSIGNED_FORGOTTEN.inc()
        name = parse_origin(origin)
        log.error(
            "cosigned_forgotten",
            peer=name.organisation,
            slot=name.slot,
            size=0 if row is None else row.size,
            known_size=mark.size,
        )
