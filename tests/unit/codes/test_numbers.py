import pytest

from codes.errors import MalformedError
from codes.numbers import (
    AcquisitionNumber,
    CorporateNumber,
    MunicipalityCode,
    MyNumber,
    PersonalNumber,
    ResidentCode,
    UnifiedNumber,
    corporate_check_digit,
    municipality_check_digit,
    my_number_check_digit,
)


def test_published_examples_have_their_check_digits() -> None:
    assert my_number_check_digit("12345678901") == "8"
    assert municipality_check_digit("15202") == "1"
    assert municipality_check_digit("15000") == "2"
    assert corporate_check_digit("000012050002") == "7"


@pytest.mark.parametrize(
    ("digits", "check"), [("00000000000", "0"), ("00000000006", "0"), ("00000000001", "9")]
)
def test_a_rest_of_zero_or_one_gives_the_check_digit_zero(digits: str, check: str) -> None:
    assert my_number_check_digit(digits) == check


@pytest.mark.parametrize(
    "text",
    [
        "011002",
        "022012",
        "141003",
        "271004",
        "152021",
        "150002",
        "152048",
        "102016",
        "200000",
        "130001",
    ],
)
def test_known_municipality_codes_are_read(text: str) -> None:
    assert str(MunicipalityCode.parse(text)) == text


def test_a_corporate_number_is_read() -> None:
    assert str(CorporateNumber.parse("7000012050002")) == "7000012050002"


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (MyNumber, "123456789010", "my-number-check-digit"),
        (MyNumber, "12345678901", "my-number"),
        (MyNumber, "1234567890180", "my-number"),
        (MyNumber, "１２３４５６７８９０１８", "my-number"),
        (MyNumber, "123456789018\n", "my-number"),
        (UnifiedNumber, "", "unified-number"),
        (UnifiedNumber, "1234567890123456", "unified-number"),
        (UnifiedNumber, "12a", "unified-number"),
        (UnifiedNumber, "-1", "unified-number"),
        (ResidentCode, "1234567890", "resident-code"),
        (ResidentCode, "123456789012", "resident-code"),
        (AcquisitionNumber, "0" * 31, "acquisition-number"),
        (AcquisitionNumber, "A" * 32, "acquisition-number"),
        (MunicipalityCode, "152020", "municipality-code-check-digit"),
        (MunicipalityCode, "15202", "municipality-code"),
        (MunicipalityCode, "15202１", "municipality-code"),
        (CorporateNumber, "8000012050002", "corporate-number-check-digit"),
        (CorporateNumber, "0000012050002", "corporate-number"),
        (CorporateNumber, "700001205000", "corporate-number"),
    ],
)
def test_a_malformed_number_is_refused_without_being_repeated(
    kind: type[PersonalNumber] | type[MunicipalityCode] | type[CorporateNumber],
    text: str,
    reason: str,
) -> None:
    with pytest.raises(MalformedError) as refused:
        kind.parse(text)

    assert refused.value.reason == reason
    assert not text or text not in str(refused.value)


def test_a_number_of_a_person_is_masked_wherever_it_prints() -> None:
    for number in (
        MyNumber.parse("123456789018"),
        UnifiedNumber.parse("000000000012345"),
        ResidentCode.parse("12345678901"),
        AcquisitionNumber.parse("0123456789abcdef" * 2),
    ):
        for shown in (repr(number), str(number), f"{number}", repr([number])):
            assert number.text not in shown
            assert "masked" in shown


def test_a_bare_personal_number_does_not_exist() -> None:
    with pytest.raises(MalformedError) as refused:
        PersonalNumber.parse("1")

    assert refused.value.reason == "personal-number"


def test_numbers_of_two_kinds_are_never_equal() -> None:
    one: PersonalNumber = UnifiedNumber.parse("12345678901")
    other: PersonalNumber = ResidentCode.parse("12345678901")

    assert one != other
    assert UnifiedNumber.parse("1") != UnifiedNumber.parse("01")
    assert UnifiedNumber.parse("1") == UnifiedNumber.parse("1")


@pytest.mark.parametrize(
    ("function", "digits", "reason"),
    [
        (my_number_check_digit, "1234567890", "my-number"),
        (my_number_check_digit, "1234567890x", "my-number"),
        (municipality_check_digit, "1520２", "municipality-code"),
        (corporate_check_digit, "", "corporate-number"),
    ],
)
def test_a_check_digit_is_computed_for_digits_only(
    function: object, digits: str, reason: str
) -> None:
    assert callable(function)
    with pytest.raises(MalformedError) as refused:
        function(digits)

    assert refused.value.reason == reason
