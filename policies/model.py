"""The words of the allow list: dated facts of the law, questions put to them, and answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Literal, NewType, TypeAlias

import msgspec

ClassId = NewType("ClassId", str)
TermId = NewType("TermId", str)
ProcedureId = NewType("ProcedureId", str)
ScopeId = NewType("ScopeId", str)

LEGAL_BASIS_TABLE: Final = "act19-8"
LEGAL_BASIS_ORDINANCE: Final = "act19-9"


class Reason(StrEnum):
    """Why something is refused: stable slugs, kept for ever."""

    NO_SUCH_PROCEDURE = "no-such-procedure"
    PROCEDURE_NOT_IN_FORCE = "procedure-not-in-force"
    WRONG_INQUIRER = "wrong-inquirer"
    WRONG_PROVIDER = "wrong-provider"
    INFORMATION_NOT_IN_ROW = "information-not-in-row"
    INFORMATION_NOT_IN_PROCEDURE = "information-not-in-procedure"
    SUBJECT_ROLE_NOT_IN_PROCEDURE = "subject-role-not-in-procedure"
    NOT_YET_IN_FORCE = "not-yet-in-force"
    NO_LONGER_IN_FORCE = "no-longer-in-force"
    ROW_DELETED = "row-deleted"
    OPEN_CLASS_WITHOUT_MEMBER = "open-class-without-member"
    NOT_REVIEWED = "not-reviewed"
    NO_LAW_FOR_THAT_DAY = "no-law-for-that-day"
    GROUND_NOT_LOADED = "ground-not-loaded"
    ASSESSMENT_UNPUBLISHED = "assessment-unpublished"
    CONSENT_MISSING = "consent-missing"
    STOPPED = "stopped"
    AMBIGUOUS_CITATION = "ambiguous-citation"


class SubjectRole(StrEnum):
    """Whose information a scope speaks of, seen from the procedure."""

    PERSON = "person"
    HOUSEHOLD = "household"
    SPOUSE = "spouse"
    PARENT = "parent"
    CHILD = "child"
    DEPENDANT = "dependant"
    SUPPORTER = "supporter"
    SURVIVOR = "survivor"
    DECEASED = "deceased"
    OTHER = "other"


class Fact(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A stored fact of the law: frozen, compared by value, unknown fields refused when read."""


class Dated(Fact, frozen=True, kw_only=True):
    """A fact with its first and its last day (Asia/Tokyo); no last day means still in force."""

    from_: date = msgspec.field(name="from")
    to: date | None = None

    def holds_on(self, day: date) -> bool:
        """Tell whether the fact is in force on that day, both ends included."""
        return self.from_ <= day and (self.to is None or day <= self.to)


class LawText(Fact, frozen=True, kw_only=True):
    """One consolidated text that facts were read from."""

    id: str
    effective_from: date
    legal_basis: str = LEGAL_BASIS_TABLE
    digest: str = ""


class Member(Fact, frozen=True, kw_only=True):
    """One listed member of a class, with evidence: a class id; in open classes also a body code."""

    id: str
    evidence: str = ""


class OrganClass(Fact, frozen=True, kw_only=True):
    """A class of bodies as the law names it.

    closed     a kind of body; `members` lists kinds wholly inside it (市長 in 市町村長)
    named      one body by name (広島市長); `base` is the class it always belongs to
    union      a defined word; exactly its `members` (共済組合等)
    qualified  `base` plus the stated fact `qualifier` (保健所を設置する市の長)
    open       「…行うこととされている者」: only `members`, each with evidence; empty means refused
    """

    id: ClassId
    ja: str
    kind: Literal["closed", "named", "union", "qualified", "open"]
    members: tuple[Member, ...] = ()
    base: ClassId | None = None
    qualifier: str = ""
    defined_in: str = ""
    aliases: tuple[str, ...] = ()


class ClassRef(Fact, frozen=True, kw_only=True):
    """A class as one cell or procedure names it, with a further stated fact if it asks one."""

    class_id: ClassId
    qualifier: str = ""

    @property
    def key(self) -> ClassId:
        """Return the id a body must hold: the class, or class and stated fact together."""
        return ClassId(f"{self.class_id}+{self.qualifier}") if self.qualifier else self.class_id


class BodyClass(Dated, frozen=True, kw_only=True):
    """A class that a body holds for a time, with the stated fact it rests on."""

    class_id: ClassId
    fact: str


class Body(Fact, frozen=True, kw_only=True):
    """What the law addresses (機関): one of the several bodies of an organisation."""

    body_code: str
    organisation: str
    name: str
    classes: tuple[BodyClass, ...] = ()
    delegated_by: str | None = None


class Term(Fact, frozen=True, kw_only=True):
    """The information a row of the table names (地方税関係情報)."""

    id: TermId
    ja: str
    defined_in: str = ""
    aliases: tuple[str, ...] = ()


class Review(Fact, frozen=True, kw_only=True):
    """How far a fact may be trusted; what is unsure is refused."""

    state: Literal["sure", "reviewed", "unsure"]
    who: str = ""
    when: date | None = None
    why: str = ""


SURE: Final = Review(state="sure")
UNSURE: Final = Review(state="unsure")


