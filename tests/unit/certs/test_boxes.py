import pytest

from certs.boxes import Box, SecretKey, blind_index, row_ad
from certs.errors import KeyStoreError

KEY = SecretKey("storage/replicas/2026", b"k" * 32)
AD = row_ad("nagaoka", "replicas", "body", "17", 3)


def test_a_sealed_value_opens_again() -> None:
    box = Box(KEY)

    assert box.open(box.seal(b"value", AD), AD) == b"value"
    assert box.open(box.seal(b"", AD), AD) == b""


def test_the_same_value_never_seals_to_the_same_bytes() -> None:
    box = Box(KEY)

    assert box.seal(b"value", AD) != box.seal(b"value", AD)


@pytest.mark.parametrize(
    "elsewhere",
    [
        row_ad("gunma", "replicas", "body", "17", 3),
        row_ad("nagaoka", "answers", "body", "17", 3),
        row_ad("nagaoka", "replicas", "subject", "17", 3),
        row_ad("nagaoka", "replicas", "body", "18", 3),
        row_ad("nagaoka", "replicas", "body", "17", 4),
    ],
    ids=["organisation", "table", "column", "row", "generation"],
)
def test_a_value_moved_to_another_place_does_not_open(elsewhere: bytes) -> None:
    box = Box(KEY)

    with pytest.raises(KeyStoreError) as refused:
        box.open(box.seal(b"value", AD), elsewhere)

    assert refused.value.reason == "box-does-not-open"


def test_no_two_places_read_alike() -> None:
    assert row_ad("a", "b", "c", "1\x002", 3) != row_ad("a", "b", "c", "1", 23)
    assert row_ad("a", "b", "c", "1\x002", 3) != row_ad("a", "b", "c", "1", 2)
    assert row_ad("ab", "", "c", "1", 2) != row_ad("a", "b", "c", "1", 2)


def test_one_changed_byte_is_found() -> None:
    box = Box(KEY)
    sealed = box.seal(b"value", AD)

    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(KeyStoreError):
            box.open(bytes(changed), AD)


def test_another_key_does_not_open() -> None:
    sealed = Box(KEY).seal(b"value", AD)

    with pytest.raises(KeyStoreError) as refused:
        Box(SecretKey("storage/replicas/2027", b"l" * 32)).open(sealed, AD)

    assert refused.value.reason == "box-does-not-open"


def test_bytes_shorter_than_any_box_are_refused() -> None:
    with pytest.raises(KeyStoreError) as refused:
        Box(KEY).open(b"x" * 27, AD)

    assert refused.value.reason == "box-too-short"


def test_a_key_of_another_length_makes_no_box() -> None:
    with pytest.raises(KeyStoreError) as refused:
        Box(SecretKey("column/own", b"k" * 64))

    assert refused.value.reason == "key-length"


def test_a_blind_index_depends_on_month_field_and_value() -> None:
    month = SecretKey("month/2026-07", b"m" * 32)
    other = SecretKey("month/2026-08", b"n" * 32)

    found = {
        blind_index(month, "subject", b"value"),
        blind_index(other, "subject", b"value"),
        blind_index(month, "staff", b"value"),
        blind_index(month, "subject", b"other"),
    }

    assert len(found) == 4
    assert blind_index(month, "subject", b"value") == blind_index(month, "subject", b"value")


def test_a_blind_index_stays_as_it_was() -> None:
    key = SecretKey("month/2026-07", bytes(range(32)))

    assert blind_index(key, "subject", b"value").hex() == (
        "12878670c1d692a25d2c262eafb67fda00d60e32d93041cd05c27435caa2f82a"
    )


def test_secrets_print_masked_and_compare() -> None:
    assert "kkkk" not in repr(KEY) + repr(Box(KEY))
    assert repr(KEY) == "SecretKey(storage/replicas/2026, masked)"
    assert repr(Box(KEY)) == "Box(storage/replicas/2026, masked)"
    assert SecretKey("storage/replicas/2026", b"k" * 32) == KEY
    assert len({KEY, SecretKey("storage/replicas/2026", b"k" * 32)}) == 1
    assert SecretKey("storage/replicas/2026", b"l" * 32) != KEY
    assert SecretKey("storage/replicas/2027", b"k" * 32) != KEY
    assert KEY != b"k" * 32
