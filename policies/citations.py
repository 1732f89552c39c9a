"""Citations as people write them: 第117条第6号ロ, 第三条の二, kanji numerals; no I/O."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from policies.model import Citation

CITATION_CHARACTERS_MAX: Final = 64
_PARTS_REMEMBERED: Final = 4096

_DIGITS: Final = {mark: value for value, mark in enumerate("〇一二三四五六七八九")}
_UNITS: Final = (1000, 100, 10, 1)
_ARABIC: Final = re.compile(r"[0-9]{1,4}")
_PLACES: Final = re.compile(r"[〇一二三四五六七八九]{2,4}")
_DIGIT: Final = "[一二三四五六七八九]"
_KANJI: Final = re.compile(rf"({_DIGIT}?千)?({_DIGIT}?百)?({_DIGIT}?十)?({_DIGIT})?")
_NUMBER: Final = r"[0-9〇一二三四五六七八九十百千]+"
_BRANCHED: Final = rf"{_NUMBER}(?:の{_NUMBER})*"
IROHA: Final = (
    "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス"
)
_CITATION: Final = re.compile(
    rf"(?:第?({_BRANCHED})の項[/、,]?)?"
    rf"(?:第({_NUMBER})条((?:の{_NUMBER})*)(?=$|第|[{IROHA}]))?"
    rf"(?:第({_NUMBER})項)?"
    rf"(?:第({_NUMBER})号((?:の{_NUMBER})*))?"
    rf"([{IROHA}])?"
)


class CitationError(ValueError):
    """The text is not a citation."""

    reason = "malformed-citation"


def parse_citation(text: str, *, row_no: str | None = None) -> Citation:
    """Read 第117条第6号ロ, 第百十七条第六号ロ, 第3条の2, 115の項第117条…; omitted parts are None.

    Raises:
        CitationError: it is not such a citation, or longer than a citation can be.
    """
    folded = _folded(text)
    found = _CITATION.fullmatch(folded) if len(folded) <= CITATION_CHARACTERS_MAX else None
    if found is None or not folded:
        raise CitationError("not a citation")
    row, article, branch, paragraph, item, item_branch, sub_item = found.groups()
    named = number(row) if row else None
    if named and row_no and named != number(row_no):
        raise CitationError("two different rows are named")
    return Citation(
        row_no=named or (number(row_no) if row_no else None),
        article=number(article + branch) if article else None,
        paragraph=number(paragraph) if paragraph else None,
        item=number(item + item_branch) if item else None,
        sub_item=sub_item,
    )


@lru_cache(_PARTS_REMEMBERED)
def parse_part(text: str) -> str:
    """Read one part of a citation into data's form: 第117条 is 117, 第3条の2 is 3の2, 第六号 is 6.

    Raises:
        CitationError: it is not such a part.
    """
    folded = _folded(text)
    if len(folded) == 1 and folded in IROHA:
        return folded
    bare = re.sub(r"^第|[条項号]|の項$", "", folded)
    if len(folded) > CITATION_CHARACTERS_MAX or not re.fullmatch(_BRANCHED, bare):
        raise CitationError("not a part of a citation")
    return number(bare)


def number(text: str) -> str:
    """Return a numeral with branches in Arabic digits: 五十九の二 gives 59の2.

    Raises:
        CitationError: it is not such a numeral.
    """
    parts = unicodedata.normalize("NFKC", text).split("の")
    return "の".join(str(_value(part)) for part in parts)


def show_citation(citation: Citation, *, has_paragraphs: bool = False) -> str:
    """Return the citation as people write it: 115の項 第117条第6号ロ.

    The first paragraph is named only in an article that has others.
    """
    words = [f"{citation.row_no}の項 " if citation.row_no else ""]
    if citation.article:
        head, *branches = citation.article.split("の")
        words.append(f"第{head}条" + "".join(f"の{branch}" for branch in branches))
    if citation.paragraph and (has_paragraphs or citation.paragraph != "1"):
        words.append(f"第{citation.paragraph}項")
    if citation.item:
        head, *branches = citation.item.split("の")
        words.append(f"第{head}号" + "".join(f"の{branch}" for branch in branches))
    return "".join([*words, citation.sub_item or ""]).strip()


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def _value(text: str) -> int:
    if _ARABIC.fullmatch(text):
        return int(text)
    if _PLACES.fullmatch(text):
        return int("".join(str(_DIGITS[mark]) for mark in text))
    found = _KANJI.fullmatch(text)
    if found is None or not text:
        raise CitationError("not a numeral")
    return sum(_place(part, unit) for part, unit in zip(found.groups(), _UNITS, strict=True))


def _place(written: str | None, unit: int) -> int:
    """Return what one place of a kanji numeral counts: 二百 is 200, 百 alone is 100."""
    if not written:
        return 0
    return _DIGITS.get(written[0], 1) * unit
