"""What a procedure article says on one day: its opening, its items, their sub-items."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from policies.citations import number
from policies.importer.report import Findings, Kind
from policies.importer.source import ProcedureLine
from policies.importer.text import IROHA, item_order

_ROW: Final = re.compile(r"(?:前条|第二条)の表の?([一二三四五六七八九十百の]+)の項")
_LISTED: Final = re.compile(r"(?:次の各号|次)に掲げる事務とし")
_SINGLE: Final = re.compile(
    r"(?:前条|第二条)の表の?[一二三四五六七八九十百の]+の項(?:で定める|に規定する)事務は、"
    r"(?P<affair>.+?)とし、同(?:表[一二三四五六七八九十百の]+の)?項(?:で定める|に規定する)情報は、"
    r"(?P<information>.+)とする。"
)
_DELETED: Final = "削除"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemText:
    """One item with its sub-items, in the order of the text."""

    item: str
    text: str
    subs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParagraphText:
    """One paragraph of an article while no word of it changes.

    `affair` and `information` are set where the opening names the one procedure itself; then the
    items are information.
    """

    article: str
    paragraph: str
    row_no: str
    from_: date
    to: date | None
    items: tuple[ItemText, ...]
    affair: str = ""
    information: str = ""

    @property
    def place(self) -> str:
        """Return where this is, for the report."""
        paragraph = f"第{self.paragraph}項" if self.paragraph != "1" else ""
        return f"第{self.article}条{paragraph} {self.from_.isoformat()}"


def article_names(lines: Iterable[ProcedureLine]) -> tuple[str, ...]:
    """Return the articles in the order of the law."""
    return tuple(sorted({line.article for line in lines}, key=item_order))


def read_article(
    lines: Sequence[ProcedureLine], *, days: frozenset[date], findings: Findings
) -> tuple[ParagraphText, ...]:
    """Return the paragraphs of one article for every stretch of days between two changes.

    `days` are further days on which the reading may change (those of the row).
    """
    begins = sorted(_change_days(lines) | days)
    found: list[ParagraphText] = []
    for at, day in enumerate(begins):
        to = begins[at + 1] - timedelta(days=1) if at + 1 < len(begins) else None
        standing = [line for line in lines if line.holds_on(day)]
        found.extend(_paragraphs(standing, day, to, findings))
    return tuple(found)


def _change_days(lines: Iterable[ProcedureLine]) -> set[date]:
    days: set[date] = set()
    for line in lines:
        days.add(line.from_)
        if line.to is not None:
            days.add(line.to + timedelta(days=1))
    return days


def _paragraphs(
    lines: Sequence[ProcedureLine], day: date, to: date | None, findings: Findings
) -> Iterable[ParagraphText]:
    if not lines or any(line.text == _DELETED for line in lines):
        return
    openings = [line for line in lines if not line.item and not line.sub_item]
    place = f"第{lines[0].article}条 {day.isoformat()}"
    row = _ROW.match(openings[0].text) if len(openings) == 1 else None
    if row is None:
        findings.add(Kind.OPENING, place, f"{len(openings)} openings")
        return
    opening = openings[0]
    row_no = number(row.group(1))
    if any(line.row_no not in {"", row_no} for line in lines):
        findings.add(Kind.SOURCE_DIFFERS, place, "row number of a line")
    single = None if _LISTED.search(opening.text) else _SINGLE.fullmatch(opening.text)
    if single is None and not _LISTED.search(opening.text):
        findings.add(Kind.OPENING, place, "neither a list nor a single affair")
        return
    for paragraph in sorted({line.paragraph for line in lines}, key=item_order):
        inside = [line for line in lines if line.paragraph == paragraph]
        yield ParagraphText(
            article=opening.article,
            paragraph=paragraph,
            row_no=row_no,
            from_=day,
            to=to,
            items=_items(inside, place, findings),
            affair=single.group("affair") if single else "",
            information=single.group("information") if single else "",
        )


def _items(lines: Sequence[ProcedureLine], place: str, findings: Findings) -> tuple[ItemText, ...]:
    texts: dict[str, str] = {}
    subs: dict[str, dict[str, str]] = {}
    for line in lines:
        target = subs.setdefault(line.item, {}) if line.sub_item else texts
        key = line.sub_item or line.item
        if key in target:
            findings.add(Kind.DUPLICATE_LINE, place, f"第{line.item}号{line.sub_item}")
        if key:
            target[key] = line.text
    return tuple(
        ItemText(
            item=item,
            text=texts[item],
            subs=tuple(sorted(subs.get(item, {}).items(), key=_iroha)),
        )
        for item in sorted(texts, key=item_order)
    )


def _iroha(sub: tuple[str, str]) -> int:
    return IROHA.index(sub[0])
