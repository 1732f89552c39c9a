"""One gateway as a back-office system sees it: ask, fetch, acknowledge, supply."""

import asyncio
import secrets
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

import msgspec

from gateway.client.credentials import Credentials
from gateway.client.transport import Answer, Transport
from gateway.wire.backoffice import Inquiries, Inquiry, NewInquiry

WAIT_S_MAX: Final = 30
POLL_S: Final = 0.5
POLL_S_MAX: Final = 10.0
_UNFINISHED: Final = frozenset({"open", "withheld"})


class BackofficeClient:
    """A signed-in back-office system; use it as an async context manager."""

    def __init__(self, credentials: Credentials, *, scope: str | None = None) -> None:
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

    async def ask(
        self, inquiry: NewInquiry, *, wait_s: int = 0, idempotency_key: str | None = None
    ) -> Inquiry:
        """Begin an inquiry and return it as it stands after at most `wait_s` seconds.

        Args:
            inquiry: Whom and what to ask.
            wait_s: How long the gateway waits for the answer (up to 30).
            idempotency_key: What makes it one inquiry however often it is sent; else a new one.

        Raises:
            RefusedByRuleError: the law, or a gate beside it, does not allow it.
            OutsideRegistrationError: this client is not registered for it.
        """
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        if wait_s:
            headers["Prefer"] = f"wait={min(wait_s, WAIT_S_MAX)}"
        answer = await self._post("/v1/inquiries", inquiry, headers=headers, is_safe=True)
        return answer.read(Inquiry)

    async def inquiry(self, inquiry_id: str) -> Inquiry:
        """Return an inquiry as it stands, with its result until that is acknowledged."""
        return (await self._get(f"/v1/inquiries/{inquiry_id}")).read(Inquiry)

    async def inquiries(
        self, *, state: str | None = None, after: str | None = None, limit: int | None = None
    ) -> Inquiries:
        """Return a page of this client's inquiries, newest first, without results."""
        query = _query(state=state, after=after, limit=limit)
        return (await self._get(f"/v1/inquiries{query}")).read(Inquiries)

    async def wait(self, inquiry_id: str, *, timeout_s: float) -> Inquiry:
        """Return the inquiry once it has ended, or as it stands when the time is up."""
        pause_s, loop = POLL_S, asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while True:
            found = await self.inquiry(inquiry_id)
            left_s = until - loop.time()
            if found.state not in _UNFINISHED or left_s <= 0:
                return found
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, POLL_S_MAX)

    async def acknowledge(self, inquiry_id: str) -> None:
        """Say that the result is safely kept; the gateway forgets it."""
        await self.transport.call(
            "POST", f"/v1/inquiries/{inquiry_id}/acknowledgement", is_safe=True
        )

    async def withdraw(self, inquiry_id: str) -> None:
        """Take an unanswered inquiry back."""
        await self.transport.call("DELETE", f"/v1/inquiries/{inquiry_id}")

    async def _get(self, path: str) -> Answer:
        return await self.transport.call("GET", path, is_safe=True)

    async def _post(
        self,
        path: str,
        message: msgspec.Struct,
        *,
        headers: dict[str, str] | None = None,
        is_safe: bool = False,
    ) -> Answer:
        return await self.transport.call(
            "POST",
            path,
            body=msgspec.json.encode(message),
            headers=headers,
            is_safe=is_safe,
        )


def _query(**given: object) -> str:
    found = {name: str(value) for name, value in given.items() if value is not None}
    return f"?{urlencode(found)}" if found else ""
