from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from codes.canonical import (
    DEPTH_MAX,
    ENTRY_BYTES_MAX,
    b64,
    canonical_json,
    instant,
    parse_canonical,
    parse_instant,
    tokyo_day,
    tokyo_month,
    unb64,
)
from codes.errors import CanonicalError, MalformedError


def nested(levels: int) -> object:
    value: object = "leaf"
    for level in range(levels):
        value = [value] if level % 2 else {"m": value}
    return value


def test_members_are_sorted_and_nothing_stands_between_them() -> None:
    assert canonical_json({"b": [1, {}], "a": "長"}) == '{"a":"長","b":[1,{}]}'.encode()
    assert canonical_json("a") == b'"a"'


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": 1.0}, "type-not-allowed"),
        ({"a": True}, "type-not-allowed"),
        ([False], "type-not-allowed"),
        ({"a": None}, "type-not-allowed"),
        ({"a": b"bytes"}, "type-not-allowed"),
        ({"a": ("tuple",)}, "type-not-allowed"),
        ({"a": datetime(2026, 7, 1, tzinfo=UTC)}, "type-not-allowed"),
        (0.5, "type-not-allowed"),
        ({"a": -1}, "integer-out-of-range"),
        ({"a": 2**53}, "integer-out-of-range"),
        ({"長": 1}, "member-name"),
        ({1: "a"}, "member-name"),
        ({"a": "\ud800"}, "lone-surrogate"),
        ({"a": ["x", {"b": "\0"}]}, "nul-character"),
        ({"a\0": "b"}, "nul-character"),
        ({"a": "x" * ENTRY_BYTES_MAX}, "too-large"),
        (nested(DEPTH_MAX + 1), "too-deep"),
    ],
)
def test_a_value_without_a_canonical_form_is_refused(value: object, reason: str) -> None:
    with pytest.raises(CanonicalError) as refused:
        canonical_json(value)

    assert refused.value.reason == reason


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)

    with pytest.raises(CanonicalError) as refused:
        canonical_json(loop)

    assert refused.value.reason == "too-deep"


def test_the_largest_integer_and_the_deepest_value_pass() -> None:
    assert canonical_json({"n": 2**53 - 1, "z": 0}) == b'{"n":9007199254740991,"z":0}'
    assert canonical_json(nested(DEPTH_MAX))


def test_the_largest_size_passes_and_a_caller_may_set_another() -> None:
    frame = len(b'{"a":""}')

    raw = canonical_json({"a": "x" * (ENTRY_BYTES_MAX - frame)})

    assert len(raw) == ENTRY_BYTES_MAX
    assert parse_canonical(raw)
    assert canonical_json({"a": "x" * ENTRY_BYTES_MAX}, bytes_max=ENTRY_BYTES_MAX + frame)


def test_text_that_only_looks_like_an_escaped_nul_is_kept() -> None:
    raw = canonical_json({"a": ["\\u0000", 1, {"b": "\\\\u0000"}]})

    assert parse_canonical(raw) == {"a": ["\\u0000", 1, {"b": "\\\\u0000"}]}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"a":1} ', "not-canonical"),
        (b'{"a": 1}', "not-canonical"),
        (b'{"b":1,"a":1}', "not-canonical"),
        (b'{"a":1,"a":1}', "not-canonical"),
        (b'{"a":1,"a":2}', "not-canonical"),
        (b'{"a":"\\u0061"}', "not-canonical"),
        (b'{"a":"\\/"}', "not-canonical"),
        (b'{"a":"\\u001F"}', "not-canonical"),
        (b'{"a":-0}', "not-canonical"),
        (b'{"a":1e2}', "type-not-allowed"),
        (b'{"a":1.0}', "type-not-allowed"),
        (b'{"a":true}', "type-not-allowed"),
        (b'{"a":null}', "type-not-allowed"),
        (b'{"a":-1}', "integer-out-of-range"),
        (b'{"a":9007199254740992}', "integer-out-of-range"),
        (b'{"a":"\\u0000"}', "nul-character"),
        (b'{"\\u0000":"a"}', "nul-character"),
        ('{"é":1}'.encode(), "member-name"),
        (b'{"a":"\\ud800"}', "not-json"),
        (b'{"a":"\xed\xa0\x80"}', "not-json"),
        (b'{"a":"\xff"}', "not-json"),
        (b'\xef\xbb\xbf{"a":1}', "not-json"),
        (b'{"a":1}{}', "not-json"),
        (b'{"a":NaN}', "not-json"),
        (b'{"a":01}', "not-json"),
        (b"", "not-json"),
        (b"[]", "not-an-object"),
        (b'"a"', "not-an-object"),
        (b"[" * 60_000, "too-deep"),
        (b'{"a":' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}", "too-deep"),
        (b'{"a":"' + b"x" * ENTRY_BYTES_MAX + b'"}', "too-large"),
    ],
)
def test_bytes_that_are_not_canonical_are_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(CanonicalError) as refused:
        parse_canonical(raw)

    assert refused.value.reason == reason


def test_a_refusal_never_repeats_the_text() -> None:
    for raw in (b'{"a":"secret\\ud800"}', b'{"a":"secret\xff"}', b'{"secret": 1}'):
        with pytest.raises(CanonicalError) as refused:
            parse_canonical(raw)

        assert "secret" not in repr(refused.value)
        assert refused.value.__cause__ is None


def test_bytes_are_written_without_padding_and_read_back() -> None:
    assert b64(b"\xfb\xff") == "-_8"
    assert unb64("-_8") == b"\xfb\xff"
    assert unb64("") == b""


@pytest.mark.parametrize("text", ["-_8=", "+/8", "-_9", "A", "-_ 8", "-_8\n", "é", "A===", "-_8*"])
def test_a_second_spelling_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as refused:
        unb64(text)

    assert refused.value.reason == "base64url"


def test_an_instant_is_written_in_utc_with_milliseconds() -> None:
    tokyo = timezone(timedelta(hours=9))

    assert instant(datetime(2026, 7, 1, 9, 0, 0, 999, tzinfo=tokyo)) == "2026-07-01T00:00:00.000Z"
    assert parse_instant("2026-07-01T00:00:00.123Z") == datetime(
        2026, 7, 1, 0, 0, 0, 123_000, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-01T00:00:00Z",
        "2026-07-01T00:00:00.000+00:00",
        "2026-07-01 00:00:00.000Z",
        "2026-02-30T00:00:00.000Z",
        "2026-07-01T24:00:00.000Z",
        "2026-07-01T00:00:60.000Z",
        "9999-12-31T15:00:00.000Z",
        "2026-07-01T00:00:00.000Z\n",
        "２026-07-01T00:00:00.000Z",
    ],
)
def test_any_other_spelling_of_an_instant_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_instant(text)

    assert refused.value.reason == "instant"


def test_a_moment_without_a_time_zone_is_refused() -> None:
    naive = datetime(2026, 7, 1)  # noqa: DTZ001  # what is tested

    for function in (instant, tokyo_day, tokyo_month):
        with pytest.raises(MalformedError) as refused:
            function(naive)

        assert refused.value.reason == "instant"


def test_days_and_months_turn_at_midnight_in_japan() -> None:
    before = datetime(2026, 6, 30, 14, 59, 59, tzinfo=UTC)
    after = before + timedelta(seconds=1)

    assert (tokyo_day(before), tokyo_day(after)) == (date(2026, 6, 30), date(2026, 7, 1))
    assert (tokyo_month(before), tokyo_month(after)) == ("2026-06", "2026-07")
