"""What an instance has to itself: its data folder and its master key.

Commands that work on them offline take the same lock. Nothing here may import `gateway.metrics`,
as in `gateway/app/control.py`.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from certs.master_places import MasterPlace
from certs.master_token import TokenPlace
from gateway.errors import ConfigurationError
from gateway.settings import MasterKeySettings

PRIVATE_MODE: Final = 0o700
_LOCK_NAME: Final = "instance.lock"


@contextmanager
def own_folder(data_dir: Path) -> Iterator[None]:
    """Hold a data folder alone: two parents over one folder would share its socket and metrics.

    Raises:
        ConfigurationError: another process holds it.
    """
    data_dir.mkdir(mode=PRIVATE_MODE, parents=True, exist_ok=True)
    descriptor = os.open(data_dir / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"{data_dir} is in use by another instance") from None
        yield
    finally:
        os.close(descriptor)


def master_place(settings: MasterKeySettings) -> MasterPlace:
    """Return where the settings say that the master key lies."""
    pkcs11 = settings.pkcs11
    token = None
    if pkcs11 is not None:
        token = TokenPlace(
            module=pkcs11.module, token=pkcs11.token, key=pkcs11.key, pin_file=pkcs11.pin_file
        )
    return MasterPlace(source=settings.source, path=settings.path, token=token)
