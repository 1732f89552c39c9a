"""The procedures of one paragraph, each with the scopes it asks, as of one stretch of days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from policies.importer.articles import ItemText, ParagraphText
from policies.importer.people import roles_of
from policies.importer.report import Findings, Kind
from policies.importer.review import Reviewed
from policies.importer.rows import Rows
from policies.importer.splitting import Splitter
from policies.importer.terms import TermFinder
from policies.importer.text import digest, strip_brackets
from policies.importer.wording import Reference, Wording, read_information
from policies.model import Review, SubjectRole, TermId

_REFERENCES_MAX: Final = 4
_UNREAD: Final = "未読の情報"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One wording asked at a place (item only where items are information) and whose it is."""

    item: str
    sub_item: str
    subject: str
    phrase: str
    text_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundScope:
    """A scope as one stretch of days has it."""

    item: str
    sub_item: str
    label: str
    term: TermId | None
    roles: tuple[SubjectRole, ...]
    review: Review
    text_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProcedure:
    """A procedure as one stretch of days has it."""

    paragraph: ParagraphText
    item: str
    affair: str
    scopes: tuple[FoundScope, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReader:
    """Reads paragraphs into procedures and scopes."""

    reviewed: Reviewed
    rows: Rows
    splitter: Splitter
    findings: Findings

    def read(self, paragraph: ParagraphText) -> tuple[FoundProcedure, ...]:
        """Return the procedures of the paragraph; what is not understood is an unsure scope."""
        if paragraph.affair:
            asked = list(self._of_single(paragraph))
            return (self._procedure(paragraph, "", paragraph.affair, asked),)
        listed: dict[str, list[Asked]] = {}
        affairs: dict[str, str] = {}
        for item in paragraph.items:
            split = self.splitter.split(
                item.text, row_no=paragraph.row_no, place=_place(paragraph, item)
            )
            affairs[item.item] = split.affair if split else strip_brackets(item.text)
            wordings = split.wordings if split else None
            information = split.information if split else item.text
            asked_item = ItemText(item=item.item, text=information, subs=item.subs)
            listed[item.item] = self._of_item(paragraph, asked_item, wordings, listed)
        return tuple(
            self._procedure(paragraph, item.item, affairs[item.item], listed[item.item])
            for item in paragraph.items
        )

    def _of_item(
        self,
        paragraph: ParagraphText,
        item: ItemText,
        wordings: tuple[Wording, ...] | None,
        earlier: dict[str, list[Asked]],
    ) -> list[Asked]:
        place = _place(paragraph, item)
        if wordings is None:
            self.findings.add(Kind.PHRASE, place, "information of the item")
            return [_unread(item="", sub_item="", text=item.text)]
        asked: list[Asked] = []
        for wording in wordings:
            if wording.reference is not None:
                asked.extend(self._referred(wording, wording.reference, item, earlier, place))
            elif wording.is_header:
                for sub_item, text in item.subs:
                    where = f"{place}{sub_item}"
                    asked.extend(
                        replace(found, sub_item=sub_item)
                        for found in self._read(text, wording.subject, paragraph, where)
                    )
            else:
                asked.append(_asked(wording, wording.subject, item.text))
        return asked

    def _of_single(self, paragraph: ParagraphText) -> Iterator[Asked]:
        """Read an article with one procedure: its items are information."""
        place = paragraph.place
        head = read_information(paragraph.information, self.reviewed, row_no=paragraph.row_no)
        if head is None and paragraph.article not in self.reviewed.unsure:
            self.findings.add(Kind.PHRASE, place, "information of the article")
        for wording in head or (Wording(subject=""),):
            if not wording.is_header:
                yield _asked(wording, wording.subject, paragraph.information)
                continue
            for item in paragraph.items:
                where = _place(paragraph, item)
                for found in self._read(item.text, wording.subject, paragraph, where):
                    yield replace(found, item=item.item)
        if not paragraph.items and head is None:
            yield _unread(item="", sub_item="", text=paragraph.information)

    def _read(
        self, text: str, subject: str, paragraph: ParagraphText, place: str
    ) -> Iterator[Asked]:
        """Read the text of a sub-item (or of an item that is information)."""
        wordings = read_information(text, self.reviewed, row_no=paragraph.row_no)
        if wordings is None or any(not each.phrase for each in wordings):
            self.findings.add(Kind.PHRASE, place, strip_brackets(text))
            yield _unread(item="", sub_item="", text=text)
            return
        for each in wordings:
            yield _asked(each, each.subject or subject, text)

    def _referred(
        self,
        wording: Wording,
        reference: Reference,
        item: ItemText,
        earlier: dict[str, list[Asked]],
        place: str,
    ) -> Iterator[Asked]:
        """Take over what another item asks, as it reads on these days."""
        names = list(earlier)
        target = reference.item or (names[-1] if names else "")
        there = earlier.get(target)
        wanted = [
            found for found in there or () if not reference.subs or found.sub_item in reference.subs
        ]
        missing = set(reference.subs) - {found.sub_item for found in wanted}
        if there is None or missing or not wanted:
            self.findings.add(Kind.REFERENCE, place, f"第{target}号{''.join(sorted(missing))}")
            yield _unread(item="", sub_item="", text=item.text)
            return
        for found in wanted:
            yield replace(
                found,
                sub_item="",
                subject=wording.subject or found.subject,
                text_digest=digest(item.text),
            )

    def _procedure(
        self, paragraph: ParagraphText, item: str, affair: str, asked: Sequence[Asked]
    ) -> FoundProcedure:
        place = f"{paragraph.place} 第{item}号" if item else paragraph.place
        finder = TermFinder(reviewed=self.reviewed, findings=self.findings)
        keys = self.rows.terms_on(paragraph.row_no, paragraph.from_)
        scopes: list[FoundScope] = []
        for each in asked:
            scopes.extend(
                self._scopes(
                    each, finder, keys=keys, paragraph=paragraph, affair=affair, place=place
                )
            )
        return FoundProcedure(
            paragraph=paragraph, item=item, affair=affair, scopes=tuple(dict.fromkeys(scopes))
        )

    def _scopes(
        self,
        asked: Asked,
        finder: TermFinder,
        *,
        keys: frozenset[str],
        paragraph: ParagraphText,
        affair: str,
        place: str,
    ) -> Iterable[FoundScope]:
        where = f"{place}{asked.sub_item}"
        elsewhere = self.reviewed.unsure.get(paragraph.article)
        if elsewhere is not None:
            self.findings.add(Kind.DETERMINED_ELSEWHERE, where, elsewhere)
        for meant in finder.find(
            asked.phrase, row_no=paragraph.row_no, keys=keys, affair=affair, place=where
        ):
            review = meant.review
            if elsewhere is not None:
                review = Review(state="unsure", why=elsewhere)
            yield FoundScope(
                item=asked.item,
                sub_item=asked.sub_item,
                label=meant.label,
                term=meant.term,
                roles=roles_of(asked.subject, self.reviewed.roles),
                review=review,
                text_digest=asked.text_digest,
            )


def _asked(wording: Wording, subject: str, text: str) -> Asked:
    return Asked(
        item="", sub_item="", subject=subject, phrase=wording.phrase, text_digest=digest(text)
    )


def _unread(*, item: str, sub_item: str, text: str) -> Asked:
    return Asked(item=item, sub_item=sub_item, subject="", phrase=_UNREAD, text_digest=digest(text))


def _place(paragraph: ParagraphText, item: ItemText) -> str:
    return f"{paragraph.place} 第{item.item}号"
