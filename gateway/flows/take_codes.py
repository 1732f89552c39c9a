"""`POST /v1/code-deliveries`: codes from the core, linked to the people they were acquired for.

Idempotent by request id: what was linked before is acknowledged again (PROTOCOL §3 *Codes*).
"""

from collections.abc import Sequence
from typing import Final

from certs.errors import CertsError
from certs.sealing import unpack_code
from codes.canonical import b64
from codes.errors import CodesError
from codes.network_code import NetworkCode
from gateway.errors import ConflictError, SekishoError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.flows.sealed import Openers, SealedInvalidError
from gateway.storage import code_acquisitions, network_codes
from gateway.storage.code_acquisitions import (
    ALREADY_ACQUIRED,
    LINKED,
    NUMBER,
    REQUESTED,
    TABLE,
    AcquisitionEnded,
    AcquisitionRow,
)
from gateway.storage.effects import Effect
from gateway.storage.network_codes import CodeLinked
from gateway.wire.codes import CodeDelivered, CodeDeliveriesRequest

PURPOSE: Final = "code-delivery"
ACQUIRED: Final = "acquired"


class AcquisitionGoneError(ConflictError):
    """No such acquisition is open here: it lapsed, or never was."""

    problem = "lapsed"


class TakeCodes:
    """The gateway's end of code deliveries."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def take(self, sender: str, request: CodeDeliveriesRequest) -> list[str | SekishoError]:
        """Link what the core delivers; each request id, or why not, in the request's order."""
        openers = Openers(self._context.trust, request.keys, sender=sender, purpose=PURPOSE)
        async with self._context.database.read() as connection:
            rows = await code_acquisitions.find(
                connection, [item.request_id for item in request.items]
            )
        taken: dict[str, str | SekishoError] = {}
        drafts: dict[str, Draft] = {}
        for item in request.items:
            if item.request_id in taken or item.request_id in drafts:
                continue
            try:
                draft = self._draft(item, rows.get(item.request_id), openers)
            except SekishoError as error:
                taken[item.request_id] = error
                continue
            if draft is None:
                taken[item.request_id] = item.request_id
            else:
                drafts[item.request_id] = draft
        taken |= await self._record(sender, drafts)
        return [taken[item.request_id] for item in request.items]

    def _draft(
        self, item: CodeDelivered, row: AcquisitionRow | None, openers: Openers
    ) -> Draft | None:
        """Return the entry that links a code, None where it was linked before."""
        if row is None or row.state not in {REQUESTED, LINKED, ALREADY_ACQUIRED}:
            raise AcquisitionGoneError("code delivery: no such acquisition")
        if row.state != REQUESTED:
            return None
        if item.state == ALREADY_ACQUIRED and item.code is None:
            return self._ended(row)
        if item.state != ACQUIRED or item.code is None:
            raise SealedInvalidError("code delivery: no code", reason="no-code")
        plaintext = openers.open(item.code, binding=bytes.fromhex(item.request_id), permit_id=None)
        try:
            code = NetworkCode.parse(unpack_code(plaintext)[1])
        except (CertsError, CodesError) as error:
            raise SealedInvalidError("code delivery: no code", reason=error.reason) from None
        return self._linked(row, code)

    def _linked(self, row: AcquisitionRow, code: NetworkCode) -> Draft:
        vault, year = self._context.vault, self._context.clock.now().year
        number = vault.open(TABLE, NUMBER, row.key_year, row.request_id, row.number_box)
        place = row.subject.hex()
        linked = CodeLinked(
            subject=row.subject,
            number_box=vault.seal(network_codes.TABLE, network_codes.NUMBER, year, place, number),
            code=vault.stored_code(code),
            key_year=year,
        )
        return _entry(
            row,
            LINKED,
            effects=(linked, AcquisitionEnded(request_id=row.request_id, state=LINKED)),
            private={"unified_number": number.decode("ascii"), "code": b64(code.raw)},
            subject=code.raw,
        )

    def _ended(self, row: AcquisitionRow) -> Draft:
        """Return the entry that says the person is coded already (命令85 44②)."""
        ended = AcquisitionEnded(request_id=row.request_id, state=ALREADY_ACQUIRED)
        return _entry(row, ALREADY_ACQUIRED, effects=(ended,), private={})

    async def _record(self, sender: str, drafts: dict[str, Draft]) -> dict[str, str | SekishoError]:
        if not drafts:
            return {}
        outcomes = await self._context.writer.append(list(drafts.values()), source=sender)
        taken: dict[str, str | SekishoError] = {}
        refused: list[str] = []
        for request_id, outcome in zip(drafts, outcomes, strict=True):
            if isinstance(outcome, Recorded):
                taken[request_id] = request_id
            elif isinstance(outcome, EffectRefusedError):
                refused.append(request_id)
            else:
                taken[request_id] = outcome
        return taken | await self._refused(sender, refused)

    async def _refused(
        self, sender: str, request_ids: Sequence[str]
    ) -> dict[str, str | SekishoError]:
        """Settle codes that could not be linked: linked by another call, or somebody's already."""
        if not request_ids:
            return {}
        async with self._context.database.read() as connection:
            rows = await code_acquisitions.find(connection, request_ids)
        waiting = [row for row in rows.values() if row.state == REQUESTED]
        if waiting:
            drafts = [self._ended(row) for row in waiting]
            for outcome in await self._context.writer.append(drafts, source=sender):
                if not isinstance(outcome, Recorded | EffectRefusedError):
                    raise outcome
        return {request_id: request_id for request_id in request_ids}


def _entry(
    row: AcquisitionRow,
    state: str,
    *,
    effects: tuple[Effect, ...],
    private: dict[str, object],
    subject: bytes | None = None,
) -> Draft:
    return Draft(
        kind="code-linked",
        members={},
        private={"request_id": row.request_id, "state": state} | private,
        search=SearchColumns(subject=subject, outcome=state),
        effects=effects,
    )
