"""What we cosigned of each stream of others, kept outside the database (PROTOCOL §5).

A restored or changed database would have us sign a second tree. The mark is written before a
cosignature leaves, and what comes next must continue what it says. The folder has a name of its
own, by which a database knows that these are the marks of what it tells of.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError
from gateway.flows.record_marks import Mark, MarkFolder

_NAME: Final = "name"
"""No origin of a stream is written so: each has full stops."""
_NAME_CHARS: Final = 32


class CosignedMarks(MarkFolder):
    """The root that we cosigned last of each stream; moved by compare-and-set alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.name: Final = self._own_name()

    def advance(self, origin: str, *, before: Mark | None, new: Mark) -> bool:
        """Set what is cosigned, if it is still `before`; tells whether it was.

        Raises:
            ConfigurationError: the mark there cannot be read.
            OSError: it cannot be written.
        """
        with self._open(origin) as handle:
            if self._read(handle, origin) != before:
                return False
            if new != before:
                self._write(handle, new)
        return True

    def _own_name(self) -> str:
        with self._open(_NAME) as handle:
            raw = os.pread(handle, _NAME_CHARS + 1, 0)
            if not raw:
                raw = secrets.token_hex(_NAME_CHARS // 2).encode()
                os.pwrite(handle, raw, 0)
        if len(raw) != _NAME_CHARS or not raw.isalnum() or not raw.isascii():
            raise ConfigurationError(f"{self._folder / _NAME}: damaged")
        return raw.decode()
