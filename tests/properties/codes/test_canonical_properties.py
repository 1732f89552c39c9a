import json
from datetime import datetime

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from codes.canonical import (
    DEPTH_MAX,
    b64,
    canonical_json,
    instant,
    parse_canonical,
    parse_instant,
    unb64,
)
from codes.errors import CanonicalError, CodesError
from codes.strict_json import StrictJsonError, load_strict

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=8)
VALUES = st.recursive(
    TEXTS | st.integers(0, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(OBJECTS)
def test_the_bytes_are_those_of_rfc_8785(value: dict[str, object]) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(OBJECTS)
def test_what_was_written_is_read_back(value: dict[str, object]) -> None:
    raw = canonical_json(value)

    assert parse_canonical(raw) == value
    assert load_strict(raw, bytes_max=len(raw)) == value


@given(value=OBJECTS, ascii_only=st.booleans(), spaced=st.booleans())
def test_every_other_spelling_of_the_same_value_is_refused(
    value: dict[str, object], *, ascii_only: bool, spaced: bool
) -> None:
    other = json.dumps(
        value, ensure_ascii=ascii_only, separators=(", ", ": ") if spaced else (",", ":")
    ).encode()

    if other == canonical_json(value):
        assert parse_canonical(other) == value
    else:
        with pytest.raises(CanonicalError):
            parse_canonical(other)


@given(ANY_JSON)
def test_any_value_is_written_as_rfc_8785_says_or_refused(value: object) -> None:
    try:
        raw = canonical_json(value)
    except CanonicalError:
        return
    assert raw == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(st.binary(max_size=80))
def test_reading_any_bytes_gives_a_value_or_a_refusal(raw: bytes) -> None:
    try:
        value = parse_canonical(raw)
    except CanonicalError:
        return
    assert canonical_json(value) == raw


@given(ANY_JSON)
def test_strict_reading_agrees_with_the_standard_library_or_refuses(value: object) -> None:
    raw = json.dumps(value).encode()

    try:
        read = load_strict(raw, bytes_max=len(raw))
    except StrictJsonError:
        return
    assert read == json.loads(raw)


@given(st.text(alphabet='[]{}"\\,:1a ', max_size=60))
def test_strict_reading_accepts_no_more_than_the_standard_library(text: str) -> None:
    try:
        read = load_strict(text.encode(), bytes_max=1000, depth_max=3)
    except StrictJsonError:
        return
    assert read == json.loads(text)
    assert depth(read) <= 3


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(st.integers(0, 40), st.integers(0, 40))
def test_depth_is_counted_exactly(lists: int, objects: int) -> None:
    raw = b"[" * lists + b'{"a":' * objects + b'"[{"' + b"}" * objects + b"]" * lists

    if lists + objects <= DEPTH_MAX:
        assert depth(load_strict(raw, bytes_max=1000)) == lists + objects
    else:
        with pytest.raises(StrictJsonError) as refused:
            load_strict(raw, bytes_max=1000)
        assert refused.value.reason == "too-deep"


@given(st.binary(max_size=100))
def test_bytes_round_trip(raw: bytes) -> None:
    assert unb64(b64(raw)) == raw
    assert "=" not in b64(raw)


@given(st.text(alphabet="AQgw-_+/= \n8", max_size=12))
def test_bytes_have_one_spelling(text: str) -> None:
    try:
        raw = unb64(text)
    except CodesError:
        return
    assert b64(raw) == text


@given(st.datetimes(timezones=st.timezones()))
def test_instants_round_trip_to_the_millisecond(moment: datetime) -> None:
    try:
        text = instant(moment)
    except OverflowError:
        return
    again = parse_instant(text)
    assert 0 <= (moment - again).total_seconds() < 0.001
    assert instant(again) == text
