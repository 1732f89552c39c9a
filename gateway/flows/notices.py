"""The core's notices at a provider: kept until the permit comes, recorded when it does not.

The law has the core notify the provider of every inquiry it permits (法21②, 令26①). In daily life
the permit is presented before its notice arrives; what is left is evidence (命令85 41③).
"""

from datetime import timedelta
from typing import Final

import msgspec
import structlog

from certs.errors import CertsError
from codes.canonical import parse_instant, tokyo_day
from codes.errors import CodesError
from gateway import metrics
from gateway.errors import InvalidBodyError, SekishoError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.flows.sealed import SealedInvalidError
from gateway.flows.vault import key_month
from gateway.records.entry import check_members
from gateway.records.errors import RecordsError
from gateway.storage import notices, provisions
from gateway.storage.effects import Effect
from gateway.storage.notices import NoticeLapsed, NoticeNotified, NoticeRow
from gateway.wire.network import Acknowledged, Key, Notice, NoticesRequest

log = structlog.get_logger()

TABLE: Final = "notices"
COLUMN: Final = "notice"
GRACE: Final = timedelta(minutes=1)
BATCH: Final = 256
SOURCE: Final = "notices"
UNREADABLE: Final = "not-a-notice"


class KeptNotice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A notice with the key its code is sealed under, as kept in its box."""

    notice: Notice
    key: Key


class Notices:
    """Keeps notices, and records those whose permit never came."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def take(self, request: NoticesRequest) -> list[Acknowledged | SekishoError]:
        """Keep what the core tells; permits that were presented already need no notice."""
        read = [self._row_or_not(item, request.keys) for item in request.items]
        rows = [row for row in read if isinstance(row, NoticeRow)]
        async with self._context.database.read() as connection:
            met = await provisions.find(
                connection, [(tokyo_day(row.request_expires), row.permit_id) for row in rows]
            )
            unmet = [row for row in rows if row.permit_id not in met]
            if unmet:
                await notices.keep(connection, unmet)
        return [
            Acknowledged(permit_id=row.permit_id) if isinstance(row, NoticeRow) else row
            for row in read
        ]

    async def turn(self) -> None:
        """Record what was not presented in its time, and what has lapsed."""
        now = self._context.clock.now()
        async with self._context.database.read() as connection:
            await notices.drop_met(connection, expired_before=now - GRACE)
            unmet = await notices.unmet(connection, expired_before=now - GRACE, limit=BATCH)
            expired = await notices.expired(connection, now=now, limit=BATCH)
        await self._record(unmet, "notified")
        await self._record(expired, "lapsed")

    def _row_or_not(self, item: Notice, keys: list[Key]) -> NoticeRow | SekishoError:
        """Return the row of a notice, or why it is none: what is kept must be recordable later."""
        if item.code.key >= len(keys):
            return SealedInvalidError("notice: no such key", reason="no-such-key")
        try:
            check_members("notified", _members(item))
            return self._row(item, keys)
        except (CodesError, RecordsError):
            return InvalidBodyError("notice: no entry could say this")

    def _row(self, item: Notice, keys: list[Key]) -> NoticeRow:
        month = key_month(self._context.clock.now())
        kept = KeptNotice(notice=item, key=keys[item.code.key])
        return NoticeRow(
            permit_id=item.permit_id,
            inquirer=item.inquirer,
            token_expires=parse_instant(item.token_expires),
            request_expires=parse_instant(item.request_expires),
            requested_at=parse_instant(item.requested_at),
            key_year=month,
            notice_box=self._context.vault.seal(
                TABLE, COLUMN, month, item.permit_id, msgspec.json.encode(kept)
            ),
        )

    async def _record(self, rows: list[NoticeRow], kind: str) -> None:
        if not rows:
            return
        drafts, broken = self._drafts(rows, kind)
        if broken:
            await self._set_aside(broken)
        if not drafts:
            return
        for outcome in await self._context.writer.append(drafts, source=SOURCE):
            # Refused: the permit came meanwhile, or another worker was faster.
            if not isinstance(outcome, Recorded | EffectRefusedError):
                raise outcome
        log.info("notices_recorded", kind=kind, count=len(drafts))

    def _drafts(self, rows: list[NoticeRow], kind: str) -> tuple[list[Draft], dict[str, str]]:
        """Return what can be recorded, and by permit id why the rest cannot."""
        drafts: list[Draft] = []
        broken: dict[str, str] = {}
        for row in rows:
            try:
                drafts.append(self._draft(row, kind))
            except CertsError as error:
                broken[row.permit_id] = error.reason
            except msgspec.DecodeError:
                broken[row.permit_id] = UNREADABLE
        return drafts, broken

    async def _set_aside(self, broken: dict[str, str]) -> None:
        """Let what cannot be read hold up nobody; the row stays for an operator to look at."""
        async with self._context.database.read() as connection:
            aside = await notices.set_aside(connection, list(broken))
        metrics.NOTICES_SET_ASIDE.inc(len(aside))
        for permit_id in aside:
            log.error("notice_set_aside", permit_id=permit_id, reason=broken[permit_id])

    def _draft(self, row: NoticeRow, kind: str) -> Draft:
        raw = self._context.vault.open(TABLE, COLUMN, row.key_year, row.permit_id, row.notice_box)
        kept = msgspec.json.decode(raw, type=KeptNotice)
        notice = kept.notice
        effect: Effect = (
            NoticeNotified(permit_id=row.permit_id)
            if kind == "notified"
            else NoticeLapsed(permit_id=row.permit_id)
        )
        return Draft(
            kind=kind,
            members=_members(notice),
            private={"notice": msgspec.to_builtins(notice)},
            search=SearchColumns(
                outcome=kind,
                counterparty=row.inquirer,
                procedure=notice.procedure,
                information=notice.term,
                permit_id=row.permit_id,
            ),
            effects=(effect,),
        )


def _members(notice: Notice) -> dict[str, object]:
    """Return what the record says of a permit that did not come (法23①)."""
    return {
        "permit_id": notice.permit_id,
        "inquirer": notice.inquirer,
        "requested_at": notice.requested_at,
        "inquirer_body": notice.inquirer_body,
        "provider_body": notice.provider_body,
        "department": notice.department,
        "affair": notice.affair,
        "procedure": notice.procedure,
        "citation": notice.citation,
        "information": {
            "term": notice.term,
            "scope": notice.scope,
            "items": list(notice.items),
        },
        "law_day": notice.law_day,
        "non_disclosure": notice.non_disclosure,
    }
