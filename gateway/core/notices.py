"""Core to provider: an inquiry was permitted (法21②, 令26①, 命令85 41①).

Not awaited by anybody: a row stands in the outbox with the permit's own entry and is told within
a second. What the notice says is read back from that entry, so it cannot say anything else.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from certs.sealing import MessageSealer, pack_code
from codes.canonical import instant
from gateway.core.code_book import CodeBook
from gateway.core.day_book import DayBook, PermitSecret
from gateway.core.verdicts import NOTICE
from gateway.errors import UnavailableError
from gateway.flows.context import Context
from gateway.flows.outbox import RowVerdict, verdict_of
from gateway.flows.record_types import Recorded
from gateway.flows.sealed import key_to_wire, sealed_to_wire, start_sealing
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.records.entry import parse_entry
from gateway.records.kinds import PermitGranted
from gateway.storage import core_inquiries
from gateway.storage.core_inquiries import Permitted, RecordedPermit
from gateway.storage.outbox import OutboxRow
from gateway.wire.network import AcknowledgedAnswer, AcknowledgedResult, Notice, NoticesRequest

PATH: Final = "/v1/notices"
PURPOSE: Final = "notice"
KIND: Final = NOTICE


class Notices:
    """Tells providers of permits, from the outbox."""

    def __init__(self, context: Context, codes: CodeBook) -> None:
        self._context = context
        self._codes = codes
        self._days = DayBook(context.vault.days)

    async def send_rows(self, provider: str, rows: Sequence[OutboxRow]) -> list[RowVerdict]:
        """Tell the provider of the permits these rows name; called by the outbox job."""
        permits = await self._permits(rows)
        opened, told = self._opened(permits)
        entries = await self._context.writer.recall([permitted.entry_id for permitted, _ in opened])
        told |= await self._send(provider, opened, entries) if opened else {}
        # A permit whose day has been dropped has long expired.
        return [told.get(str(row.body["permit_id"]), RowVerdict.DEAD) for row in rows]

    async def _permits(self, rows: Sequence[OutboxRow]) -> Mapping[str, RecordedPermit]:
        days = [date.fromisoformat(str(row.body["inquiry_day"])) for row in rows]
        async with self._context.database.read() as connection:
            return await core_inquiries.permits(
                connection,
                [str(row.body["permit_id"]) for row in rows],
                first=min(days),
                last=max(days),
            )

    def _opened(
        self, permits: Mapping[str, RecordedPermit]
    ) -> tuple[list[tuple[Permitted, PermitSecret]], dict[str, RowVerdict]]:
        """Return whom permits are about, and which wait: one box that is shut holds no other up."""
        opened: list[tuple[Permitted, PermitSecret]] = []
        shut: dict[str, RowVerdict] = {}
        for permit_id, found in permits.items():
            try:
                opened.append((found.permitted, self._days.open(found.permitted)))
            except UnavailableError:
                shut[permit_id] = RowVerdict.RETRY
        return opened, shut

    async def _send(
        self,
        provider: str,
        permits: Sequence[tuple[Permitted, PermitSecret]],
        entries: Mapping[str, Recorded],
    ) -> dict[str, RowVerdict]:
        sealer = start_sealing(self._context.trust, PURPOSE, recipient=provider)
        items = [
            self._notice(permitted, secret, entries[permitted.entry_id], sealer)
            for permitted, secret in permits
        ]
        message = NoticesRequest(keys=[key_to_wire(sealer.header)], items=items)
        answer = await self._context.peers.post(provider, PATH, message, AcknowledgedAnswer)
        if len(answer.results) != len(items):
            raise PeerProtocolError("notices: another number of results")
        return {
            item.permit_id: _verdict(result)
            for item, result in zip(items, answer.results, strict=True)
        }

    def _notice(
        self,
        permitted: Permitted,
        secret: PermitSecret,
        recorded: Recorded,
        sealer: MessageSealer,
    ) -> Notice:
        granted = recorded.public or parse_entry(recorded.entry).public
        if not isinstance(granted, PermitGranted):
            raise PeerProtocolError("notices: a row of another kind")
        code = self._codes.code_of(secret.person, permitted.provider)
        sealed = sealer.seal(
            pack_code(secret.salt, code.raw),
            inquiry_leaf=None,  # a notice names the permit alone
            permit_id=permitted.permit_id,
        )
        return Notice(
            permit_id=permitted.permit_id,
            inquirer=permitted.inquirer,
            inquirer_body=granted.inquirer_body,
            provider_body=granted.provider_body,
            department=granted.department,
            affair=granted.affair,
            procedure=granted.procedure,
            citation=granted.citation,
            term=granted.information.term,
            scope=granted.information.scope,
            items=list(granted.information.items),
            law_day=granted.law_day,
            requested_at=granted.requested_at,
            token_expires=instant(permitted.token_expires),
            request_expires=granted.request_expires,
            non_disclosure=granted.non_disclosure,
            code=sealed_to_wire(sealed, key=0),
        )


def _verdict(result: AcknowledgedResult) -> RowVerdict:
    if result.result is not None:
        return RowVerdict.DONE
    if result.problem is not None:
        return verdict_of(ItemRefusedError(result.problem))
    return RowVerdict.RETRY
