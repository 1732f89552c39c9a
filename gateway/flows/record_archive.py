"""Files made into one zip archive while they come: nothing is held back, nothing is compressed."""

import io
import zipfile
from collections.abc import AsyncIterator
from typing import IO, Final

MEDIA_TYPE: Final = "application/zip"
_MODE: Final = 0o600 << 16
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""The archive says when nothing was made: its bytes depend on its content alone."""


class _Outlet(io.RawIOBase):
    """Takes what the archive writes and gives it on; it cannot be wound back."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        raw = bytes(memoryview(piece))  # type: ignore[arg-type]  # anything that is bytes to zipfile
        self._waiting.append(raw)
        return len(raw)

    def take(self) -> bytes:
        waiting, self._waiting = self._waiting, []
        return b"".join(waiting)


async def archived(pieces: AsyncIterator[tuple[str, bytes]]) -> AsyncIterator[bytes]:
    """Yield a zip archive of files whose pieces follow each other."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        member: IO[bytes] | None = None
        present = ""
        async for name, piece in pieces:
            if member is None or name != present:
                if member is not None:
                    member.close()
                member, present = archive.open(_info(name), "w", force_zip64=True), name
            member.write(piece)
            if waiting := outlet.take():
                yield waiting
        if member is not None:
            member.close()
    if waiting := outlet.take():
        yield waiting


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_MOMENT)
    info.external_attr = _MODE
    return info
