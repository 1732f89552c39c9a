"""What a provider answers about people: law and switches first, then codes, flags, replica, rules.

All people of one message are looked up together. A held answer is made and thrown away again: only
its digest is kept, and people approve exactly those bytes (PROTOCOL §3 *Held answers*).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, TypeAlias

import structlog

from certs.errors import CertsError
from certs.sealing import unpack_code
from codes.canonical import TOKYO, canonical_json
from codes.errors import CanonicalError, CodesError
from codes.network_code import NetworkCode
from gateway.domain.payload import PAYLOAD_BYTES_MAX
from gateway.domain.replica import ReplicaRecord, matching, payload_of
from gateway.errors import UnavailableError
from gateway.flows.after_restore import NotLookedThroughError, require_looked_through
from gateway.flows.context import Context
from gateway.flows.gate import Gate
from gateway.flows.lawful import (
    LawfulInquiry,
    RefusedByLawError,
    UnknownBodyError,
    decide_statement,
    same_wording,
)
from gateway.flows.presented import Matter, Presented
from gateway.flows.replica_reader import ReplicaReader
from gateway.flows.sealed import Openers, SealedInvalidError
from gateway.flows.vault import Vault
from gateway.records.entry import subject_commitment
from gateway.storage import flags, network_codes
from gateway.storage.flags import Flag
from gateway.storage.network_codes import SubjectRow
from gateway.wire.network import Key, Sealed
from policies.measures import StopSwitch
from policies.release import (
    HoldAnswer,
    RefuseAnswer,
    ReleaseRules,
    Situation,
    evaluate,
)

log = structlog.get_logger()

DRAW_OF: Final = 1_000_000
LAW_CHANGED: Final = "law-changed"
REPLY_KEY: Final = "reply-key"
CODE: Final = "code"


PersonKey: TypeAlias = tuple[bytes, str]
"""A raw network code and the term that is asked about."""


class ReplicaUnreadableError(UnavailableError):
    """What is stored about one person cannot be read, or fits no answer."""

    problem = "replica-unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom a permit is about, as this gateway knows them."""

    subject: bytes = field(repr=False)
    unified_number: str = field(repr=False)
    flags: tuple[Flag, ...] = field(repr=False)
    records: tuple[ReplicaRecord, ...] = field(repr=False)
    is_readable: bool = True
    """Whether all that is stored about this person could be read."""

    @property
    def is_not_disclosed(self) -> bool:
        """Whether the record of this exchange is not to be disclosed (法23②)."""
        return any(flag.kind == "record-not-disclosed" for flag in self.flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Nothing is provided, for a reason that has nothing to do with the person."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoInformation:
    """There is nothing of what was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provides:
    """What goes out, as the bytes that are committed to and sealed."""

    payload: bytes = field(repr=False)


Content: TypeAlias = NoInformation | Provides


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The answer waits for people."""

    hold: HoldAnswer
    content: Content


Verdict: TypeAlias = Denied | NoInformation | Provides | Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One permit that the law allows, and the code it is about."""

    matter: Matter
    code: NetworkCode
    salt: bytes = field(repr=False)

    @property
    def key(self) -> PersonKey:
        """Return what the person is looked up by."""
        return self.code.raw, self.matter.permit.information.term


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One permit with its verdict and whom it is about, as far as that was looked up."""

    matter: Matter
    verdict: Verdict
    case: Case | None = None
    person: Person | None = None


class Answering:
    """Decides about permits; writes nothing and sends nothing."""

    def __init__(self, context: Context, replicas: ReplicaReader, rules: ReleaseRules) -> None:
        self._context = context
        self._replicas = replicas
        self.rules: Final = rules

    async def decide(
        self, presented: Sequence[Presented], gate: Gate[StopSwitch], now: datetime
    ) -> list[Decided | UnavailableError]:
        """Return the verdict on every permit, in order; all people are looked up in one go.

        What cannot be said about one person now is no verdict, and holds up nobody else's.
        """
        try:
            require_looked_through(gate)
        except NotLookedThroughError as error:
            return [error] * len(presented)
        openers: dict[str, Openers] = {}
        cases = [self._case(one, gate, now, openers) for one in presented]
        people = await self.people([case for case in cases if isinstance(case, Case)])
        return [
            Decided(matter=one.matter, verdict=case)
            if isinstance(case, Denied)
            else self._verdict_or_not(case, people.get(case.key), now)
            for one, case in zip(presented, cases, strict=True)
        ]

    def _verdict_or_not(
        self, case: Case, person: Person | None, now: datetime
    ) -> Decided | UnavailableError:
        try:
            return self.verdict(case, person, now)
        except UnavailableError as error:
            return error

    def verdict(self, case: Case, person: Person | None, now: datetime) -> Decided:
        """Return the verdict on one permit about this person, whoever asks for it and why."""
        if person is None:
            return Decided(matter=case.matter, verdict=NoInformation(), case=case)
        verdict: Verdict
        match self._release(case, person, now):
            case RefuseAnswer(reason=reason):
                verdict = Denied(reason=reason.value)
            case HoldAnswer() as hold:
                verdict = Held(hold=hold, content=self.content(case, person))
            case _:
                verdict = self.content(case, person)
        return Decided(matter=case.matter, verdict=verdict, case=case, person=person)

    def content(self, case: Case, person: Person) -> Content:
        """Return what of the replica the permit is about, cut to what was asked and allowed.

        Raises `ReplicaUnreadableError`, also for what no answer can carry.
        """
        if not person.is_readable:
            raise ReplicaUnreadableError("replica: cannot be read")
        information = case.matter.permit.information
        payload = payload_of(
            matching(person.records, case.matter.permit.condition),
            information.items,
            term=information.term,
            scope=information.scope,
        )
        if payload is None:
            return NoInformation()
        try:
            return Provides(payload=canonical_json(payload, bytes_max=PAYLOAD_BYTES_MAX))
        except CanonicalError as error:
            log.error("answer_unfit", information=information.term, reason=error.reason)  # noqa: TRY400 - a stack could hold what was read
            raise ReplicaUnreadableError("replica: fits no answer") from None

    async def people(self, cases: Sequence[Case]) -> dict[PersonKey, Person]:
        """Return whom these permits are about, by raw network code and term."""
        if not cases:
            return {}
        vault = self._context.vault
        stored = {case.key: vault.stored_code(case.code) for case in cases}
        async with self._context.database.read() as connection:
            rows = await network_codes.subjects_of(connection, list(set(stored.values())))
            subjects = [row.subject for row in rows.values()]
            flagged = await flags.flags_for(connection, subjects)
            wanted = {
                key: (rows[code].subject, key[1]) for key, code in stored.items() if code in rows
            }
            records = await self._replicas.read(connection, list(set(wanted.values())))
        return {
            key: Person(
                subject=subject,
                unified_number=_number(vault, rows[stored[key]]),
                flags=tuple(flagged.get(subject, ())),
                records=tuple(records.get((subject, term), ()) or ()),
                is_readable=records.get((subject, term), ()) is not None,
            )
            for key, (subject, term) in wanted.items()
        }

    def lawful(
        self, matter: Matter, gate: Gate[StopSwitch], now: datetime, *, on_day: date | None = None
    ) -> LawfulInquiry | None:
        """Return the matter as this gateway reads the law, or None where that reads otherwise.

        The law is that of the day of the request, unless another is asked for. Raises
        `RefusedByLawError`, `UnknownBodyError` and `NotLookedThroughError`.
        """
        require_looked_through(gate)
        trust = self._context.trust
        law_day = on_day or date.fromisoformat(matter.permit.law_day)
        lawful = decide_statement(
            trust.directory,
            trust.law,
            matter.inquiry,
            law_day=law_day,
            switches=gate.switches,
            now=now,
        )
        if (lawful.inquirer, lawful.provider) != (matter.inquirer, trust.organisation):
            return None
        if on_day is None and not same_wording(matter.inquiry, lawful):
            return None
        return lawful

    def _case(
        self,
        presented: Presented,
        gate: Gate[StopSwitch],
        now: datetime,
        openers: dict[str, Openers],
    ) -> Case | Denied:
        """Return the permit as this gateway reads the law, opened; the same path for everyone."""
        matter = presented.matter
        try:
            if self.lawful(matter, gate, now) is None:
                return Denied(reason=LAW_CHANGED)
            directory = self._context.trust.directory
            directory.sealing_key(matter.inquirer, matter.inquiry.reply_key, at=now)
        except RefusedByLawError as refused:
            return Denied(reason=refused.reason)
        except UnknownBodyError as unknown:
            return Denied(reason=unknown.problem)
        except CertsError:
            return Denied(reason=REPLY_KEY)
        try:
            code, salt = self._open_code(presented, openers)
        except (SealedInvalidError, CertsError, CodesError):
            return Denied(reason=CODE)
        return Case(matter=matter, code=code, salt=salt)

    def _open_code(
        self, presented: Presented, openers: dict[str, Openers]
    ) -> tuple[NetworkCode, bytes]:
        """Return our own code for the person, and the salt that opens `subject_p`."""
        token = presented.token
        opener = openers.get(token.jti)
        if opener is None:
            opener = openers[token.jti] = Openers(
                self._context.trust,
                [
                    Key(
                        message_id=key.message_id,
                        sender=key.sender,
                        key_id=key.key_id,
                        enc=key.enc,
                    )
                    for key in token.keys
                ],
                sender=self._context.trust.core,
                purpose="code-in-permit",
            )
        sealed = presented.matter.permit.code
        packed = opener.open(
            Sealed(key=sealed.key, n=sealed.n, ct=sealed.ct),
            binding=presented.matter.leaf,
            permit_id=presented.matter.permit_id,
        )
        salt, raw = unpack_code(packed)
        if subject_commitment(salt, raw).hex() != presented.matter.permit.subject_p:
            raise SealedInvalidError("permit: about another person", reason="other-person")
        return NetworkCode(raw), salt

    def _release(
        self, case: Case, person: Person, now: datetime
    ) -> RefuseAnswer | HoldAnswer | object:
        permit = case.matter.permit
        local = now.astimezone(TOKYO)
        return evaluate(
            self.rules,
            Situation(
                day=local.date(),
                hour=local.hour,
                flags=flags.kinds_of(
                    person.flags, term=permit.information.term, items=permit.information.items
                ),
                information=information_names(permit.information.term, permit.information.scope),
                procedure=permit.procedure,
                counterparty=case.matter.inquirer,
                draw=secrets.randbelow(DRAW_OF),
            ),
        )


def information_names(term: str, scope: str) -> frozenset[str]:
    """Return the term and the scopes of an inquiry, as rules and switches may name them."""
    return frozenset({term, *scope.split("+")})


def _number(vault: Vault, row: SubjectRow) -> str:
    place = row.subject.hex()
    raw = vault.open(network_codes.TABLE, network_codes.NUMBER, row.key_year, place, row.number_box)
    return raw.decode("ascii")
