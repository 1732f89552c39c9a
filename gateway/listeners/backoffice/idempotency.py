"""The header by which a caller says that two requests are one."""

import re
from typing import Final

from gateway.errors import InvalidQueryError
from gateway.listeners.backoffice.services import BackofficeCall

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[!-~]{1,128}", re.ASCII)


def idempotency_key(call: BackofficeCall) -> str | None:
    """Return the caller's key, if it gave one, or raise `InvalidQueryError`."""
    key = call.header(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidQueryError("Idempotency-Key: 1 to 128 visible ASCII characters")
    return key
