import pytest

from codes.errors import CodesError, ForeignCodeError, MalformedError
from codes.network_code import CodeColumn, CodeDeriver, NetworkCode, OrganisationCodes
from codes.numbers import ResidentCode

KEY = bytes(range(64))
OTHER_KEY = bytes(range(1, 65))
RESIDENT_CODE = ResidentCode.parse("12345678901")
CODE = NetworkCode.parse(b"c" * 32)


def test_a_code_never_prints() -> None:
    for shown in (repr(CODE), str(CODE), f"{CODE}", repr({CODE: 1})):
        assert "masked" in shown
        assert "cccc" not in shown
        assert "6363" not in shown


def test_equal_codes_are_equal_and_hash_alike() -> None:
    assert NetworkCode.parse(b"c" * 32) == CODE
    assert hash(CODE) == hash(NetworkCode.parse(b"c" * 32))
    assert NetworkCode.parse(b"d" * 32) != CODE
    assert CODE != b"c" * 32


@pytest.mark.parametrize("raw", [b"", b"c" * 31, b"c" * 33, bytearray(32), "c" * 32])
def test_anything_but_32_bytes_is_no_code(raw: bytes) -> None:
    with pytest.raises(MalformedError) as refused:
        NetworkCode.parse(raw)

    assert refused.value.reason == "network-code"


def test_a_stored_code_opens_in_its_own_place_only() -> None:
    stored = CodeColumn(KEY, organisation="nagaoka", column="own").encrypt(CODE)

    assert CodeColumn(KEY, organisation="nagaoka", column="own").decrypt(stored) == CODE
    for other in (
        CodeColumn(OTHER_KEY, organisation="nagaoka", column="own"),
        CodeColumn(KEY, organisation="gunma", column="own"),
        CodeColumn(KEY, organisation="nagaoka", column="other"),
        CodeColumn(KEY, organisation="nagaokaown", column=""),
    ):
        with pytest.raises(ForeignCodeError) as refused:
            other.decrypt(stored)
        assert refused.value.reason == "foreign-code"


def test_one_changed_byte_of_a_stored_code_is_found() -> None:
    column = CodeColumn(KEY, organisation="nagaoka", column="own")
    stored = bytearray(column.encrypt(CODE))

    for place in range(len(stored)):
        changed = bytearray(stored)
        changed[place] ^= 1
        with pytest.raises(ForeignCodeError):
            column.decrypt(bytes(changed))


def test_equal_codes_in_one_column_can_be_searched() -> None:
    column = CodeColumn(KEY, organisation="nagaoka", column="own")

    assert column.encrypt(CODE) == column.encrypt(NetworkCode.parse(b"c" * 32))
    assert len(column.encrypt(CODE)) == 48


def test_stored_bytes_of_another_length_are_refused() -> None:
    with pytest.raises(MalformedError) as refused:
        CodeColumn(KEY, organisation="nagaoka", column="own").decrypt(b"x" * 47)

    assert refused.value.reason == "stored-code"


def test_a_code_translates_back_to_the_person_it_was_made_for() -> None:
    internal_id = CodeDeriver(b"s" * 32).internal_id(RESIDENT_CODE)
    codes = OrganisationCodes(KEY, "nagaoka")

    assert codes.internal_id(codes.code(internal_id)) == internal_id
    assert len(internal_id) == 16


def test_one_person_has_another_code_in_every_organisation() -> None:
    internal_id = CodeDeriver(b"s" * 32).internal_id(RESIDENT_CODE)

    made = {
        OrganisationCodes(KEY, "nagaoka").code(internal_id),
        OrganisationCodes(KEY, "gunma").code(internal_id),
        OrganisationCodes(OTHER_KEY, "nagaoka").code(internal_id),
    }

    assert len(made) == 3


@pytest.mark.parametrize(
    "codes", [OrganisationCodes(KEY, "gunma"), OrganisationCodes(OTHER_KEY, "nagaoka")]
)
def test_a_foreign_code_does_not_open(codes: OrganisationCodes) -> None:
    code = OrganisationCodes(KEY, "nagaoka").code(b"i" * 16)

    with pytest.raises(ForeignCodeError) as refused:
        codes.internal_id(code)

    assert refused.value.reason == "foreign-code"


def test_an_invented_code_does_not_open() -> None:
    with pytest.raises(ForeignCodeError):
        OrganisationCodes(KEY, "nagaoka").internal_id(CODE)


def test_look_up_and_internal_id_tell_nothing_about_each_other() -> None:
    deriver = CodeDeriver(b"s" * 32)

    assert deriver.lookup(RESIDENT_CODE)[:16] != deriver.internal_id(RESIDENT_CODE)
    assert deriver.lookup(RESIDENT_CODE) != CodeDeriver(b"t" * 32).lookup(RESIDENT_CODE)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: CodeDeriver(b"s" * 31), "code-secret"),
        (lambda: OrganisationCodes(b"k" * 32, "nagaoka"), "siv-key"),
        (lambda: CodeColumn(b"k" * 63, organisation="a", column="b"), "siv-key"),
        (lambda: OrganisationCodes(KEY, "nagaoka").code(b"i" * 15), "internal-id"),
    ],
    ids=["deriver", "organisation", "column", "internal id"],
)
def test_secrets_of_another_length_are_refused(make: object, reason: str) -> None:
    assert callable(make)
    with pytest.raises(CodesError) as refused:
        make()

    assert refused.value.reason == reason


def test_whatever_holds_a_key_prints_masked() -> None:
    for holder in (
        CodeDeriver(b"s" * 32),
        OrganisationCodes(KEY, "nagaoka"),
        CodeColumn(KEY, organisation="nagaoka", column="own"),
    ):
        assert repr(holder) == f"{type(holder).__name__}(masked)"
