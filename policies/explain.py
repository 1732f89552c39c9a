"""For people: why a question is permitted or refused. It explains, it never permits.

The words of a question are the law's own. A class may be one word (市長), a defined word
(共済組合等) or a list as a cell writes it (都道府県知事又は市町村長): what is said of several is
permitted only if it is of each. A word the law has not is nobody: refused, not an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Final, assert_never

import msgspec

from policies.allow_list import AllowList
from policies.citations import CitationError, parse_citation, parse_part
from policies.decision import decide
from policies.difference import diff
from policies.model import (
    Body,
    Citation,
    ClassId,
    Decision,
    Fact,
    Nearest,
    Permit,
    ProcedureId,
    Question,
    Reason,
    Refuse,
    SubjectRole,
)

__all__ = ["QuestionError", "citation_json", "diff", "explain", "explain_lines", "nearest_json"]

LINE_BYTES_MAX: Final = 16 * 1024
CLASSES_MAX: Final = 16
PERMITTED: Final = "permitted"
NARROWED: Final = "narrowed"
MALFORMED: Final = "malformed-question"

_NO_BODIES: Final[Mapping[str, Body]] = MappingProxyType({})
_OR: Final = re.compile(r"、|又は|若しくは|及び|並びに")
_INCLUDED: Final = re.compile(r"[（(][^（）()]*(?:を含む|以下)[^（）()]*[）)]")
_ROLES: Final[Mapping[str, SubjectRole]] = MappingProxyType(
    {
        "本人": SubjectRole.PERSON,
        "世帯員": SubjectRole.HOUSEHOLD,
        "同一の世帯に属する者": SubjectRole.HOUSEHOLD,
        "配偶者": SubjectRole.SPOUSE,
        "父母": SubjectRole.PARENT,
        "子": SubjectRole.CHILD,
        "被扶養者": SubjectRole.DEPENDANT,
        "扶養義務者": SubjectRole.SUPPORTER,
        "遺族": SubjectRole.SURVIVOR,
        "死亡した者": SubjectRole.DECEASED,
    }
)

Part = str | int


class QuestionError(ValueError):
    """The question cannot be read; `reason` is a stable slug."""

    reason = MALFORMED


class Request(Fact, frozen=True, kw_only=True):
    """A question as `POST /v1/decisions:explain` takes it; unknown members are refused."""

    on_date: date
    information: str
    inquirer_class: str | None = None
    inquirer_body: str | None = None
    provider_class: str | None = None
    provider_body: str | None = None
    row: Part | None = None
    article: Part | None = None
    paragraph: Part | None = None
    item: Part | None = None
    sub_item: str | None = None
    procedure: str | None = None
    subject_role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One side of a question: each of these sets of classes has to be permitted."""

    each: tuple[frozenset[ClassId], ...]
    members: tuple[frozenset[ClassId], ...] = ()


def explain(
    law: AllowList, request: Mapping[str, object], *, bodies: Mapping[str, Body] = _NO_BODIES
) -> dict[str, object]:
    """Answer a question of DESIGN §5: decision, reason, basis and nearest; gates are not asked.

    `bodies` are those of the directory by body code. A permit's reason is `permitted`, or
    `narrowed` where the whole term was asked; its `nearest` is what is permitted.

    Raises:
        QuestionError: unknown or missing members, wrong types, a citation that is none.
    """
    asked = _read(request)
    inquirer = _side(law, asked, asked.inquirer_class, asked.inquirer_body, bodies)
    provider = _side(law, asked, asked.provider_class, asked.provider_body, bodies)
    question = Question(
        on_day=asked.on_date,
        inquirer=inquirer.each[0],
        provider=provider.each[0],
        procedure=_place(asked),
        information=asked.information,
        subject_role=_ROLES.get(asked.subject_role or "", asked.subject_role),
        sub_item=_part(asked.sub_item),
    )
    return _answer(law, _decide_each(law, question, inquirer, provider))


def explain_lines(
    law: AllowList, lines: Iterable[bytes], *, bodies: Mapping[str, Body] = _NO_BODIES
) -> Iterator[bytes]:
    """Answer questions written as JSON Lines, one answer a line, in order.

    A line that is no question is refused with the reason `malformed-question`; empty lines are
    passed over.
    """
    for line in lines:
        if line.strip():
            yield msgspec.json.encode(_explain_line(law, line, bodies))


