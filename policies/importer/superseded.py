"""The old 別表第二, which ended on 2024-05-26: kept only to say what used to be allowed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Final

from policies.importer.cells import defined_words
from policies.importer.review import Reviewed
from policies.importer.source import WholeCell
from policies.importer.text import strip_brackets
from policies.model import ClassRef, Superseded

OLD_TABLE: Final = "act_beppyo2_old"
LAST_DAY: Final = date(2024, 5, 26)

_SEPARATOR: Final = re.compile("、|又は|若しくは")
_CLOSING: Final = re.compile(r"であって主務省令で定めるもの$")
# Every member of an information list ends in 情報 or 事項; a comma inside a member follows neither.
_MEMBER: Final = re.compile("(?<=情報)(?:、|又は)|(?<=事項)(?:、|又は)")
_ABBREVIATIONS: Final = (("高齢者の医療の確保に関する法律", "高確法"),)


def read_superseded(cells: Iterable[WholeCell], reviewed: Reviewed) -> tuple[Superseded, ...]:
    """Return the old cells whose classes we know; the others could say nothing useful."""
    found: list[Superseded] = []
    numbers: Counter[str] = Counter()
    for cell in cells:
        if not cell.table.startswith(OLD_TABLE):
            continue
        numbers[cell.row_no] += 1
        inquirers = _classes(cell.inquirer, reviewed)
        providers = _classes(cell.provider, reviewed)
        if inquirers and providers:
            found.append(
                Superseded(
                    id=f"O{cell.row_no.replace('の', '-')}.{numbers[cell.row_no]}",
                    row_no=cell.row_no,
                    inquirers=inquirers,
                    providers=providers,
                    information=_names(cell.information),
                    until=LAST_DAY,
                )
            )
    return tuple(found)


def _classes(cell: str, reviewed: Reviewed) -> tuple[ClassRef, ...]:
    """Return every class the old cell names that the new table knows as well."""
    names = reviewed.class_names
    bare = strip_brackets(cell)
    words = [bare] if bare in names else _SEPARATOR.split(bare)
    return tuple(ClassRef(class_id=names[word]) for word in words if word in names)


def _names(cell: str) -> tuple[str, ...]:
    """Return the information an old cell names, the words it defines, and known abbreviations."""
    members = _MEMBER.split(_CLOSING.sub("", strip_brackets(cell)))
    names = dict.fromkeys([*defined_words(cell), *members])
    for long, short in _ABBREVIATIONS:
        names.update(dict.fromkeys(name.replace(long, short) for name in list(names)))
    return tuple(names)
