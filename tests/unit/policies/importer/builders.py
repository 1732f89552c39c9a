"""A few lines of law, enough to show every turn the importer takes."""

from datetime import date
from functools import lru_cache

from policies.facts import Facts
from policies.importer.report import Report
from policies.importer.review import Reviewed, load_reviewed
from policies.importer.run import import_law
from policies.importer.source import ProcedureLine, RowCell, Source, SplitLine, WholeCell

FIRST = date(2024, 5, 27)
CHANGE = date(2026, 6, 14)
BEFORE = date(2026, 6, 13)
LIST = "第二条の表{}の項で定める事務は、次の各号に掲げる事務とし、同項の情報は、次のとおりとする。"
LEVY = "高齢者の医療の確保に関する法律第百四条第二項の保険料の賦課に関する事務"
REFUND = "高齢者の医療の確保に関する法律第百四条の保険料の還付に関する事務"


@lru_cache(maxsize=1)
def reviewed() -> Reviewed:
    return load_reviewed()


def a_cell(**changed: object) -> RowCell:
    known: dict[str, object] = {
        "row_no": "115",
        "inquirer": "後期高齢者医療広域連合",
        "provider": "市町村長",
        "information": "地方税関係情報又は住民票関係情報であって第百十七条で定めるもの",
        "from_": FIRST,
        "to": None,
        "version": "2024-05-27-0",
    }
    return RowCell(**(known | changed))  # type: ignore[arg-type]  # a builder's keywords


def a_line(text: str, **changed: object) -> ProcedureLine:
    known: dict[str, object] = {
        "article": "117",
        "paragraph": "1",
        "row_no": "115",
        "item": "",
        "sub_item": "",
        "text": text,
        "from_": FIRST,
        "to": None,
        "version": "2024-05-27-0",
    }
    return ProcedureLine(**(known | changed))  # type: ignore[arg-type]  # a builder's keywords


def an_opening(**changed: object) -> ProcedureLine:
    return a_line(LIST.format("百十五"), **changed)


def imported(
    *lines: ProcedureLine,
    cells: tuple[RowCell, ...] | None = None,
    whole: tuple[WholeCell, ...] = (),
    splits: tuple[SplitLine, ...] = (),
) -> tuple[Facts, Report]:
    source = Source(
        cells=cells if cells is not None else (a_cell(),),
        lines=lines,
        whole_cells=whole,
        splits=splits,
    )
    return import_law(source, reviewed())


def kinds(report: Report) -> dict[str, int]:
    return {kind: count for kind, count in report.counts().items() if count}
