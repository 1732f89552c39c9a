"""The lock of a run: whoever has the passphrase or PIN opens it once, and guessing is slow.

What is typed comes over the control socket, so from this user on this machine alone, and is
wiped as soon as it was tried. Workers get the opened key and never see it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from certs.errors import CertsError
from certs.master_key import MasterKey
from certs.typed_secret import TypedSecret
from gateway.app.foundation import open_keys
from gateway.errors import (
    InvalidRequestError,
    SekishoError,
    TooManyRequestsError,
    WrongPassphraseError,
)
from gateway.logs import get_logger
from gateway.metrics import LOCKED, UNLOCK_ATTEMPTS
from gateway.settings import Settings

PAUSE_S: Final = 1.0
PAUSE_S_MAX: Final = 300.0
SECRET: Final = "secret"  # noqa: S105  # the argument's name
_OPEN: Final = {"state": "not-locked"}

log = get_logger()


class Lock:
    """Holds back a run until its master key is there."""

    def __init__(self, settings: Settings, *, on_open: Callable[[], None]) -> None:
        self._settings = settings
        self._on_open = on_open
        self._master_key: MasterKey | None = None
        self._turn = asyncio.Lock()
        self._wrong = 0
        self._free_at = 0.0

    @property
    def master_key(self) -> MasterKey | None:
        """Return the key, None while the run is locked."""
        return self._master_key

    def open(self, master_key: MasterKey) -> None:
        """Let the run go on with this key."""
        self._master_key = master_key
        LOCKED.set(0)
        self._on_open()

    async def unlock(self, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """Try what was typed, `{"secret": text}`; an open run asks for nothing.

        Raises:
            InvalidRequestError: nothing was typed, or too much.
            TooManyRequestsError: the pause after a wrong one is not over.
            WrongPassphraseError: it is not the passphrase or PIN.
            ConfigurationError: master key, token or key store cannot be used.
        """
        if self._master_key is not None:
            return _OPEN
        secret = _typed(arguments)
        try:
            # One after the other: many at once would be many guesses for one pause.
            async with self._turn:
                if self.master_key is None:
                    self._refuse_hurry()
                    self.open(await self._try(secret))
        finally:
            secret.wipe()
        return {"state": "unlocked"}

    async def _try(self, secret: TypedSecret) -> MasterKey:
        try:
            master_key = await asyncio.to_thread(open_keys, self._settings, secret)
        except WrongPassphraseError as error:
            self._wrong += 1
            pause_s = min(PAUSE_S * 2 ** (self._wrong - 1), PAUSE_S_MAX)
            self._free_at = _now() + pause_s
            UNLOCK_ATTEMPTS.labels(outcome="wrong").inc()
            log.warning("unlock_refused", reason=str(error), attempt=self._wrong, delay_s=pause_s)
            raise
        except SekishoError as error:
            UNLOCK_ATTEMPTS.labels(outcome="failed").inc()
            log.error("unlock_failed", message=str(error))  # noqa: TRY400 - it says why
            raise
        UNLOCK_ATTEMPTS.labels(outcome="unlocked").inc()
        log.info("unlocked", key_id=master_key.key_id)
        return master_key

    def _refuse_hurry(self) -> None:
        left_s = self._free_at - _now()
        if left_s > 0:
            UNLOCK_ATTEMPTS.labels(outcome="too-early").inc()
            wait_s = max(1, round(left_s + 0.5))
            raise TooManyRequestsError(f"wait {wait_s} s before the next try", retry_after_s=wait_s)


def _typed(arguments: Mapping[str, object]) -> TypedSecret:
    text = arguments.get(SECRET)
    if not isinstance(text, str):
        raise InvalidRequestError("unlock: the passphrase or PIN is missing")
    try:
        return TypedSecret(text)
    except CertsError as error:
        raise InvalidRequestError(f"unlock: {error}") from None


def _now() -> float:
    return asyncio.get_running_loop().time()
