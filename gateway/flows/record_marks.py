"""The highest root signed from each slot, kept outside the database (PROTOCOL §5).

A failover or a restored backup can leave the database behind what was given out. The mark is
written before anything under its root leaves, by every process that signs, and outlives them all;
a crash of the machine may lose it together with the last commits of a database that is on it.
What we cosign for others is kept in the same files, in a folder of its own (`cosigned_marks.py`).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path
from typing import Final

from certs.key_files import PRIVATE_FILE_MODE, make_private_directory
from gateway.errors import ConfigurationError, UnavailableError
from gateway.flows.record_types import SlotFrozenError
from gateway.records.note import Checkpoint
from gateway.records.tree import HASH_BYTES

_MAGIC: Final = b"sekisho/mark/v1\0"
_SIZE_BYTES: Final = 8
_CHECK_BYTES: Final = 8
_MARK_BYTES: Final = len(_MAGIC) + _SIZE_BYTES + HASH_BYTES + _CHECK_BYTES


@dataclass(frozen=True, slots=True)
class Mark:
    """A size that was signed, and the root it was signed with."""

    size: int
    root: bytes = field(repr=False)


class MarkFolder:
    """One small file a stream, under an exclusive lock for as long as it is looked at."""

    def __init__(self, folder: Path) -> None:
        self._folder = make_private_directory(folder)

    def highest(self, origin: str) -> Mark | None:
        """Return the mark of a stream, or None where nothing was signed from here.

        Raises:
            ConfigurationError: what is there is no mark.
        """
        with self._open(origin) as handle:
            return self._read(handle, origin)

    @contextmanager
    def _open(self, origin: str) -> Iterator[int]:
        path = self._folder / origin.replace("/", ".")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE_MODE)
        try:
            flock(handle, LOCK_EX)
            yield handle
        finally:
            os.close(handle)

    def _read(self, handle: int, origin: str) -> Mark | None:
        raw = os.pread(handle, _MARK_BYTES + 1, 0)
        if not raw:
            return None
        size = int.from_bytes(raw[len(_MAGIC) : len(_MAGIC) + _SIZE_BYTES], "big")
        mark = Mark(size, raw[len(_MAGIC) + _SIZE_BYTES : -_CHECK_BYTES])
        if len(raw) != _MARK_BYTES or raw != _written(mark):
            raise ConfigurationError(f"mark of {origin}: damaged; what was released is not known")
        return mark

    def _write(self, handle: int, mark: Mark) -> None:
        os.pwrite(handle, _written(mark), 0)


class MarkMovedError(UnavailableError):
    """Something else was signed meanwhile, and has to be compared with first."""


class ReleasedMarks(MarkFolder):
    """The highest root that we signed from each slot of our own.

    Whatever was signed here is one line of trees, each the beginning of the next: nothing is
    marked that was not compared with the mark before it.
    """

    def put(
        self, checkpoint: Checkpoint, *, against: Mark | None, line: Sequence[Checkpoint] = ()
    ) -> None:
        """Remember a root before anybody is told of it; a smaller one than before changes nothing.

        `against` is the mark that the root was compared with: it is the beginning of that tree,
        or that tree is its beginning. The same is known of every tree in `line`.

        Raises:
            SlotFrozenError: another root of this size was signed before; this one never may be.
            MarkMovedError: the mark is another one by now.
            ConfigurationError: the mark there cannot be read.
            OSError: it cannot be written.
        """
        with self._open(checkpoint.origin) as handle:
            before = self._read(handle, checkpoint.origin)
            if before is not None and before.size == checkpoint.size:
                if before.root != checkpoint.root:
                    raise SlotFrozenError(f"{checkpoint.origin}: another root was signed")
                return
            if not _is_compared(before, checkpoint, against=against, line=line):
                raise MarkMovedError(f"{checkpoint.origin}: signed meanwhile")
            if before is None or before.size < checkpoint.size:
                self._write(handle, Mark(checkpoint.size, checkpoint.root))


def _is_compared(
    before: Mark | None,
    checkpoint: Checkpoint,
    *,
    against: Mark | None,
    line: Sequence[Checkpoint],
) -> bool:
    if before is None or before == against:
        return True
    # The beginning of an earlier mark is the beginning of all that came after it.
    if against is not None and checkpoint.size <= against.size <= before.size:
        return True
    return any((one.size, one.root) == (before.size, before.root) for one in line)


def _written(mark: Mark) -> bytes:
    content = _MAGIC + mark.size.to_bytes(_SIZE_BYTES, "big") + mark.root
    return content + sha256(content).digest()[:_CHECK_BYTES]
