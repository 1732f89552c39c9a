"""Where an affair ends and its information begins."""

from policies.importer.report import Findings, Kind
from policies.importer.splitting import Splitter
from tests.unit.policies.importer.builders import reviewed


def a_splitter(**hints: str) -> Splitter:
    return Splitter(reviewed=reviewed(), hints=hints, findings=Findings())


def test_the_cut_is_where_what_follows_reads_as_information() -> None:
    text = "甲に関する事務（乙に関する事務（丙）を除く。）当該者に係る戸籍関係情報"

    split = a_splitter().split(text, row_no="115", place="n")

    assert split is not None
    assert split.affair == "甲に関する事務（乙に関する事務（丙）を除く。）"
    assert split.information == "当該者に係る戸籍関係情報"


def test_an_affair_of_two_affairs_is_cut_after_the_second() -> None:
    text = "甲に関する事務及び乙に関する事務第四号に掲げる情報"

    split = a_splitter().split(text, row_no="115", place="n")

    assert split is not None
    assert split.affair == "甲に関する事務及び乙に関する事務"


def test_a_hint_cuts_what_cannot_be_read() -> None:
    text = "甲に関する事務知らない情報"

    split = a_splitter(**{text: "甲に関する事務"}).split(text, row_no="115", place="n")

    assert split is not None
    assert (split.information, split.wordings) == ("知らない情報", None)


def test_a_hint_that_says_otherwise_is_noted() -> None:
    text = "甲に関する事務当該者に係る戸籍関係情報"
    splitter = a_splitter(**{text: "甲"})

    assert splitter.split(text, row_no="115", place="n") is not None
    assert splitter.findings.all()[0].kind == Kind.SOURCE_DIFFERS


def test_without_cut_or_hint_nothing_is_guessed() -> None:
    splitter = a_splitter()

    assert splitter.split("甲に関する事務知らない情報", row_no="115", place="n") is None
    assert splitter.findings.all()[0].kind == Kind.SPLIT


TWICE = "甲に関する事務の調整に係る事務当該者に係る戸籍関係情報"


def test_a_hint_chooses_between_two_cuts_that_read() -> None:
    splitter = a_splitter(**{TWICE: "甲に関する事務の調整に係る事務"})

    split = splitter.split(TWICE, row_no="115", place="n")

    assert split is not None
    assert split.information == "当該者に係る戸籍関係情報"
    assert splitter.findings.all() == ()


def test_two_cuts_that_read_are_not_chosen_between_without_a_hint() -> None:
    splitter = a_splitter()

    assert splitter.split(TWICE, row_no="115", place="n") is None
    assert splitter.findings.all()[0].detail == "2 cuts of 2"
