"""`POST /v1/outcomes`: both parties tell how an exchange came out (法23③, 命令85 46③, 47③).

A party speaks only of its own permits and only by a statement. What contradicts the permit, or
what the same party or the other told before, is refused with its reason and recorded; the same
word said again is answered as before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias

from codes.canonical import b64, parse_instant, tokyo_day
from gateway.core.day_book import DayBook
from gateway.core.problems import item_problem
from gateway.errors import NotFoundError, RefusedError, SekishoError, UnavailableError
from gateway.flows.context import Context
from gateway.flows.record_types import (
    Draft,
    EffectRefusedError,
    Recorded,
    SearchColumns,
    new_id,
)
from gateway.flows.statements import StatementInvalidError, Statements, received_or_fetched
from gateway.records.kinds import Delivery, Provision, Receipt
from gateway.storage import core_inquiries, core_outcomes
from gateway.storage.core_inquiries import RecordedPermit
from gateway.storage.core_outcomes import (
    DELIVERY,
    PROVISION,
    RECEIPT,
    WITHHELD,
    CoreOutcomeTaken,
    Told,
)
from gateway.wire.network import (
    Outcome,
    OutcomeResult,
    OutcomesAnswer,
    OutcomesRequest,
    OutcomeTaken,
)

KIND: Final = "outcome"

Word: TypeAlias = Provision | Delivery | Receipt

KEPT_DAYS: Final = timedelta(days=80)
"""As long as the core's partitions stand; see the migration."""
INQUIRY_BEFORE_PERMIT: Final = timedelta(days=8)

PERMIT_LEAF_DIFFERS: Final = "permit-leaf-differs"
INQUIRY_LEAF_DIFFERS: Final = "inquiry-leaf-differs"
SUBJECT_DIFFERS: Final = "subject-differs"
PARTY_DIFFERS: Final = "party-differs"
TIME_DIFFERS: Final = "requested-at-differs"
PROVISION_LEAF_DIFFERS: Final = "provision-leaf-differs"
ANSWER_LEAF_DIFFERS: Final = "answer-leaf-differs"
OUTCOME_DIFFERS: Final = "outcome-differs"

