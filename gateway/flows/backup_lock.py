"""One backup of an instance at a time, and nobody clears away what another is making."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.errors import ConflictError

_LOCK: Final = "backup.lock"


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Hold the instance's backups alone until the context ends, or raise `ConflictError`."""
    handle = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError("another backup of this instance is being made") from None
        yield
    finally:
        os.close(handle)
