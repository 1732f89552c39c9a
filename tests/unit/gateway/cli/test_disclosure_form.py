"""The form for the person: readable, printable, harmless, and silent about what is left out."""

import csv
import io
from html.parser import HTMLParser

from gateway.cli.disclosure_form import HEADERS, as_csv, as_html
from gateway.wire.staff_disclosure import (
    DisclosedExchange,
    DisclosedInformation,
    Disclosure,
    Named,
)

EVIL = '<script>alert("x")</script>&'
PERMIT = "a" * 32


def an_exchange(**changes: object) -> DisclosedExchange:
    members: dict[str, object] = {
        "direction": "asked",
        "requested_at": "2026-06-30T15:00:01.000Z",
        "outcome": "provided",
        "act21_2": False,
        "inquirer": Named(code="1", name="群馬県後期高齢者医療広域連合"),
        "provider": Named(code="2"),
        "provided_at": "2026-06-30T15:00:02.000Z",
        "department": "国保年金課",
        "information": DisclosedInformation(
            term=Named(code="TM", name="地方税関係情報"),
            scope=Named(code="S", name="市町村民税に関する情報"),
            items=[Named(code="I1", name="課税年度"), Named(code="I2")],
        ),
        "permit_id": PERMIT,
    }
    return DisclosedExchange(**(members | changes))  # type: ignore[arg-type]  # as each test says


def a_disclosure(*exchanges: DisclosedExchange, left_out: int = 0) -> Disclosure:
    return Disclosure(
        organisation="nagaoka",
        title="長岡市",
        made_at="2026-07-02T00:00:00.000Z",
        exchanges=list(exchanges),
        left_out=left_out,
        erased_through="2019-05",
    )


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_page_is_japanese_and_its_table_has_headers_that_say_of_what() -> None:
    page = Page(as_html(a_disclosure(an_exchange(), an_exchange())))

    assert page.all("html") == [{"lang": "ja"}]
    scopes = [attributes["scope"] for attributes in page.all("th")]
    assert scopes == ["col"] * (len(HEADERS) + 1) + ["row"] * 2
    assert len(page.all("td")) == 2 * len(HEADERS)
    assert len(page.all("caption")) == 1


def test_a_page_runs_nothing_fetches_nothing_and_escapes_what_it_is_given() -> None:
    text = as_html(a_disclosure(an_exchange(department=EVIL, inquirer=Named(code=EVIL))))
    page = Page(text)

    assert not {"script", "link", "img", "iframe", "form", "a"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, given in page.tags for name in given)
    assert page.cells.count(EVIL) == 2
    assert "default-src 'none'" in text


def test_the_form_says_what_the_record_says_in_japanese_and_in_japans_time() -> None:
    exchange = an_exchange(act21_2=True, corrected_at="2026-07-01T15:00:00.000Z")
    (row,) = csv.DictReader(io.StringIO(as_csv(a_disclosure(exchange)).lstrip("\ufeff")))

    assert tuple(row) == HEADERS
    assert row["照会・提供の別"] == "照会"
    assert (row["情報照会者"], row["情報提供者"]) == ("群馬県後期高齢者医療広域連合", "2")
    assert row["照会の日時"] == "2026年7月1日 00:00:01"
    assert row["提供の日時"] == "2026年7月1日 00:00:02"
    assert row["項目"] == "課税年度、I2"
    assert row["結果"] == "提供あり"
    assert row["番号法第21条第2項"].startswith("該当")
    assert row["記録の訂正日時"] == "2026年7月2日 00:00:00"


def test_a_spreadsheet_runs_nothing_of_it() -> None:
    text = as_csv(a_disclosure(an_exchange(department="=HYPERLINK(1)")))

    assert text.startswith("\ufeff")
    assert text.endswith("\r\n")
    assert '"\'=HYPERLINK(1)"' in text


def test_what_is_left_out_cannot_be_told_from_what_never_was() -> None:
    one, none = a_disclosure(left_out=3), a_disclosure(left_out=0)

    assert as_html(one) == as_html(none)
    assert as_csv(one) == as_csv(none)
    assert "開示する記録はありません" in as_html(one)


def test_nothing_of_the_form_is_for_staff() -> None:
    disclosure = a_disclosure(an_exchange(), left_out=7654)

    for text in (as_html(disclosure), as_csv(disclosure)):
        assert "7654" not in text
        assert PERMIT not in text


def test_the_form_says_since_when_records_are_kept() -> None:
    assert "2019年5月までの記録" in as_html(a_disclosure())
