"""People let held answers go, or refuse them (PROTOCOL §3 *Held answers*, DESIGN §2.4).

Whoever calls has authenticated the person by their own credential and second factor for this very
decision. At release the answer is made anew: other bytes than people saw void every approval.
"""

import secrets
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from certs.permits import Permit
from codes.canonical import unb64
from codes.network_code import NetworkCode
from gateway import metrics
from gateway.domain.hold import (
    FlagMakerError,
    HoldChangedError,
    HoldClosedError,
    HoldState,
    require_other_eyes,
)
from gateway.errors import NotFoundError, RefusedError, UnavailableError
from gateway.flows.after_restore import gate_now
from gateway.flows.answering import (
    REPLY_KEY,
    Answering,
    Case,
    Content,
    Denied,
    Held,
    Person,
    Provides,
)
from gateway.flows.answers import CASE, HOLDS, HeldCase, outcome_of, preview_digest
from gateway.flows.context import Context
from gateway.flows.delivery_drafts import DeliveryDrafts
from gateway.flows.gate import Gate
from gateway.flows.open_inquiry import inquiry_of
from gateway.flows.presented import Matter
from gateway.flows.record_types import (
    Draft,
    EffectRefusedError,
    Outcome,
    Recorded,
    SearchColumns,
    StaleDecisionError,
    new_id,
)
from gateway.storage import flags, holds
from gateway.storage.holds import HoldApproved, HoldEnded, HoldRefused, HoldRow, HoldVoided
from policies.measures import StopSwitch
from policies.release import RefusalGround

DECISIONS_MAX: Final = 5
SOURCE: Final = "staff"
KEPT_AFTER_EXPIRY: Final = timedelta(days=8)
HOLDING_FLAG: Final = "automatic-answer-disabled"


