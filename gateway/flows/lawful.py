"""May this be asked: the one question that inquirer, core and provider put to the same signed data.

The inquirer asks it of an order, the core and the provider of a statement; the answer's wording
(procedure, citation, scope, items) goes into the inquiry, and whoever checks it later must come to
the same words or refuse (PROTOCOL §3, LAW).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Protocol

from certs.errors import DirectoryError
from codes.errors import CodesError
from codes.tables import shipped
from gateway.errors import NotFoundError, RefusedError
from gateway.flows.context import Context
from gateway.records.kinds import Inquiry
from policies.allow_list import AllowList
from policies.citations import show_citation
from policies.decision import decide
from policies.gates import ConsentStatement, Parties, check_gates
from policies.measures import StopSwitch
from policies.model import (
    Citation,
    ClassId,
    Permit,
    ProcedureId,
    Question,
    Refuse,
)

SCOPES_JOINED_BY: Final = "+"
"""Scope ids never hold it; an inquiry that meets several scopes names them all."""
_AFFAIR_DIGITS: Final = 13
WORDINGS_MAX: Final = 4096
NO_CONSENT: Final = ConsentStatement()


class Bodies(Protocol):
    """Whose bodies there are and which classes they hold: a directory, or what is kept of one."""

    @property
    def digest(self) -> str:
        """Return what names these bodies and the allow list beside them, and nothing else."""
        ...

    def organisation_of(self, body_code: str) -> str:
        """Return the name of the organisation that has a body, or raise `DirectoryError`."""
        ...

    def classes_of(self, body_code: str, day: date) -> frozenset[str]:
        """Return the classes a body holds on a law day, or raise `DirectoryError`."""
        ...


class UnknownBodyError(NotFoundError):
    """A body that no organisation of the directory has."""

    problem = "unknown-body"


class RefusedByLawError(RefusedError):
    """The table, or a gate beside it, does not allow it: why, where, and what comes nearest."""

    problem = "refused"

    def __init__(self, refuse: Refuse, law_day: date) -> None:
        super().__init__(
            reason=refuse.reason.value,
            members={
                "basis": [show_citation(citation) for citation in refuse.basis],
                "nearest": [
                    {
                        "citation": show_citation(near.citation),
                        "information": near.information,
                        "note": near.note,
                    }
                    for near in refuse.nearest
                ],
            },
        )
        self.refuse = refuse
        self.law_day = law_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to know of a person, in which procedure, from whom."""

    inquirer_body: str
    provider_body: str
    procedure: ProcedureId | Citation
    information: str
    subject_role: str
    legal_basis: str
    items: tuple[str, ...] = ()
    sub_item: str | None = None
    consent: ConsentStatement = NO_CONSENT

    def as_json(self) -> dict[str, object]:
        """Return the question as the private part of a refusal keeps it."""
        procedure = self.procedure
        members: dict[str, object] = {
            "procedure": show_citation(procedure) if isinstance(procedure, Citation) else procedure,
            "information": self.information,
            "items": list(self.items),
            "subject_role": self.subject_role,
        }
        if self.sub_item is not None:
            members["sub_item"] = self.sub_item
        return members


@dataclass(frozen=True, slots=True, kw_only=True)
class LawfulInquiry:
    """A question that the law allows on this day, in the words that go into the entry."""

    inquirer: str
    inquirer_body: str
    provider: str
    provider_body: str
    permit: Permit
    affair: str
    citation: str
    scope: str
    subject_role: str
    law_day: date
    law_version: str
    legal_basis: str
    consent: dict[str, str]


async def decide_asked(context: Context, asked: Asked, now: datetime) -> LawfulInquiry:
    """Return the lawful wording of an order of our own back office, or raise.

    Raises:
        UnknownBodyError: one of the bodies is nobody's, or the inquirer's is not ours.
        RefusedByLawError: the law, or a gate beside it, does not allow it.
    """
    trust = context.trust
    gate = await context.gate.current()
    lawful = decide_lawfully(
        trust.directory,
        trust.law,
        asked,
        law_day=trust.law_day(now),
        switches=gate.switches,
        now=now,
    )
    if lawful.inquirer != trust.organisation:
        raise UnknownBodyError("inquiry: not a body of this organisation")
    return lawful


def decide_statement(
    directory: Bodies,
    law: AllowList,
    inquiry: Inquiry,
    *,
    law_day: date,
    switches: Iterable[StopSwitch],
    now: datetime,
) -> LawfulInquiry:
    """Return the lawful wording of a received inquiry as this party reads the law; raises as above.

    The caller compares it with the statement (`same_wording`).
    """
    return decide_lawfully(
        directory, law, asked_by(inquiry), law_day=law_day, switches=switches, now=now
    )


