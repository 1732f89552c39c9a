"""Core to gateway: codes that were made, sealed to whom they belong (PROTOCOL §3 *Codes*).

Rows hold request ids only; the code is made anew at each attempt and sealed for it. What the
gateway has taken is forgotten here, and the acquisition number with it (法21の2③).
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from certs.sealing import SALT_BYTES, MessageSealer, pack_code
from gateway.core.code_book import CodeBook
from gateway.core.resident_codes import DELIVERY
from gateway.flows.context import Context
from gateway.flows.outbox import RowVerdict, verdict_of
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.flows.sealed import key_to_wire, sealed_to_wire, start_sealing
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.storage import core_codes
from gateway.storage.core_codes import ACQUIRED, CodeRequest, CoreCodeDropped
from gateway.storage.outbox import OutboxRow
from gateway.wire.codes import CodeDelivered, CodeDeliveriesRequest, RequestResult, RequestsAnswer

PATH: Final = "/v1/code-deliveries"
PURPOSE: Final = "code-delivery"
KIND: Final = DELIVERY
NOT_LINKED: Final = "not-linked"


class CodeDeliveries:
    """Tells gateways of their codes, from the outbox."""

    def __init__(self, context: Context, codes: CodeBook) -> None:
        self._context = context
        self._codes = codes

    async def send_rows(self, organisation: str, rows: Sequence[OutboxRow]) -> list[RowVerdict]:
        """Deliver what these rows name; called by the outbox job."""
        requests = await self._requests(organisation, rows)
        live = list(requests.values())
        told: dict[str, RowVerdict] = {}
        if live:
            told = await self._send(organisation, live)
            await self._forget(organisation, _those(told, RowVerdict.DONE))
            await self._drop(organisation, _those(told, RowVerdict.DEAD))
        # A request that is no longer there was delivered and forgotten.
        return [told.get(str(row.body["request_id"]), RowVerdict.DONE) for row in rows]

    async def _requests(
        self, organisation: str, rows: Sequence[OutboxRow]
    ) -> Mapping[str, CodeRequest]:
        async with self._context.database.read() as connection:
            return await core_codes.requests_of(
                connection,
                organisation,
                [str(row.body["request_id"]) for row in rows],
                now=self._context.clock.now(),
            )

    async def _send(
        self, organisation: str, requests: Sequence[CodeRequest]
    ) -> dict[str, RowVerdict]:
        sealer = start_sealing(self._context.trust, PURPOSE, recipient=organisation)
        items = [self._item(request, sealer) for request in requests]
        message = CodeDeliveriesRequest(keys=[key_to_wire(sealer.header)], items=items)
        answer = await self._context.peers.post(organisation, PATH, message, RequestsAnswer)
        if len(answer.results) != len(items):
            raise PeerProtocolError("code deliveries: another number of results")
        return {
            item.request_id: _verdict(result)
            for item, result in zip(items, answer.results, strict=True)
        }

    def _item(self, request: CodeRequest, sealer: MessageSealer) -> CodeDelivered:
        if request.person is None or request.state is None:
            raise PeerProtocolError("code deliveries: a row without its person")
        if request.state != ACQUIRED:
            return CodeDelivered(request_id=request.request_id, state=request.state)
        code = self._codes.code_of(request.person, request.organisation)
        sealed = sealer.seal(
            pack_code(secrets.token_bytes(SALT_BYTES), code.raw),
            inquiry_leaf=bytes.fromhex(request.request_id),
            permit_id=None,
        )
        return CodeDelivered(
            request_id=request.request_id,
            state=request.state,
            code=sealed_to_wire(sealed, key=0),
        )

    async def _forget(self, organisation: str, request_ids: Sequence[str]) -> None:
        """Forget what was linked, the acquisition numbers with it (法21の2③)."""
        if request_ids:
            async with self._context.database.read() as connection:
                await core_codes.end_requests(connection, organisation, request_ids)

    async def _drop(self, organisation: str, request_ids: Sequence[str]) -> None:
        """Record that codes were not linked: else nobody could ever acquire them again."""
        drafts = [
            Draft(
                kind="code-changed",
                members={},
                private={
                    "organisation": organisation,
                    "request_id": request_id,
                    "change": NOT_LINKED,
                },
                search=SearchColumns(counterparty=organisation, outcome=NOT_LINKED),
                effects=(CoreCodeDropped(organisation=organisation, request_id=request_id),),
            )
            for request_id in request_ids
        ]
        if drafts:
            for outcome in await self._context.writer.append(drafts, source=organisation):
                if not isinstance(outcome, Recorded | EffectRefusedError):
                    raise outcome


def _those(told: Mapping[str, RowVerdict], verdict: RowVerdict) -> list[str]:
    return [request_id for request_id, found in told.items() if found is verdict]


def _verdict(result: RequestResult) -> RowVerdict:
    if result.result is not None:
        return RowVerdict.DONE
    if result.problem is not None:
        return verdict_of(ItemRefusedError(result.problem))
    return RowVerdict.RETRY
