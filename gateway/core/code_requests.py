"""`POST /v1/code-requests`: a gateway begins to acquire codes and gets acquisition numbers.

A number is 128 random bits for one request of one organisation (法21の2②); it stands in one row,
in no entry and in no log line, and goes when the code is linked or the number lapses.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.core.problems import item_problem
from gateway.errors import ConflictError, SekishoError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.storage import core_codes
from gateway.storage.core_codes import CodeRequest, CoreCodeRequested
from gateway.wire.codes import (
    CodeRequested,
    CodeRequestResult,
    CodeRequestsAnswer,
    CodeRequestsRequest,
)

NUMBER_BYTES: Final = 16
NUMBER_LIFE: Final = timedelta(days=7)


class RequestUsedError(ConflictError):
    """The request's code is on its way or linked already."""

    problem = "conflict"


class CodeRequestDesk:
    """The core's side of gateways that want codes."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def answer(self, sender: str, request: CodeRequestsRequest) -> CodeRequestsAnswer:
        """Return an acquisition number for each request, the same one when asked again."""
        now = self._context.clock.now()
        self._context.trust.require_fresh(now)
        wanted = list(dict.fromkeys(item.request_id for item in request.items))
        known: dict[str, CodeRequest | SekishoError] = {**await self._find(sender, wanted, now)}
        new = [request_id for request_id in wanted if request_id not in known]
        if new:
            known |= await self._begin(sender, new, now)
        return CodeRequestsAnswer(
            results=[_result(known[item.request_id]) for item in request.items]
        )

    async def _find(
        self, sender: str, request_ids: Sequence[str], now: datetime
    ) -> Mapping[str, CodeRequest]:
        async with self._context.database.read() as connection:
            return await core_codes.requests_of(connection, sender, request_ids, now=now)

    async def _begin(
        self, sender: str, request_ids: Sequence[str], now: datetime
    ) -> dict[str, CodeRequest | SekishoError]:
        effects = [
            CoreCodeRequested(
                organisation=sender,
                request_id=request_id,
                number=secrets.token_bytes(NUMBER_BYTES),
                expires_at=now + NUMBER_LIFE,
            )
            for request_id in request_ids
        ]
        outcomes = await self._context.writer.append(
            [_draft(sender, effect) for effect in effects], source=sender
        )
        begun: dict[str, CodeRequest | SekishoError] = {}
        raced: list[str] = []
        for effect, outcome in zip(effects, outcomes, strict=True):
            if isinstance(outcome, EffectRefusedError):
                raced.append(effect.request_id)
            elif isinstance(outcome, Recorded):
                begun[effect.request_id] = _begun(effect)
            else:
                begun[effect.request_id] = outcome
        if raced:
            found = await self._find(sender, raced, now)
            for request_id in raced:
                # Somebody else began it a moment ago, or ended it.
                begun[request_id] = found.get(request_id) or RequestUsedError("code request: used")
        return begun


def _draft(sender: str, effect: CoreCodeRequested) -> Draft:
    return Draft(
        kind="code-requested",
        members={},
        private={"organisation": sender, "request_id": effect.request_id},
        search=SearchColumns(counterparty=sender),
        effects=(effect,),
    )


def _begun(effect: CoreCodeRequested) -> CodeRequest:
    return CodeRequest(
        organisation=effect.organisation,
        request_id=effect.request_id,
        number=effect.number,
        expires_at=effect.expires_at,
        person=None,
        state=None,
    )


def _result(known: CodeRequest | SekishoError) -> CodeRequestResult:
    if isinstance(known, SekishoError):
        return CodeRequestResult(problem=item_problem(known))
    if known.person is not None:
        return CodeRequestResult(problem=item_problem(RequestUsedError("code request: used")))
    return CodeRequestResult(
        result=CodeRequested(request_id=known.request_id, acquisition_number=known.number.hex())
    )
