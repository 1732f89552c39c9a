"""What several parties give about one person, put in one order; pages that would never end."""

import pytest

from codes.numbers import ResidentCode
from gateway.core.disclosures import DisclosureOf, check_page, merge
from gateway.flows import disclosed_exchanges
from gateway.flows.disclosed_exchanges import first_page
from gateway.flows.exchanges_about import PeriodAsked
from gateway.outbound.errors import PeerProtocolError
from gateway.wire.disclosures import DisclosedPage, PartyAsked
from gateway.wire.staff_disclosure import DisclosedExchange


def at(day: int) -> str:
    return f"2026-07-{day:02}T00:00:00.000Z"


def an_exchange(day: int) -> DisclosedExchange:
    return DisclosedExchange(
        direction="asked", requested_at=at(day), outcome="provided", act21_2=False
    )


def page(organisation: str, *days: int, more_from: int | None = None) -> DisclosedPage:
    return DisclosedPage(
        organisation=organisation,
        title=organisation,
        made_at=at(31),
        exchanges=[an_exchange(day) for day in days],
        next=None if more_from is None else at(more_from),
    )


def asked(page_from: int | None = None) -> DisclosureOf:
    return DisclosureOf(
        resident_code=ResidentCode.parse("12345678901"),
        period=PeriodAsked(),
        page_from=None if page_from is None else at(page_from),
    )


def test_nothing_is_told_from_when_on_one_party_has_more() -> None:
    merged = merge([page("a", 1, 3, 9), page("b", 2, 4, more_from=5), page("c")])

    told = [(one.organisation, one.requested_at) for one in merged.exchanges]
    assert told == [("a", at(1)), ("b", at(2)), ("a", at(3)), ("b", at(4))]
    assert merged.next == at(5)


def test_one_that_gave_nothing_is_named_beside_the_others() -> None:
    merged = merge([page("a", 1), PartyAsked(organisation="b", problem="peer-unavailable")])

    assert [(one.organisation, one.problem) for one in merged.parties] == [
        ("a", None),
        ("b", "peer-unavailable"),
    ]
    assert len(merged.exchanges) == 1
    assert merged.next is None


def test_a_page_holds_what_is_of_one_moment_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disclosed_exchanges, "EXCHANGES_MAX", 2)

    three, more_from = first_page([an_exchange(day) for day in (1, 1, 1, 2)])
    one, later = first_page([an_exchange(day) for day in (1, 2, 2)])

    assert (len(three), more_from) == (3, at(2))
    assert (len(one), later) == (1, at(2))


def test_a_page_is_bounded_in_bytes_too_but_never_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disclosed_exchanges, "EXCHANGES_BYTES_MAX", 1)

    taken, more_from = first_page([an_exchange(1), an_exchange(2)])

    assert (len(taken), more_from) == (1, at(2))


def test_a_page_that_goes_on_from_later_is_taken() -> None:
    check_page(page("a", 1, 1, 2, more_from=3), asked())
    check_page(page("a", 3, more_from=4), asked(3))
    check_page(page("a"), asked(3))


@pytest.mark.parametrize(
    ("given", "page_from"),
    [
        (page("a", 2, 1), None),
        (page("a", 1, 2), 2),
        (page("a", 1, 2, more_from=2), None),
        (page("a", more_from=2), 2),
    ],
    ids=["out-of-order", "before-its-beginning", "goes-on-where-it-ends", "empty-and-more"],
)
def test_a_page_after_which_nobody_would_ever_be_done_is_refused(
    given: DisclosedPage, page_from: int | None
) -> None:
    with pytest.raises(PeerProtocolError):
        check_page(given, asked(page_from))
