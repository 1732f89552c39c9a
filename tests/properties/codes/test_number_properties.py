import pytest
from hypothesis import given
from hypothesis import strategies as st

from codes.errors import CodesError, ForeignCodeError
from codes.network_code import CodeColumn, CodeDeriver, NetworkCode, OrganisationCodes
from codes.numbers import (
    CorporateNumber,
    MunicipalityCode,
    MyNumber,
    ResidentCode,
    UnifiedNumber,
    corporate_check_digit,
    municipality_check_digit,
    my_number_check_digit,
)

DIGITS = "0123456789"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=count, max_size=count)


def with_another_digit(text: str, place: int, step: int) -> str:
    other = str((int(text[place]) + step) % 10)
    return text[:place] + other + text[place + 1 :]


@given(digits(11), digits(12))
def test_check_digits_are_those_of_the_clauses_formulas(my_front: str, corporate: str) -> None:
    # 命令85 5条 and 財務省令 2条, with Pn the nth digit from the right and Qn its weight.
    my_sum = sum(
        int(my_front[-n]) * (n + 1 if n <= 6 else n - 5)  # Pn * Qn
        for n in range(1, 12)
    )
    corporate_sum = sum(int(corporate[-n]) * (2 if n % 2 == 0 else 1) for n in range(1, 13))

    expected = 11 - my_sum % 11 if my_sum % 11 > 1 else 0
    assert my_number_check_digit(my_front) == str(expected)
    assert corporate_check_digit(corporate) == str(9 - corporate_sum % 9)


@given(digits(11))
def test_a_my_number_with_its_check_digit_is_read(front: str) -> None:
    text = front + my_number_check_digit(front)

    assert MyNumber.parse(text).text == text


@given(digits(11), st.integers(0, 9), st.integers(0, 11))
def test_one_changed_digit_of_a_my_number_is_found_where_the_scheme_promises_it(
    front: str, digit: int, place: int
) -> None:
    # Rests of 0 and 1 share the check digit 0, so a change between just these two stays unseen.
    text = front + my_number_check_digit(front)
    changed = text[:place] + str(digit) + text[place + 1 :]

    def rest(number: str) -> int:
        weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
        return sum(int(d) * w for d, w in zip(number, weights, strict=False)) % 11

    if changed != text and {rest(text), rest(changed)} != {0, 1}:
        with pytest.raises(CodesError) as refused:
            MyNumber.parse(changed)
        assert refused.value.reason == "my-number-check-digit"


@given(digits(5), st.integers(0, 5), st.integers(1, 9))
def test_one_changed_digit_of_a_municipality_code_is_found_where_the_scheme_promises_it(
    front: str, place: int, step: int
) -> None:
    text = front + municipality_check_digit(front)
    changed = with_another_digit(text, place, step)

    assert MunicipalityCode.parse(text).text == text

    def rest(number: str) -> int:
        return sum(int(d) * w for d, w in zip(number, (6, 5, 4, 3, 2), strict=False)) % 11

    # Eleven rests for ten digits: rests 0 and 10 both give the check digit 1.
    if {rest(text), rest(changed)} != {0, 10}:
        with pytest.raises(CodesError) as refused:
            MunicipalityCode.parse(changed)
        assert refused.value.reason == "municipality-code-check-digit"


@given(digits(12), st.integers(1, 12), st.integers(1, 9))
def test_one_changed_digit_of_a_corporate_number_is_found_where_the_scheme_promises_it(
    front: str, place: int, step: int
) -> None:
    text = corporate_check_digit(front) + front
    changed = with_another_digit(text, place, step)

    assert CorporateNumber.parse(text).text == text
    # Modulo 9 cannot tell 0 from 9; every other change of one digit shows.
    if {text[place], changed[place]} != {"0", "9"}:
        with pytest.raises(CodesError) as refused:
            CorporateNumber.parse(changed)
        assert refused.value.reason == "corporate-number-check-digit"


@given(st.text(max_size=20))
def test_any_text_is_a_unified_number_or_refused(text: str) -> None:
    fits = 1 <= len(text) <= 15 and all(character in DIGITS for character in text)

    if fits:
        assert UnifiedNumber.parse(text).text == text
    else:
        with pytest.raises(CodesError) as refused:
            UnifiedNumber.parse(text)
        assert refused.value.reason == "unified-number"


@given(st.binary(min_size=64, max_size=64), st.binary(min_size=16, max_size=16))
def test_translation_round_trips_and_stays_inside_one_organisation(
    key: bytes, internal_id: bytes
) -> None:
    own, foreign = OrganisationCodes(key, "nagaoka"), OrganisationCodes(key, "gunma")

    assert own.internal_id(own.code(internal_id)) == internal_id
    with pytest.raises(ForeignCodeError):
        foreign.internal_id(own.code(internal_id))


@given(st.binary(min_size=32, max_size=32))
def test_storage_round_trips(raw: bytes) -> None:
    column = CodeColumn(bytes(64), organisation="nagaoka", column="own")

    assert column.decrypt(column.encrypt(NetworkCode.parse(raw))).raw == raw


@given(digits(11), digits(11))
def test_two_resident_codes_lead_to_two_people(one: str, other: str) -> None:
    deriver = CodeDeriver(bytes(32))
    first, second = ResidentCode.parse(one), ResidentCode.parse(other)

    assert (deriver.internal_id(first) == deriver.internal_id(second)) == (one == other)
    assert (deriver.lookup(first) == deriver.lookup(second)) == (one == other)
