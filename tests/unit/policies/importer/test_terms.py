"""From a wording to the term of the row."""

from policies.importer.report import Findings, Kind
from policies.importer.terms import Meant, TermFinder
from tests.unit.policies.importer.builders import reviewed


def meant(
    phrase: str, *keys: str, affair: str = "支給に関する事務", row_no: str = "115"
) -> tuple[list[Meant], list[Kind]]:
    findings = Findings()
    finder = TermFinder(reviewed=reviewed(), findings=findings)
    found = list(finder.find(phrase, row_no=row_no, keys=frozenset(keys), affair=affair, place="n"))
    return found, [finding.kind for finding in findings.all()]


def test_the_row_decides_which_term_a_wording_lies_in() -> None:
    phrase = "身体障害者福祉法第十五条第一項の身体障害者手帳の交付及び障害の程度に関する情報"

    (own,), _ = meant(phrase, "physical-disability-certificate")
    (joined,), _ = meant(phrase, "disability")

    assert own.term == reviewed().terms["physical-disability-certificate"].id
    assert joined.term == reviewed().terms["disability"].id
    assert own.label == joined.label


def test_the_rows_own_word_is_sure_and_a_decision_is_reviewed() -> None:
    (own,), _ = meant("戸籍関係情報", "family-register")
    (decided,), _ = meant("医療保険被保険者等資格に関する情報", "medical-insurance")

    assert own.review.state == "sure"
    assert (decided.review.state, decided.review.who) == ("reviewed", reviewed().who)


def test_a_term_the_row_does_not_name_is_unsure() -> None:
    found, noted = meant("戸籍関係情報", "local-tax")

    assert [(each.term, each.review.state) for each in found] == [(None, "unsure")]
    assert noted == [Kind.TERM_NOT_IN_ROW]


def test_two_terms_that_fit_are_unsure() -> None:
    found, noted = meant(
        "乳幼児健康診査等に関する情報", "maternal-child-health", "maternal-health-check"
    )

    assert [each.review.state for each in found] == ["unsure"]
    assert noted == [Kind.TERM_AMBIGUOUS]


def test_an_unknown_wording_is_unsure() -> None:
    found, _ = meant("知らない情報", "local-tax")

    assert [each.review.state for each in found] == ["unsure"]


def test_a_joined_wording_gives_its_parts() -> None:
    found, _ = meant("道府県民税又は市町村民税に関する情報", "local-tax")

    assert [each.label for each in found] == ["道府県民税に関する情報", "市町村民税に関する情報"]


def test_where_benefits_are_settled_both_readings_are_kept_and_noted() -> None:
    keys = ("medical-insurance", "other-law-health-55")

    settled, noted = meant(
        "健康保険法による保険給付の支給に関する情報", *keys, affair="調整に関する事務"
    )
    plain, _ = meant("健康保険法による保険給付の支給に関する情報", *keys)

    assert len(settled) == 2
    assert noted == [Kind.TWO_READINGS]
    assert [each.term for each in plain] == [reviewed().terms["medical-insurance"].id]


def test_an_open_term_alone_is_enough() -> None:
    found, _ = meant("健康保険法による保険給付の支給に関する情報", "other-law-national-health-56")

    assert [each.term for each in found] == [reviewed().terms["other-law-national-health-56"].id]