class NotReleasableError(RefusedError):
    """The law, a switch or a rule forbids this answer now; people cannot let it go."""

    problem = "not-releasable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Who decides: a member of staff and the credential that proved it at this moment."""

    staff_id: str
    credential_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would go out if people let it: approvals are for exactly this digest."""

    row: HoldRow
    outcome: str
    digest: bytes
    payload: dict[str, object] | None = field(repr=False)
    unified_number: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a decision came to."""

    hold_id: str
    state: HoldState
    approvals: int
    approvals_needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A hold with its answer as it would be made now."""

    row: HoldRow
    case: Case
    person: Person
    content: Content
    digest: bytes


class Release:
    """The queue of held answers of one gateway."""

    def __init__(self, context: Context, answering: Answering, deliveries: DeliveryDrafts) -> None:
        self._context = context
        self._answering = answering
        self._deliveries = deliveries

    async def page(
        self, *, state: HoldState | None, before: tuple[datetime, str] | None, limit: int
    ) -> list[HoldRow]:
        """Return holds, newest first; what is personal stays in their boxes."""
        async with self._context.database.read() as connection:
            return await holds.page(connection, state=state, before=before, limit=limit)

    async def show(self, hold_id: str) -> Preview:
        """Return the preview of a waiting hold; the caller records who looked.

        Raises `NotFoundError`, `HoldClosedError`, `NotReleasableError`.
        """
        gate = await gate_now(self._context.gate)
        opened = await self._open(hold_id, gate)
        content = opened.content
        return Preview(
            row=opened.row,
            outcome=outcome_of(content),
            digest=opened.digest,
            payload=(
                msgspec.json.decode(content.payload, type=dict[str, object])
                if isinstance(content, Provides)
                else None
            ),
            unified_number=opened.person.unified_number,
        )

    async def approve(self, hold_id: str, decider: Decider, digest: bytes) -> Decision:
        """Count one approval of the preview with this digest; the last one needed releases it.

        Raises:
            NotFoundError, HoldClosedError: no such hold, or it takes no decision any more.
            HoldChangedError: what would go out has changed; all approvals are void.
            SameApproverError, FlagMakerError: this person may not be one of the pairs of eyes.
            NotReleasableError: law, switch or rule forbids the answer now.
        """
        gate = await gate_now(self._context.gate)
        for _ in range(DECISIONS_MAX):
            opened = await self._open(hold_id, gate)
            await self._require_admitted(opened.row, decider)
            if opened.digest != opened.row.digest:
                await self._void(opened, gate)
                raise HoldChangedError("hold: the answer has changed")
            if not secrets.compare_digest(digest, opened.digest):
                raise HoldChangedError("hold: another preview was approved")
            is_last = opened.row.approvals + 1 >= opened.row.approvals_needed
            drafts = [self._approval(opened, decider, gate, is_last=is_last)]
            if is_last:
                drafts.append(await self._delivery(opened, gate))
            outcomes = await self._context.writer.append(drafts, source=SOURCE)
            if all(isinstance(outcome, Recorded) for outcome in outcomes):
                if is_last:
                    self._deliveries.tell(opened.row, outcomes)
                return Decision(
                    hold_id=hold_id,
                    state=HoldState.RELEASED if is_last else HoldState.WAITING,
                    approvals=opened.row.approvals + 1,
                    approvals_needed=opened.row.approvals_needed,
                )
            gate = await self._again(outcomes, gate)
        raise UnavailableError("hold: others kept deciding")

    async def refuse(self, hold_id: str, decider: Decider, ground: RefusalGround) -> Decision:
        """Refuse to provide, on a ground of the closed list (法22① makes providing a duty)."""
        row = await self._waiting(hold_id)
        await self._require_admitted(row, decider)
        entry_id = new_id()
        refusal = Draft(
            entry_id=entry_id,
            kind="hold-refused",
            members={},
            private={
                "hold_id": hold_id,
                "permit_id": row.permit_id,
                "staff": decider.staff_id,
                "credential": decider.credential_id,
                "ground": ground.value,
            },
            search=SearchColumns(staff=decider.staff_id, permit_id=row.permit_id),
            effects=(
                HoldRefused(
                    hold_id=hold_id,
                    round=row.round,
                    staff_id=decider.staff_id,
                    credential_id=decider.credential_id,
                    entry_id=entry_id,
                ),
            ),
        )
        denial = self._deliveries.denial(row, self._case(row), await self._provision_leaf(row))
        outcomes = await self._context.writer.append([refusal, denial], source=SOURCE)
        for outcome in outcomes:
            if isinstance(outcome, EffectRefusedError):
                raise HoldClosedError("hold: decided meanwhile")
            if not isinstance(outcome, Recorded):
                raise outcome
        self._deliveries.tell(row, outcomes)
        return Decision(
            hold_id=hold_id,
            state=HoldState.REFUSED,
            approvals=row.approvals,
            approvals_needed=row.approvals_needed,
        )

    async def end_lapsed(self) -> None:
        """End holds whose request has expired: none outlives its notice (命令85 41③)."""
        now = self._context.clock.now()
        async with self._context.database.read() as connection:
            expired = await holds.expired(connection, now=now, limit=256)
            waiting, oldest_s = await holds.waiting(connection)
        metrics.HOLDS_OPEN.set(waiting)
        metrics.HOLD_OLDEST_SECONDS.set(oldest_s)
        for hold_id, state in expired:
            draft = Draft(
                kind="hold-lapsed",
                members={},
                private={"hold_id": hold_id},
                effects=(
                    HoldEnded(hold_id=hold_id, from_state=state, state=HoldState.LAPSED.value),
                ),
            )
            (outcome,) = await self._context.writer.append([draft], source=SOURCE)
            if not isinstance(outcome, Recorded | EffectRefusedError):
                raise outcome

    async def _open(self, hold_id: str, gate: Gate[StopSwitch]) -> _Opened:
        """Return a waiting hold with its answer made anew from what stands now."""
        row = await self._waiting(hold_id)
        case = self._case(row)
        now = self._context.clock.now()
        await self._require_lawful(case.matter, gate, now)
        people = await self._answering.people([case])
        person = people.get(case.key)
        if person is None:
            raise NotReleasableError("hold: no such person here", reason="no-network-code")
        verdict = self._answering.verdict(case, person, now).verdict
        if isinstance(verdict, Denied):
            raise NotReleasableError("hold: a rule refuses it", reason=verdict.reason)
        # Flags may be gone meanwhile: what people were asked to look at, they still look at.
        content = verdict.content if isinstance(verdict, Held) else verdict
        permit = case.matter.permit
        return _Opened(
            row=row,
            case=case,
            person=person,
            content=content,
            digest=preview_digest(
                content,
                recipient=case.matter.inquirer,
                permit_id=permit.permit_id,
                scope=permit.information.scope,
            ),
        )

    async def _waiting(self, hold_id: str) -> HoldRow:
        async with self._context.database.read() as connection:
            row = (await holds.find(connection, [hold_id])).get(hold_id)
        if row is None:
            raise NotFoundError("hold: none of that id")
        if row.state is not HoldState.WAITING or (row.request_expires <= self._context.clock.now()):
            raise HoldClosedError(f"hold: {row.state.value}")
        return row

    async def _require_lawful(self, matter: Matter, gate: Gate[StopSwitch], now: datetime) -> None:
        """Return quietly if law (of the request and of today), switches and keys allow it."""
        self._context.trust.require_fresh(now)
        directory, reply_key = self._context.trust.directory, matter.inquiry.reply_key
        if directory.is_sealing_key_revoked(matter.inquirer, reply_key, now):
            raise NotReleasableError("hold: its key was revoked", reason=REPLY_KEY)
        for day in dict.fromkeys(
            (date.fromisoformat(matter.permit.law_day), self._context.trust.law_day(now))
        ):
            try:
                lawful = self._answering.lawful(matter, gate, now, on_day=day)
            except RefusedError as refused:
                raise NotReleasableError("hold: the law", reason=refused.reason) from None
            if lawful is None:
                raise NotReleasableError("hold: another inquirer", reason="wrong-inquirer")

    async def _require_admitted(self, row: HoldRow, decider: Decider) -> None:
        """Refuse who has decided about this preview, and who set or lifted the flag."""
        async with self._context.database.read() as connection:
            deciders = await holds.deciders(connection, row.hold_id, row.round)
            history = await flags.history(connection, row.subject)
        require_other_eyes(decider.staff_id, decider.credential_id, deciders)
        if any(
            decider.staff_id in {flag.maker, flag.lifted_by}
            for flag in history
            if flag.kind == HOLDING_FLAG
        ):
            raise FlagMakerError("hold: set or lifted the flag")

    async def _void(self, opened: _Opened, gate: Gate[StopSwitch]) -> None:
        """Record that the approvals are for something else than what would go out."""
        row = opened.row
        draft = Draft(
            kind="hold-voided",
            members={},
            private={"hold_id": row.hold_id, "permit_id": row.permit_id, "round": row.round},
            search=SearchColumns(permit_id=row.permit_id),
            effects=(HoldVoided(hold_id=row.hold_id, round=row.round, digest=opened.digest),),
            gate_version=gate.version,
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded | EffectRefusedError | StaleDecisionError):
            raise outcome

    def _approval(
        self, opened: _Opened, decider: Decider, gate: Gate[StopSwitch], *, is_last: bool
    ) -> Draft:
        row, entry_id = opened.row, new_id()
        return Draft(
            entry_id=entry_id,
            kind="hold-approved",
            members={},
            private={
                "hold_id": row.hold_id,
                "permit_id": row.permit_id,
                "staff": decider.staff_id,
                "credential": decider.credential_id,
                "round": row.round,
                "preview": opened.digest.hex(),
                "rules_version": self._answering.rules.version,
                "gate_version": gate.version,
                "replica_generations": [r.generation for r in opened.person.records],
                "flags": sorted(flag.flag_id for flag in opened.person.flags),
            },
            search=SearchColumns(
                subject=opened.case.code.raw,
                staff=decider.staff_id,
                outcome="approved",
                counterparty=row.inquirer,
                permit_id=row.permit_id,
            ),
            effects=(
                HoldApproved(
                    hold_id=row.hold_id,
                    round=row.round,
                    digest=opened.digest,
                    staff_id=decider.staff_id,
                    credential_id=decider.credential_id,
                    entry_id=entry_id,
                    is_last=is_last,
                ),
            ),
            gate_version=gate.version,
        )

    async def _delivery(self, opened: _Opened, gate: Gate[StopSwitch]) -> Draft:
        return self._deliveries.delivery(
            opened.row,
            opened.case,
            opened.person,
            opened.content,
            provision_leaf=await self._provision_leaf(opened.row),
            gate_version=gate.version,
        )

    async def _provision_leaf(self, row: HoldRow) -> bytes:
        """Return the leaf hash of the `withheld` entry that this hold stands behind."""
        return (await self._context.writer.find([row.entry_id]))[row.entry_id].leaf_hash

    async def _again(self, outcomes: list[Outcome], gate: Gate[StopSwitch]) -> Gate[StopSwitch]:
        """Return the gate to decide under once more, or raise what cannot be helped."""
        for outcome in outcomes:
            if isinstance(outcome, StaleDecisionError):
                return await self._context.gate.newer_than(gate.version)
            if not isinstance(outcome, Recorded | EffectRefusedError):
                raise outcome
        return gate

    def _case(self, row: HoldRow) -> Case:
        raw = self._context.vault.open(HOLDS, CASE, row.key_year, row.hold_id, row.case_box)
        kept = msgspec.json.decode(raw, type=HeldCase)
        return Case(
            matter=Matter(
                inquirer=kept.inquirer,
                permit=msgspec.convert(kept.permit, Permit),
                inquiry=inquiry_of(unb64(kept.inquiry)),
            ),
            code=NetworkCode(unb64(kept.code)),
            salt=unb64(kept.salt),
        )
