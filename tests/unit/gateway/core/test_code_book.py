"""Everybody's codes from one management code, and nobody's from another's."""

from pathlib import Path

import pytest

from certs.keystore import KeyStore, MasterKey
from codes.errors import ForeignCodeError
from codes.network_code import NetworkCode
from codes.numbers import ResidentCode
from gateway.core.code_book import CodeBook

ONE, OTHER = ResidentCode.parse("01234567890"), ResidentCode.parse("11234567890")


@pytest.fixture
def book(tmp_path: Path) -> CodeBook:
    return CodeBook(a_store(tmp_path / "keys"))


def a_store(folder: Path) -> KeyStore:
    return KeyStore.create(folder, MasterKey.generate(), network="test", organisation="core")


def test_a_person_is_the_same_whenever_they_are_met(book: CodeBook) -> None:
    assert book.meet(ONE) == book.meet(ONE)
    assert book.meet(ONE).person != book.meet(OTHER).person
    assert book.meet(ONE).lookup != book.meet(OTHER).lookup


def test_codes_of_one_person_differ_between_organisations_and_lead_back(book: CodeBook) -> None:
    person = book.meet(ONE).person

    codes = {name: book.code_of(person, name) for name in ("nagaoka", "gunma-union")}

    assert codes["nagaoka"] != codes["gunma-union"]
    assert {book.person_of(code, name) for name, code in codes.items()} == {person}


@pytest.mark.parametrize("name", ["gunma-union", "core"])
def test_a_code_does_not_open_at_another_organisation(book: CodeBook, name: str) -> None:
    code = book.code_of(book.meet(ONE).person, "nagaoka")

    with pytest.raises(ForeignCodeError):
        book.person_of(code, name)


def test_an_invented_code_does_not_open(book: CodeBook) -> None:
    with pytest.raises(ForeignCodeError):
        book.person_of(NetworkCode(bytes(32)), "nagaoka")


def test_another_cores_keys_make_other_codes(book: CodeBook, tmp_path: Path) -> None:
    other = CodeBook(a_store(tmp_path / "other"))

    assert other.meet(ONE).lookup != book.meet(ONE).lookup
    assert other.meet(ONE).person != book.meet(ONE).person


def test_neither_book_nor_meeting_prints_anything_of_a_person(book: CodeBook) -> None:
    met = book.meet(ONE)

    assert "masked" in repr(book)
    assert ONE.text not in repr(met)
    assert met.person.hex() not in repr(met)
    assert repr(met.person) not in repr(met)
