"""The residents of the demonstration: valid numbers, nobody's, the same in every run."""

import csv
from pathlib import Path

from codes.numbers import my_number_check_digit
from gateway.demo import cast
from gateway.demo.residents import RESIDENTS, known_to, residents, write_resident_file


def test_everybody_has_a_my_number_that_passes_its_check_digit() -> None:
    numbers = [person.my_number.text for person in residents()]

    assert len(set(numbers)) == RESIDENTS
    assert [text[-1] for text in numbers] == [my_number_check_digit(text[:-1]) for text in numbers]


def test_everybody_has_a_resident_record_code_of_their_own() -> None:
    codes = [person.code.text for person in residents()]

    assert len(set(codes)) == RESIDENTS
    assert {len(text) for text in codes} == {11}


def test_every_run_knows_the_same_people() -> None:
    assert residents(5) == residents(5)


def test_organisations_know_a_person_under_numbers_of_their_own() -> None:
    people = residents(3)

    numbers = {person.unified(name).text for person in people for name in cast.GATEWAYS}

    assert len(numbers) == 3 * len(cast.GATEWAYS)


def test_the_city_knows_everybody_and_the_others_some() -> None:
    people = residents()

    assert len(known_to(cast.NAGAOKA, people)) == RESIDENTS
    assert 0 < len(known_to(cast.IMMIGRATION, people)) < RESIDENTS


def test_the_resident_networks_file_holds_both_numbers(tmp_path: Path) -> None:
    write_resident_file(tmp_path / "residents.csv", residents(2))

    with (tmp_path / "residents.csv").open(newline="") as file:
        header, *lines = list(csv.reader(file))

    assert header == ["my_number", "resident_code"]
    assert lines == [[one.my_number.text, one.code.text] for one in residents(2)]


def test_nobodys_number_shows_where_a_resident_is_printed() -> None:
    (person,) = residents(1)

    assert person.my_number.text not in repr(person)
    assert person.code.text not in repr(person)