_ABOUT: Final = (
    "inquirer_body",
    "provider_body",
    "department",
    "affair",
    "procedure",
    "citation",
    "information",
    "subject_role",
    "condition",
    "law_version",
    "law_day",
    "legal_basis",
    "requested_at",
    "provided_at",
    "non_disclosure",
    "non_disclosure_provider",
    "act21_2",
)
_KINDS: Final[Mapping[type, str]] = {Provision: PROVISION, Delivery: DELIVERY, Receipt: RECEIPT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One party's word: what its verified statement says of one permit."""

    permit_id: str
    word: Word
    leaf: bytes

    @property
    def kind(self) -> str:
        """Return the statement's kind."""
        return _KINDS[type(self.word)]

    @property
    def of(self) -> bytes | None:
        """Return what a receipt answers, or a delivery follows."""
        if isinstance(self.word, Receipt):
            return bytes.fromhex(self.word.answer_leaf)
        if isinstance(self.word, Delivery):
            return bytes.fromhex(self.word.provision_leaf)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the core has of one permit."""

    permit: RecordedPermit
    told: Sequence[Told] = field(repr=False)

    def with_word(self, party: str, said: Said, entry_id: str) -> "Known":
        """Return what the core has once this word is recorded."""
        told = Told(
            party=party,
            kind=said.kind,
            outcome=said.word.outcome,
            leaf=said.leaf,
            of=said.of,
            entry_id=entry_id,
        )
        return Known(permit=self.permit, told=(*self.told, told))

    @property
    def has_receipt(self) -> bool:
        """Tell whether the inquirer has from the provider what there will ever be."""
        return any(
            told.kind == RECEIPT and told.outcome != WITHHELD and told.of != self.permit.leaf
            for told in self.told
        )


class OutcomeDesk:
    """The core's side of both parties' outcomes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._days = DayBook(context.vault.days)

    async def answer(self, sender: str, request: OutcomesRequest) -> OutcomesAnswer:
        """Return for each item that it was taken, or why not; raises as `PermitDesk.answer`."""
        now = self._context.clock.now()
        self._context.trust.require_fresh(now)
        statements = await received_or_fetched(self._context.trust, request.groups, sender=sender)
        items = [_said(item, statements) for item in request.items]
        said = list({one.leaf: one for one in items if isinstance(one, Said)}.values())
        known = await self._take(sender, said, now) if said else {}
        return OutcomesAnswer(
            results=[
                _result(known[item.leaf] if isinstance(item, Said) else item) for item in items
            ]
        )

    async def _take(
        self, sender: str, said: Sequence[Said], now: datetime
    ) -> dict[bytes, Known | SekishoError]:
        """Record what is new; return by leaf what is known now, or why the word is not taken."""
        known = await self._known(said, now)
        results: dict[bytes, Known | SekishoError] = {}
        drafts: list[tuple[Said, Draft]] = []
        for one in said:
            found = known.get(one.permit_id)
            if found is None or not _is_party(sender, one.word, found.permit):
                # Nobody's permit and somebody else's look alike.
                results[one.leaf] = NotFoundError("outcome: no permit of this party")
                continue
            results[one.leaf] = found
            if all(told.leaf != one.leaf for told in found.told):
                reason = _contradiction(one, found)
                if reason is not None:
                    results[one.leaf] = RefusedError("outcome: refused", reason=reason)
                try:
                    drafts.append((one, self._draft(sender, one, found.permit, reason)))
                except UnavailableError as error:
                    results[one.leaf] = error
        if drafts:
            results |= await self._record(sender, drafts, known)
        return results

    async def _record(
        self, sender: str, drafts: Sequence[tuple[Said, Draft]], known: Mapping[str, Known]
    ) -> dict[bytes, Known | SekishoError]:
        outcomes = await self._context.writer.append([draft for _, draft in drafts], source=sender)
        results: dict[bytes, Known | SekishoError] = {}
        raced: list[Said] = []
        for (one, draft), outcome in zip(drafts, outcomes, strict=True):
            if isinstance(outcome, EffectRefusedError):
                raced.append(one)
            elif not isinstance(outcome, Recorded):
                results[one.leaf] = outcome
            elif draft.kind == KIND:
                results[one.leaf] = known[one.permit_id].with_word(sender, one, draft.entry_id)
        if raced:
            results |= await self._settle(sender, raced)
        return results

    async def _settle(
        self, sender: str, raced: Sequence[Said]
    ) -> dict[bytes, Known | SekishoError]:
        """Say what became of words that met others on their way into the record."""
        known = await self._known(raced, self._context.clock.now())
        results: dict[bytes, Known | SekishoError] = {}
        refusals: list[Draft] = []
        for one in raced:
            found = known[one.permit_id]
            results[one.leaf] = found
            if all(told.leaf != one.leaf for told in found.told):
                results[one.leaf] = RefusedError("outcome: refused", reason=OUTCOME_DIFFERS)
                refusals.append(self._draft(sender, one, found.permit, OUTCOME_DIFFERS))
        if refusals:
            await self._context.writer.append(refusals, source=sender)
        return results

    def _draft(self, sender: str, one: Said, permit: RecordedPermit, reason: str | None) -> Draft:
        """Return the entry that the core makes of a party's word, taken or refused.

        Raises `UnavailableError` if it cannot be told whom the permit is about.
        """
        permitted, entry_id = permit.permitted, new_id()
        person = self._days.open(permitted).person
        members: dict[str, object] = {name: getattr(one.word, name, None) for name in _ABOUT}
        members |= {"permit_id": one.permit_id, "of": one.leaf.hex()}
        effects: tuple[CoreOutcomeTaken, ...] = ()
        if reason is not None:
            members |= {
                "reason": reason,
                "counterparty": sender,
                "inquirer": permitted.inquirer,
                "provider": permitted.provider,
            }
        else:
            members |= {"party": sender, "outcome": one.word.outcome}
            effects = (
                CoreOutcomeTaken(
                    inquiry_day=permitted.inquiry_day,
                    permit_id=one.permit_id,
                    leaf=one.leaf,
                    party=sender,
                    kind=one.kind,
                    outcome=one.word.outcome,
                    of=one.of,
                    entry_id=entry_id,
                ),
            )
        information = getattr(one.word, "information", None)
        return Draft(
            entry_id=entry_id,
            kind=KIND if reason is None else "refusal",
            members=members,
            private={"person": b64(person)},
            search=SearchColumns(
                subject=person,
                outcome=reason or one.word.outcome,
                counterparty=sender,
                procedure=one.word.procedure,
                information=information.term if information is not None else None,
                permit_id=one.permit_id,
            ),
            effects=effects,
        )

    async def _known(self, said: Sequence[Said], now: datetime) -> dict[str, Known]:
        first, last = _window(said, now)
        async with self._context.database.read() as connection:
            permits = await core_inquiries.permits(
                connection, list({one.permit_id for one in said}), first=first, last=last
            )
            told = await core_outcomes.told(
                connection,
                [(found.permitted.inquiry_day, permit_id) for permit_id, found in permits.items()],
            )
        return {
            permit_id: Known(permit=permit, told=told[permit_id])
            for permit_id, permit in permits.items()
        }


def _said(item: Outcome, statements: Statements) -> Said | SekishoError:
    try:
        statement = statements.at(item.group, item.index)
    except StatementInvalidError as error:
        return error
    word = statement.entry.public
    if not isinstance(word, Provision | Delivery | Receipt):
        return StatementInvalidError("outcomes: another kind", reason="other-kind")
    if word.permit_id != item.permit_id:
        return StatementInvalidError("outcomes: of another permit", reason="other-permit")
    return Said(permit_id=item.permit_id, word=word, leaf=statement.entry.leaf_hash)


def _window(said: Sequence[Said], now: datetime) -> tuple[date, date]:
    """Return the days of the inquiries these words can be about: the fewest partitions."""
    times = [one.word.requested_at for one in said]
    if all(time is not None for time in times):
        instants = [parse_instant(time) for time in times if time is not None]
        return tokyo_day(min(instants) - INQUIRY_BEFORE_PERMIT), tokyo_day(
            max(instants) + timedelta(days=1)
        )
    return tokyo_day(now - KEPT_DAYS), tokyo_day(now + timedelta(days=1))


def _is_party(sender: str, word: Word, permit: RecordedPermit) -> bool:
    permitted = permit.permitted
    return sender == (permitted.inquirer if isinstance(word, Receipt) else permitted.provider)


def _contradiction(one: Said, known: Known) -> str | None:
    """Return in what the word contradicts the permit or what was told, or None."""
    permit, word = known.permit, one.word
    permitted = permit.permitted
    for reason, is_met in (
        (PERMIT_LEAF_DIFFERS, _equal(word, "permit_leaf", permit.leaf.hex())),
        (INQUIRY_LEAF_DIFFERS, _equal(word, "inquiry_leaf", permitted.inquiry_leaf.hex())),
        (SUBJECT_DIFFERS, _equal(word, "subject_p", permitted.subject_p.hex())),
        (PARTY_DIFFERS, _equal(word, "inquirer", permitted.inquirer)),
        (TIME_DIFFERS, _same_instant(word.requested_at, permitted.requested_at)),
    ):
        if not is_met:
            return reason
    if isinstance(word, Receipt):
        return _receipt_contradiction(word, known)
    if isinstance(word, Delivery):
        first = _told(known, PROVISION)
        if first is not None and first.leaf.hex() != word.provision_leaf:
            return PROVISION_LEAF_DIFFERS
    earlier = _told(known, one.kind)
    return OUTCOME_DIFFERS if earlier is not None and earlier.leaf != one.leaf else None


def _receipt_contradiction(word: Receipt, known: Known) -> str | None:
    """Return why the receipt is of no answer that the permit can have had."""
    permitted = known.permit.permitted
    if word.peer != permitted.provider:
        is_permit = word.answer_leaf == known.permit.leaf.hex()
        return None if is_permit else ANSWER_LEAF_DIFFERS
    answers = {told.leaf.hex() for told in known.told if told.kind in (PROVISION, DELIVERY)}
    provision = _told(known, PROVISION)
    is_complete = provision is not None and (
        provision.outcome != WITHHELD or _told(known, DELIVERY) is not None
    )
    if is_complete and word.answer_leaf not in answers:
        return ANSWER_LEAF_DIFFERS
    return None


def _told(known: Known, kind: str) -> Told | None:
    return next((told for told in known.told if told.kind == kind), None)


def _equal(word: Word, name: str, expected: str) -> bool:
    """Tell whether a member that the word has says what the permit says."""
    value = getattr(word, name, None)
    return value is None or value == expected


def _same_instant(text: str | None, expected: datetime) -> bool:
    return text is None or parse_instant(text) == expected


def _result(found: Known | SekishoError) -> OutcomeResult:
    if isinstance(found, Known):
        return OutcomeResult(
            result=OutcomeTaken(
                permit_id=found.permit.permitted.permit_id, received=int(found.has_receipt)
            )
        )
    return OutcomeResult(problem=item_problem(found))
