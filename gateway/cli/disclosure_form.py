"""The form by which a person is shown the records about them: a page to print, or CSV.

Nothing in it is for staff: no number of the person, no count of what is left out, no permit id.
A page says the same whether something was left out or nothing was there (個情法81).
"""

import csv
import html
import io
from collections.abc import Iterable, Sequence
from typing import Final

from codes.canonical import TOKYO, parse_instant
from gateway.wire.staff_disclosure import DisclosedExchange, DisclosedInformation, Disclosure, Named

HEADERS: Final = (
    "照会・提供の別",
    "情報照会者",
    "情報提供者",
    "照会の日時",
    "提供の日時",
    "部署",
    "事務",
    "事務手続",
    "根拠",
    "情報",
    "情報の範囲",
    "項目",
    "結果",
    "番号法第21条第2項",
    "記録の訂正日時",
)
"""What 法23① lists, in the order of the form."""

_DIRECTIONS: Final = {"asked": "照会", "provided": "提供"}
_OUTCOMES: Final = {
    "provided": "提供あり",
    "no-information": "該当する情報なし",
    "withheld": "確認中",
    "denied": "提供なし",
    "failed": "提供なし（不達）",
    "refused": "照会を認めない",
    "unanswered": "回答なし",
}
_ACT21_2: Final = "該当（特定個人情報保護評価）"
_NONE: Final = "－"
_TITLE: Final = "情報提供等の記録"
_LEDE: Final = (
    "番号法第23条第1項の記録のうち、開示するものです。"
    "日時は日本時間です。訂正した事項は、訂正後の内容で示しています。"
)
_EMPTY: Final = "開示する記録はありません。"
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_STYLE: Final = """
body { font-family: sans-serif; font-size: 10pt; margin: 1.5em; color: #000; background: #fff; }
h1 { font-size: 14pt; }
dl { display: grid; grid-template-columns: max-content auto; gap: .2em 1em; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; margin-bottom: .4em; }
th, td { border: 1px solid #555; padding: .3em; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
thead th { background: #eee; }
@page { size: A4 landscape; margin: 12mm; }
@media print { body { margin: 0; font-size: 8pt; } thead { display: table-header-group; }
  tr { break-inside: avoid; } }
"""


def as_html(disclosure: Disclosure) -> str:
    """Return a page that stands alone: no script, nothing fetched, every text escaped."""
    facts = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in _heading(disclosure)
    )
    return (
        '<!DOCTYPE html>\n<html lang="ja">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_TITLE}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{_TITLE}</h1>\n<p>{_LEDE}</p>\n<dl>{facts}</dl>\n"
        f"{_table(disclosure.exchanges)}</main>\n</body>\n</html>\n"
    )


def as_csv(disclosure: Disclosure) -> str:
    """Return the same rows as CSV with a mark of its encoding, as spreadsheets want it."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(HEADERS)
    for exchange in disclosure.exchanges:
        writer.writerow(_unformulated(cell) for cell in _cells(exchange))
    return "\N{ZERO WIDTH NO-BREAK SPACE}" + out.getvalue()


def _heading(disclosure: Disclosure) -> Iterable[tuple[str, str]]:
    yield "保有者", disclosure.title
    yield "作成日時", _moment(disclosure.made_at)
    if disclosure.since is not None or disclosure.until is not None:
        since = f"{_moment(disclosure.since)}から" if disclosure.since is not None else ""
        until = f"{_moment(disclosure.until)}の前まで" if disclosure.until is not None else ""
        yield "対象期間", f"照会の日時が{since}{until}"
    if disclosure.erased_through is not None:
        year, _, month = disclosure.erased_through.partition("-")
        yield "保存期間", f"{year}年{int(month)}月までの記録は、保存期間（7年）が過ぎたため消去済み"


def _table(exchanges: Sequence[DisclosedExchange]) -> str:
    if not exchanges:
        return f"<p>{_EMPTY}</p>\n"
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("番号", *HEADERS))
    rows = "".join(
        f'<tr><th scope="row">{number}</th>'
        + "".join(f"<td>{html.escape(cell or _NONE)}</td>" for cell in _cells(exchange))
        + "</tr>\n"
        for number, exchange in enumerate(exchanges, start=1)
    )
    return (
        f"<table>\n<caption>照会の日時の順、全{len(exchanges)}件</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    )


def _cells(exchange: DisclosedExchange) -> tuple[str, ...]:
    """Return what stands under each of the headers; empty where nothing does."""
    information = exchange.information
    return (
        _DIRECTIONS[exchange.direction],
        _name(exchange.inquirer),
        _name(exchange.provider),
        _moment(exchange.requested_at),
        _moment(exchange.provided_at),
        exchange.department or "",
        _name(exchange.affair),
        _name(exchange.procedure),
        exchange.citation or "",
        _name(information.term if information is not None else None),
        _name(information.scope if information is not None else None),
        _items(information),
        _OUTCOMES.get(exchange.outcome, exchange.outcome),
        _ACT21_2 if exchange.act21_2 else "",
        _moment(exchange.corrected_at),
    )


def _items(information: DisclosedInformation | None) -> str:
    return "、".join(_name(item) for item in information.items) if information is not None else ""


def _name(named: Named | None) -> str:
    return "" if named is None else named.name or named.code


def _moment(text: str | None) -> str:
    """Return an instant as people in Japan read it, to the second."""
    if text is None:
        return ""
    local = parse_instant(text).astimezone(TOKYO)
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M:%S}"


def _unformulated(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