def _share(fact: Fact, name: str, default: Fact) -> None:
    """Share a default, so that equal facts are written in one way (msgspec asks `is`)."""
    if getattr(fact, name) == default:
        msgspec.structs.force_setattr(fact, name, default)


class Phrase(Fact, frozen=True, kw_only=True):
    """One wording of the procedure articles and the term it belongs to.

    `means` names the scope label it is another wording of. A phrase gives no right to anything;
    it only lets a refusal say in which term the asked information lies (道府県民税に関する情報).
    A wording that joins several has the labels it joins as `parts`: it asks for all of them.
    """

    ja: str
    term: TermId
    means: str = ""
    parts: tuple[str, ...] = ()
    review: Review = SURE

    def __post_init__(self) -> None:
        _share(self, "review", SURE)


class Grant(Dated, frozen=True, kw_only=True):
    """One cell of the table: these inquirers may have these terms from these providers."""

    id: str
    row_no: str
    cell: str
    inquirers: tuple[ClassRef, ...]
    providers: tuple[ClassRef, ...]
    terms: tuple[TermId, ...]
    text_digest: str
    review: Review = SURE

    def __post_init__(self) -> None:
        _share(self, "review", SURE)


class DeletedRow(Fact, frozen=True, kw_only=True):
    """A row that reads 「削除」 from this day on."""

    row_no: str
    from_: date = msgspec.field(name="from")


class ProcedureCitation(Dated, frozen=True, kw_only=True):
    """Where a procedure stands for a time; parts that the text does not have are empty."""

    row_no: str
    article: str
    paragraph: str = ""
    item: str = ""


class Consent(Fact, frozen=True, kw_only=True):
    """Whether a procedure may ask for 地方税関係情報 only with consent (平成29年告示第1号)."""

    state: Literal["unknown", "required", "not-required"]
    ground: str = ""


CONSENT_UNKNOWN: Final = Consent(state="unknown")


class Procedure(Dated, frozen=True, kw_only=True):
    """One procedure (事務手続), under one id however its number moves."""

    id: ProcedureId
    label: str
    citations: tuple[ProcedureCitation, ...]
    inquirer_limit: tuple[ClassRef, ...] | None = None
    consent: Consent = CONSENT_UNKNOWN
    text_digest: str = ""

    def __post_init__(self) -> None:
        _share(self, "consent", CONSENT_UNKNOWN)


class ScopeCitation(Dated, frozen=True, kw_only=True):
    """Where a scope stands in its procedure; `item` only where the items are information."""

    item: str = ""
    sub_item: str = ""


class Scope(Dated, frozen=True, kw_only=True):
    """What of a term one procedure may have, and whose; without a term only while unsure."""

    id: ScopeId
    procedure: ProcedureId
    ja: str
    term: TermId | None = None
    subject_roles: tuple[SubjectRole, ...] = ()
    items: tuple[str, ...] | None = None
    citations: tuple[ScopeCitation, ...] = ()
    review: Review = UNSURE
    text_digest: str = ""

    def __post_init__(self) -> None:
        _share(self, "review", UNSURE)


class Superseded(Fact, frozen=True, kw_only=True):
    """A cell of the old 別表第二: serves to say "allowed until", never as a basis."""

    id: str
    row_no: str
    inquirers: tuple[ClassRef, ...]
    providers: tuple[ClassRef, ...]
    information: tuple[str, ...]
    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A place in the law as one names it; None: part left out, "": the text has no such part."""

    row_no: str | None = None
    article: str | None = None
    paragraph: str | None = None
    item: str | None = None
    sub_item: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May these classes ask those for this, in this procedure, on this day (Asia/Tokyo)?

    `information` is a term id, a scope id or the Japanese name of either. No `items` means all.
    `sub_item` narrows a question asked by procedure id; a citation carries its own.
    """

    on_day: date
    inquirer: frozenset[ClassId]
    provider: frozenset[ClassId]
    procedure: ProcedureId | Citation
    information: str
    items: tuple[str, ...] = ()
    subject_role: str | None = None
    sub_item: str | None = None
    legal_basis: str = LEGAL_BASIS_TABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """What was asked for and the less that is granted."""

    asked: str
    granted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The nearest permitted thing, or with a `note` only what used to be.

    `information` is the row's term, `scope` what the procedure narrows it to.
    """

    citation: Citation
    information: str
    inquirers: tuple[ClassId, ...]
    providers: tuple[ClassId, ...]
    procedure: ProcedureId | None = None
    scope: str = ""
    from_: date | None = None
    to: date | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The table allows it: under this procedure, as cited that day, for these scopes and items.

    `items` are those asked for, or all that are known of the scopes; `scopes` are in the
    order of the text.
    """

    procedure: Procedure
    citation: Citation
    scopes: tuple[Scope, ...]
    term: Term
    items: tuple[str, ...]
    grants: tuple[Grant, ...]
    consent: Consent
    narrowing: Narrowing | None = None

    @property
    def scope(self) -> Scope:
        """Return the scope that stands first in the text."""
        return self.scopes[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The table, or a gate beside it, does not allow it: why, where, and what comes nearest."""

    reason: Reason
    basis: tuple[Citation, ...] = ()
    nearest: tuple[Nearest, ...] = ()


Decision: TypeAlias = Permit | Refuse
