"""What every group of calls is made of: one transport, messages out, answers back."""

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

import msgspec

from gateway.client.credentials import Credentials
from gateway.client.transport import Answer, Transport


class Calls:
    """A signed-in back-office system; use it as an async context manager."""

    def __init__(self, credentials: Credentials, *, scope: str | None = None) -> None:
        """Take the credentials; nothing is sent before the first call.

        Args:
            credentials: Who the client is, and where its gateway is.
            scope: The scopes to ask for, parted by blanks; else all the client is registered for.
        """
        self.transport: Final = Transport(credentials, scope=scope)

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.transport.__aexit__(kind, error, trace)

    async def _get(self, path: str, **query: object) -> Answer:
        given = {name: str(value) for name, value in query.items() if value is not None}
        address = f"{path}?{urlencode(given)}" if given else path
        return await self.transport.call("GET", address, is_safe=True)

    async def _post(
        self,
        path: str,
        message: msgspec.Struct,
        *,
        headers: Mapping[str, str] | None = None,
        is_safe: bool = False,
    ) -> Answer:
        return await self.transport.call(
            "POST", path, body=msgspec.json.encode(message), headers=headers, is_safe=is_safe
        )
