"""A recorded inquiry on its way: permit, provision, receipt (PROTOCOL §3, 2, 3, 5).

Each step can be repeated by any worker: the core and the provider answer the same statement with
the same permit and the same bytes. What nobody could say stays open and is taken up again.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import structlog

from certs.errors import CertsError
from gateway import metrics
from gateway.errors import SekishoError, UnavailableError
from gateway.flows.ask_again import AskAgain
from gateway.flows.batching import Batcher
from gateway.flows.context import Context
from gateway.flows.open_inquiry import OpenInquiry
from gateway.flows.permit_lane import (
    Granted,
    PermitOutcome,
    PermitWanted,
    RefusedByCore,
    ask_permits,
)
from gateway.flows.provision_lane import Provided, ProvisionWanted, ask_provisions
from gateway.flows.receipts import Receipts
from gateway.flows.sealed import SealedInvalidError
from gateway.flows.statements import StatementInvalidError
from gateway.flows.trust import LookForDirectory
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError, PeerUnavailableError
from gateway.outbound.lanes import Lane
from gateway.storage import inquiries
from gateway.storage.inquiries import InquiryRow
from gateway.wire.fields import TOKENS_MAX
from gateway.wire.problems import Problem

log = structlog.get_logger()

AGAIN_S: Final = 15.0
LAW_CHANGED: Final = "law-changed"
TOKEN_RENEWALS_MAX: Final = 3
_RENEW: Final = frozenset({"permit-expired"})
_LATER: Final = frozenset({"directory-behind"})


class Continuations:
    """Every open inquiry this worker carries, and everybody who waits for one."""

    def __init__(
        self, context: Context, receipts: Receipts, *, look_for_directory: LookForDirectory
    ) -> None:
        self._context = context
        self._receipts = receipts
        self._look_for_directory = look_for_directory
        self._ask_again = AskAgain(context, receipts)
        self._permits: Lane[PermitWanted, PermitOutcome] = Lane(
            lambda items: ask_permits(context, items), peer=context.trust.core
        )
        self._provisions: dict[str, Lane[ProvisionWanted, Provided]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self.rows: Batcher[str, InquiryRow] = Batcher(self._read_rows)

    def start(self, opened: OpenInquiry, *, bulk: bool = False) -> None:
        """Carry the inquiry on in the background; its caller may come and go."""
        if opened.inquiry_id in self._tasks:
            return
        task = asyncio.get_running_loop().create_task(self._carry(opened, bulk=bulk))
        self._tasks[opened.inquiry_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(opened.inquiry_id, None))

    async def wait(self, inquiry_id: str, seconds: float) -> None:
        """Return when the inquiry has ended, is withheld, or the time is up."""
        if inquiry_id not in self._tasks:
            return
        event = self._ended.setdefault(inquiry_id, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        finally:
            if inquiry_id not in self._tasks:
                self._ended.pop(inquiry_id, None)

    def ended(self, inquiry_id: str) -> None:
        """Tell everybody who waits for this inquiry to look at it."""
        event = self._ended.pop(inquiry_id, None)
        if event is not None:
            event.set()

    async def close(self) -> None:
        """Let go of what is under way; the rows are taken up by whoever comes next."""
        await self._permits.close()
        for lane in self._provisions.values():
            await lane.close()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def _carry(self, opened: OpenInquiry, *, bulk: bool) -> None:
        try:
            await self._steps(opened, bulk=bulk)
        except (PeerUnavailableError, UnavailableError, PeerProtocolError) as error:
            await self._again(opened, error)
        except (StatementInvalidError, SealedInvalidError, CertsError) as error:
            # Nothing unauthentic may end an inquiry: whoever forged it would have refused it.
            metrics.SECURITY_EVENTS.labels(listener="outbound", kind=error.reason).inc()
            await self._again(opened, error)
        except Exception:
            log.exception("inquiry_step_failed", inquiry_id=opened.inquiry_id)
            await self._again(opened, None)
        finally:
            self.ended(opened.inquiry_id)

    async def _steps(self, opened: OpenInquiry, *, bulk: bool) -> None:
        is_first = True
        for _ in range(TOKEN_RENEWALS_MAX):
            outcome = await self._permits.submit(
                PermitWanted(
                    recorded=opened.recorded,
                    inquiry=opened.inquiry,
                    code=opened.code,
                    salt=opened.salt,
                ),
                client=opened.client_id,
                bulk=bulk,
            )
            if isinstance(outcome, RefusedByCore):
                again = None
                if is_first and outcome.refusal.reason == LAW_CHANGED:
                    await self._look_for_directory()
                    again = await self._ask_again.once(opened, outcome)
                if again is None:
                    await self._receipts.refused(opened, outcome)
                    return
                opened, is_first = again, False
                continue
            try:
                provided = await self._provide(opened, outcome, bulk=bulk)
            except ItemRefusedError as refused:
                if refused.reason in _RENEW:
                    continue
                if _is_for_later(refused.refusal):
                    raise UnavailableError(f"provider: {refused.reason}") from None
                await self._receipts.failed(opened, outcome, reason=refused.reason)
                return
            await self._receipts.provided(opened, outcome, provided)
            return
        raise UnavailableError("permit: expired again and again")

    async def _provide(self, opened: OpenInquiry, granted: Granted, *, bulk: bool) -> Provided:
        provider = opened.inquiry.provider
        lane = self._provisions.get(provider)
        if lane is None:
            lane = Lane[ProvisionWanted, Provided](
                lambda items: ask_provisions(self._context, items),
                peer=provider,
                groups_max=TOKENS_MAX,
            )
            self._provisions[provider] = lane
        return await lane.submit(
            ProvisionWanted(recorded=opened.recorded, inquiry=opened.inquiry, granted=granted),
            client=opened.client_id,
            bulk=bulk,
            group=granted.token,
        )

    async def _again(self, opened: OpenInquiry, error: SekishoError | CertsError | None) -> None:
        """Leave the inquiry open, to be taken up after a while by whoever is there."""
        if error is not None:
            problem = getattr(error, "problem", None) or getattr(error, "reason", "unknown")
            log.warning("inquiry_left_open", inquiry_id=opened.inquiry_id, problem=problem)
        try:
            async with self._context.database.read() as connection:
                await inquiries.let_go(connection, opened.inquiry_id, after_s=AGAIN_S)
        except Exception:
            # The lease ends by itself; the row is taken up then.
            log.exception("inquiry_not_let_go", inquiry_id=opened.inquiry_id)

    async def _read_rows(self, inquiry_ids: Sequence[str]) -> dict[str, InquiryRow]:
        async with self._context.database.read() as connection:
            return await inquiries.find(connection, inquiry_ids)


def _is_for_later(refusal: Problem) -> bool:
    """Tell whether the provider cannot answer now, which is no refusal."""
    status = refusal.status
    is_unable = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return is_unable or refusal.type in _LATER