def _explain_line(law: AllowList, line: bytes, bodies: Mapping[str, Body]) -> dict[str, object]:
    nothing: dict[str, object] = {"basis": [], "nearest": []}
    refused = {"decision": "refuse", "reason": MALFORMED} | nothing
    if len(line) > LINE_BYTES_MAX:
        return refused
    try:
        return explain(law, msgspec.json.decode(line, type=dict[str, object]), bodies=bodies)
    except (QuestionError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return refused


def _read(request: Mapping[str, object]) -> Request:
    try:
        asked = msgspec.convert(request, type=Request)
    except msgspec.ValidationError as error:
        raise QuestionError(str(error)) from error
    for side, given in (
        ("inquirer", (asked.inquirer_class, asked.inquirer_body)),
        ("provider", (asked.provider_class, asked.provider_body)),
    ):
        if sum(name is not None for name in given) != 1:
            raise QuestionError(f"name the {side} by class or by body, once")
    cited = (asked.row, asked.article, asked.paragraph, asked.item)
    if (asked.procedure is None) == all(part is None for part in cited):
        raise QuestionError("name a procedure, or cite a row or an article")
    return asked


def _place(asked: Request) -> ProcedureId | Citation:
    if asked.procedure is not None:
        return ProcedureId(asked.procedure)
    stated = Citation(
        row_no=_part(asked.row),
        paragraph=_part(asked.paragraph),
        item=_part(asked.item),
        sub_item=_part(asked.sub_item),
    )
    if not isinstance(asked.article, str) or "条" not in asked.article:
        return replace(stated, article=_part(asked.article))
    return _merged(stated, _whole(asked.article))


def _merged(stated: Citation, written: Citation) -> Citation:
    """Return one citation of a whole one and of parts beside it, which must not contradict it."""
    parts: dict[str, str | None] = {}
    for name in ("row_no", "article", "paragraph", "item", "sub_item"):
        one, other = getattr(stated, name), getattr(written, name)
        if one is not None and other is not None and one != other:
            raise QuestionError("the parts of the citation contradict each other")
        parts[name] = one if one is not None else other
    return Citation(**parts)


def _whole(text: str) -> Citation:
    try:
        return parse_citation(text)
    except CitationError as error:
        raise QuestionError(str(error)) from error


def _part(part: Part | None) -> str | None:
    if part is None or part == "":
        return None
    try:
        return parse_part(str(part))
    except CitationError as error:
        raise QuestionError(str(error)) from error


def _side(
    law: AllowList, asked: Request, name: str | None, body: str | None, bodies: Mapping[str, Body]
) -> _Side:
    if name is None:
        found = bodies.get(body or "")
        held = law.classes.of_body(found, asked.on_date, bodies=bodies) if found else frozenset()
        return _Side(each=(held,))
    whole = _find(law, name)
    if whole is not None:
        return _Side(each=(frozenset({whole}),), members=_members(law, whole))
    words = [word for word in _OR.split(name) if word][:CLASSES_MAX]
    found_words = [_find(law, word) for word in words]
    if not words or None in found_words:
        return _Side(each=(frozenset(),))
    return _Side(each=tuple(frozenset({found}) for found in found_words if found is not None))


def _find(law: AllowList, name: str) -> ClassId | None:
    """Return the class called so, with or without what its definition says in brackets."""
    return law.classes.find(name) or law.classes.find(_INCLUDED.sub("", name))


def _members(law: AllowList, class_id: ClassId) -> tuple[frozenset[ClassId], ...]:
    found = law.classes.by_id[class_id]
    if found.kind != "union":
        return ()
    return tuple(frozenset({ClassId(member.id)}) for member in found.members)


def _decide_each(law: AllowList, question: Question, inquirer: _Side, provider: _Side) -> Decision:
    """Decide for every class named on either side; the first refusal is the answer."""
    first = _decide_all(law, question, inquirer.each, provider.each)
    match first:
        case Refuse(reason=Reason.WRONG_INQUIRER) if inquirer.members:
            # A defined word is permitted where each of those it stands for is.
            again = _decide_all(law, question, inquirer.members, provider.each)
        case Refuse(reason=Reason.WRONG_PROVIDER) if provider.members:
            again = _decide_all(law, question, inquirer.each, provider.members)
        case _:
            return first
    return again if isinstance(again, Permit) else first


def _decide_all(
    law: AllowList,
    question: Question,
    inquirers: Iterable[frozenset[ClassId]],
    providers: tuple[frozenset[ClassId], ...],
) -> Decision:
    answers = [
        decide(law, replace(question, inquirer=inquirer, provider=provider))
        for inquirer in inquirers
        for provider in providers
    ]
    return next((found for found in answers if isinstance(found, Refuse)), answers[0])


def _answer(law: AllowList, decision: Decision) -> dict[str, object]:
    match decision:
        case Permit():
            reason = NARROWED if decision.narrowing else PERMITTED
            return {
                "decision": "permit",
                "reason": reason,
                "basis": [citation_json(law, decision.citation)],
                "nearest": _granted_json(law, decision),
            }
        case Refuse():
            return {
                "decision": "refuse",
                "reason": decision.reason.value,
                "basis": [citation_json(law, found) for found in decision.basis],
                "nearest": [nearest_json(law, found) for found in decision.nearest],
            }
        case _ as never:
            assert_never(never)


def _granted_json(law: AllowList, permit: Permit) -> list[dict[str, object]]:
    near = [
        Nearest(
            citation=permit.citation,
            information=permit.term.ja,
            scope=scope.ja,
            inquirers=tuple(ref.key for ref in grant.inquirers),
            providers=tuple(ref.key for ref in grant.providers),
            procedure=permit.procedure.id,
            from_=max(scope.from_, grant.from_, permit.procedure.from_),
        )
        for grant in permit.grants
        for scope in permit.scopes
    ]
    return [nearest_json(law, found) for found in near]


def citation_json(law: AllowList, citation: Citation) -> dict[str, object]:
    """Return a citation in the words of a question, and as people write it."""
    parts = {
        "row": citation.row_no,
        "article": citation.article,
        "paragraph": citation.paragraph,
        "item": citation.item,
        "sub_item": citation.sub_item,
        "text": law.show(citation),
    }
    return {name: part for name, part in parts.items() if part}


def nearest_json(law: AllowList, found: Nearest) -> dict[str, object]:
    """Return a nearest permitted thing with the law's words for its classes."""
    members: dict[str, object] = {
        "citation": citation_json(law, found.citation),
        "information": found.information,
        "scope": found.scope,
        "inquirer_classes": [law.classes.name(key) for key in found.inquirers],
        "provider_classes": [law.classes.name(key) for key in found.providers],
        "procedure": found.procedure,
        "from": found.from_.isoformat() if found.from_ else "",
        "to": found.to.isoformat() if found.to else "",
        "note": found.note,
    }
    return {name: value for name, value in members.items() if value}
