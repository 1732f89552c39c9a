"""How the importer reads the law's own writing: brackets, cross references, digests; no I/O."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

IROHA: Final = (
    "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス"
)
LABEL_CHARACTERS_MAX: Final = 80

_BRACKETS: Final = re.compile(r"（[^（）]*）")
_NUMERAL: Final = re.compile(r"[一二三四五六七八九十百千〇]+")
_REVIEW: Final = re.compile(
    r"(に係る)?(事実について(の審査(若しくは|又は)?)?|の審査)?に(関する|係る)事務$"
)


def strip_brackets(text: str) -> str:
    """Return the text without anything that stands in brackets, however deep."""
    while True:
        bare = _BRACKETS.sub("", text)
        if bare == text:
            return bare
        text = bare


def outer_brackets(text: str) -> tuple[str, ...]:
    """Return what stands in brackets at the outermost level, in order."""
    found, depth, start = [], 0, 0
    for at, mark in enumerate(text):
        if mark == "（":
            start = start if depth else at + 1
            depth += 1
        elif mark == "）":
            depth -= 1
            if depth == 0:
                found.append(text[start:at])
    return tuple(found)


def digest(text: str) -> str:
    """Return the SHA-256 of the text (NFC, UTF-8) in hex."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()


def iroha_range(first: str, last: str) -> tuple[str, ...]:
    """Return イ to ホ as イ, ロ, ハ, ニ, ホ; nothing if they stand the other way round."""
    return tuple(IROHA[IROHA.index(first) : IROHA.index(last) + 1])


def item_order(item: str) -> tuple[int, ...]:
    """Return what sorts items as the text does: 3, 3の2, 3の3, 4."""
    return tuple(int(part) for part in item.split("の")) if item else ()


def short_label(affair: str) -> str:
    """Return a short name of ours for a procedure: its affair without brackets and set phrases."""
    bare = strip_brackets(affair)
    bare = _REVIEW.sub("", bare)
    arabic = _NUMERAL.sub(_arabic_if_counted, bare)
    if len(arabic) <= LABEL_CHARACTERS_MAX:
        return arabic
    half = LABEL_CHARACTERS_MAX // 2
    return f"{arabic[:half]}…{arabic[-half + 1 :]}"


def kanji_value(text: str) -> int:
    """Return the value of a kanji numeral up to 9999: 百十七 is 117."""
    digits = {mark: value for value, mark in enumerate("〇一二三四五六七八九")}
    units = {"十": 10, "百": 100, "千": 1000}
    if not set(text) & set(units) and len(text) > 1:
        return int("".join(str(digits[mark]) for mark in text))
    total, pending = 0, 0
    for mark in text:
        if mark in units:
            total += (pending or 1) * units[mark]
            pending = 0
        else:
            pending = digits[mark]
    return total + pending


def _arabic_if_counted(found: re.Match[str]) -> str:
    """Write 第百四条 as 第104条, but leave 一部負担金 and 三者 alone."""
    before = found.string[found.start() - 1 : found.start()]
    after = found.string[found.end() : found.end() + 1]
    counted = (before == "第" and after in "条項号") or before == "の" or after in "年月日"
    return str(kanji_value(found.group())) if counted and after != "部" else found.group()