def asked_by(inquiry: Inquiry) -> Asked:
    """Return the question that an inquiry's entry puts."""
    consent, information = inquiry.consent, inquiry.information
    return Asked(
        inquirer_body=inquiry.inquirer_body,
        provider_body=inquiry.provider_body,
        procedure=ProcedureId(inquiry.procedure),
        # The one scope, or the term that several belong to.
        information=(
            information.term if SCOPES_JOINED_BY in information.scope else information.scope
        ),
        subject_role=inquiry.subject_role,
        legal_basis=inquiry.legal_basis,
        items=information.items,
        consent=ConsentStatement(
            ground=consent.ground or "",
            consented_on=date.fromisoformat(consent.date) if consent.date else None,
        ),
    )


def decide_lawfully(
    directory: Bodies,
    law: AllowList,
    asked: Asked,
    *,
    law_day: date,
    switches: Iterable[StopSwitch],
    now: datetime,
) -> LawfulInquiry:
    """Return the lawful wording of a question, or raise `UnknownBodyError`, `RefusedByLawError`."""
    key = (directory.digest, asked, law_day)
    known = _WORDINGS.get(key)
    if known is None:
        known = _word(directory, law, asked, law_day)
        if len(_WORDINGS) >= WORDINGS_MAX:
            _WORDINGS.clear()
        _WORDINGS[key] = known
    parties = Parties(
        inquirer=known.inquirer,
        inquirer_body=asked.inquirer_body,
        provider=known.provider,
        provider_body=asked.provider_body,
        consent=asked.consent,
    )
    closed = check_gates(law, known.permit, parties, switches, now)
    if closed is not None:
        raise RefusedByLawError(closed, law_day)
    return known


# The table is pure: the same question of the same signed data (the directory's digest names the
# allow list too) has the same answer. Gates depend on the moment and are asked every time.
_WORDINGS: Final[dict[tuple[str, Asked, date], LawfulInquiry]] = {}


def _word(directory: Bodies, law: AllowList, asked: Asked, law_day: date) -> LawfulInquiry:
    inquirer = _organisation_of(directory, asked.inquirer_body)
    provider = _organisation_of(directory, asked.provider_body)
    decision = decide(
        law,
        Question(
            on_day=law_day,
            inquirer=_classes(directory, asked.inquirer_body, law_day),
            provider=_classes(directory, asked.provider_body, law_day),
            procedure=asked.procedure,
            information=asked.information,
            items=asked.items,
            subject_role=asked.subject_role,
            sub_item=asked.sub_item,
            legal_basis=asked.legal_basis,
        ),
    )
    if isinstance(decision, Refuse):
        raise RefusedByLawError(decision, law_day)
    return _wording(asked, decision, inquirer=inquirer, provider=provider, law=law, law_day=law_day)


def same_wording(inquiry: Inquiry, lawful: LawfulInquiry) -> bool:
    """Tell whether a statement says what this party reads in the law of the same day."""
    return (
        inquiry.citation == lawful.citation
        and inquiry.law_version == lawful.law_version
        and inquiry.law_day == lawful.law_day.isoformat()
        and inquiry.affair == lawful.affair
        and inquiry.information.term == lawful.permit.term.id
        and inquiry.information.scope == lawful.scope
        and inquiry.information.items == lawful.permit.items
    )


def _wording(
    asked: Asked,
    permit: Permit,
    *,
    inquirer: str,
    provider: str,
    law: AllowList,
    law_day: date,
) -> LawfulInquiry:
    consent: dict[str, str] = {"state": permit.consent.state}
    ground = asked.consent.ground or permit.consent.ground
    if ground:
        consent["ground"] = ground
    if asked.consent.consented_on is not None:
        consent["date"] = asked.consent.consented_on.isoformat()
    return LawfulInquiry(
        inquirer=inquirer,
        inquirer_body=asked.inquirer_body,
        provider=provider,
        provider_body=asked.provider_body,
        permit=permit,
        affair=_affair(permit, law_day),
        citation=show_citation(permit.citation),
        scope=SCOPES_JOINED_BY.join(scope.id for scope in permit.scopes),
        subject_role=asked.subject_role,
        law_day=law_day,
        law_version=law.law_version,
        legal_basis=asked.legal_basis,
        consent=consent,
    )


def _organisation_of(directory: Bodies, body_code: str) -> str:
    try:
        return directory.organisation_of(body_code)
    except DirectoryError:
        raise UnknownBodyError("body: nobody's") from None


def _classes(directory: Bodies, body_code: str, law_day: date) -> frozenset[ClassId]:
    return frozenset(ClassId(name) for name in directory.classes_of(body_code, law_day))


def _affair(permit: Permit, law_day: date) -> str:
    """Return the affair's code: the row of the table, as the code table writes it."""
    row_no = permit.citation.row_no or ""
    code = f"XJM{row_no:0>{_AFFAIR_DIGITS}}"
    try:
        return shipped().affairs.find(code, law_day).code
    except CodesError:
        return f"{row_no}の項"
