"""Inquiries: ask, wait, fetch, acknowledge, take back."""

import asyncio
import secrets
from typing import Final

from gateway.client.calls import Calls
from gateway.wire.backoffice import Inquiries, Inquiry, NewInquiry

WAIT_S_MAX: Final = 30
POLL_S: Final = 0.5
POLL_S_MAX: Final = 10.0
_UNFINISHED: Final = frozenset({"open", "withheld"})


class InquiryCalls(Calls):
    """What an asking system does."""

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
        answer = await self._get("/v1/inquiries", state=state, after=after, limit=limit)
        return answer.read(Inquiries)

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
        path = f"/v1/inquiries/{inquiry_id}/acknowledgement"
        await self.transport.call("POST", path, is_safe=True)

    async def withdraw(self, inquiry_id: str) -> None:
        """Take an unanswered inquiry back."""
        await self.transport.call("DELETE", f"/v1/inquiries/{inquiry_id}")
