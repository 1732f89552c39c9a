"""From procedures through the texts to dated facts: procedures, scopes, their citations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from policies.importer.align import Track
from policies.importer.places import FoundProcedure, FoundScope
from policies.importer.review import Limit
from policies.importer.text import IROHA, digest, item_order, short_label
from policies.model import (
    ClassRef,
    Procedure,
    ProcedureCitation,
    ProcedureId,
    Review,
    Scope,
    ScopeCitation,
    ScopeId,
    SubjectRole,
    TermId,
)

PROVISIONAL: Final = "XP"
_DAY: Final = timedelta(days=1)
_KEY_DIGITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of days at one place, with the digest of the text that stands there."""

    from_: date
    to: date | None
    place: tuple[str, ...]
    text_digest: str = ""


@dataclass(frozen=True, slots=True, order=True)
class _ScopeKey:
    """What makes two stretches one scope."""

    label: str
    term: TermId | None
    roles: tuple[SubjectRole, ...]
    state: str
    why: str


def procedure_facts(
    tracks: Iterable[Track], limits: Sequence[Limit]
) -> tuple[tuple[Procedure, ...], tuple[Scope, ...]]:
    """Return the procedures and their scopes as facts."""
    found = list(tracks)
    several = _articles_with_paragraphs(found)
    procedures: list[Procedure] = []
    scopes: list[Scope] = []
    for track in found:
        procedure = _procedure(track, several, limits)
        procedures.append(procedure)
        scopes.extend(_scopes(track, procedure.id))
    return tuple(procedures), tuple(scopes)


def procedure_id(first: FoundProcedure) -> ProcedureId:
    """Return a provisional code: XP, article, paragraph, item as first known, and that day.

    Sixteen characters: XP, article 3 + branch 1, paragraph 1, item 2 + branch 1, day 6 (yymmdd).
    """
    article, article_branch = _number_and_branch(first.paragraph.article)
    item, item_branch = _number_and_branch(first.item)
    day = first.paragraph.from_.strftime("%y%m%d")
    place = f"{article:03d}{article_branch}{first.paragraph.paragraph}{item:02d}{item_branch}"
    return ProcedureId(f"{PROVISIONAL}{place}{day}")


def _number_and_branch(name: str) -> tuple[int, int]:
    number, *branch = item_order(name) or (0,)
    return number, branch[0] if branch else 0


def _articles_with_paragraphs(tracks: Iterable[Track]) -> frozenset[str]:
    return frozenset(
        stretch.paragraph.article
        for track in tracks
        for stretch in track.stretches
        if stretch.paragraph.paragraph != "1"
    )


def _procedure(track: Track, several: frozenset[str], limits: Sequence[Limit]) -> Procedure:
    latest = track.stretches[-1]
    spans = [
        Span(
            from_=stretch.paragraph.from_,
            to=stretch.paragraph.to,
            place=(
                stretch.paragraph.row_no,
                stretch.paragraph.article,
                stretch.paragraph.paragraph if stretch.paragraph.article in several else "",
                stretch.item,
            ),
        )
        for stretch in track.stretches
    ]
    return Procedure(
        id=procedure_id(track.stretches[0]),
        label=short_label(latest.affair),
        from_=track.begins,
        to=track.ends,
        citations=tuple(
            ProcedureCitation(
                row_no=span.place[0],
                article=span.place[1],
                paragraph=span.place[2],
                item=span.place[3],
                from_=span.from_,
                to=span.to,
            )
            for span in joined(spans)
        ),
        inquirer_limit=_limit(latest, limits),
        text_digest=digest(latest.affair),
    )


def _limit(procedure: FoundProcedure, limits: Sequence[Limit]) -> tuple[ClassRef, ...] | None:
    paragraph = procedure.paragraph
    for limit in limits:
        if limit.article == paragraph.article and limit.paragraph in {"", paragraph.paragraph}:
            return tuple(ClassRef(class_id=class_id) for class_id in limit.classes)
    return None


def _scopes(track: Track, procedure: ProcedureId) -> Iterable[Scope]:
    spans: dict[_ScopeKey, list[Span]] = defaultdict(list)
    reviews: dict[_ScopeKey, Review] = {}
    for stretch in track.stretches:
        for scope in stretch.scopes:
            key = _key(scope)
            reviews[key] = scope.review
            spans[key].append(
                Span(
                    from_=stretch.paragraph.from_,
                    to=stretch.paragraph.to,
                    place=(scope.item, scope.sub_item),
                    text_digest=scope.text_digest,
                )
            )
    for key in sorted(spans, key=_shown):
        for at, together in enumerate(_unbroken(spans[key])):
            yield _scope(procedure, key, reviews[key], together, at)


def _scope(
    procedure: ProcedureId, key: _ScopeKey, review: Review, spans: Sequence[Span], at: int
) -> Scope:
    own = digest("|".join(_shown(key)))[:_KEY_DIGITS]
    latest = max(spans, key=lambda span: span.from_)
    return Scope(
        id=ScopeId(f"{procedure}-{own}" + (f"-{at + 1}" if at else "")),
        procedure=procedure,
        ja=key.label,
        term=key.term,
        subject_roles=key.roles,
        from_=min(span.from_ for span in spans),
        to=latest.to,
        citations=tuple(
            ScopeCitation(item=span.place[0], sub_item=span.place[1], from_=span.from_, to=span.to)
            for span in joined(spans)
        ),
        review=review,
        text_digest=latest.text_digest,
    )


def _key(scope: FoundScope) -> _ScopeKey:
    return _ScopeKey(
        label=scope.label,
        term=scope.term,
        roles=scope.roles,
        state=scope.review.state,
        why=scope.review.why,
    )


def _shown(key: _ScopeKey) -> tuple[str, ...]:
    return (key.label, key.term or "", ",".join(key.roles), key.state)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return the spans with neighbours at the same place made one, in order of day and place."""
    by_place: dict[tuple[str, ...], list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda found: (found.from_, _place_order(found))):
        known = by_place[span.place]
        if known and known[-1].to == span.from_ - _DAY:
            known[-1] = Span(from_=known[-1].from_, to=span.to, place=span.place)
        else:
            known.append(span)
    together = [span for known in by_place.values() for span in known]
    return sorted(together, key=lambda found: (found.from_, _place_order(found)))


def _place_order(span: Span) -> tuple[int, ...]:
    """Sort places as the text does: 3 before 10, イ before ロ."""
    order: list[int] = []
    for part in span.place:
        order.extend((IROHA.index(part),) if part and part in IROHA else item_order(part) or (0,))
    return tuple(order)


def _unbroken(spans: Sequence[Span]) -> list[list[Span]]:
    """Return the spans in groups without a day between them; one group is one scope."""
    groups: list[list[Span]] = []
    for span in sorted(spans, key=lambda found: found.from_):
        last = max((known.to for known in groups[-1] if known.to), default=None) if groups else None
        open_ = bool(groups) and any(known.to is None for known in groups[-1])
        if groups and (open_ or (last is not None and span.from_ <= last + _DAY)):
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups
