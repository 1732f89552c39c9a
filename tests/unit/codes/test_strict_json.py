import pytest

from codes.strict_json import StrictJsonError, load_strict


def load(raw: bytes, *, bytes_max: int = 1 << 20) -> object:
    return load_strict(raw, bytes_max=bytes_max)


def test_ordinary_json_of_any_spelling_is_read() -> None:
    raw = b' {"b": [1, -2, 1.5, true, false, null, "\\u00e9\\ud83d\\ude00"], "a": {"a": ""}}\n'

    assert load(raw) == {"b": [1, -2, 1.5, True, False, None, "é😀"], "a": {"a": ""}}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"a":1,"a":2}', "duplicate-member"),
        (b'[{"a":{"b":1,"\\u0062":2}}]', "duplicate-member"),
        (b'{"a":"\\u0000"}', "nul-character"),
        (b'{"\\u0000":1}', "nul-character"),
        (b'[["x",{"a":["\\u0000"]}]]', "nul-character"),
        (b'"\\ud800"', "lone-surrogate"),
        (b'"\\uDFFF"', "lone-surrogate"),
        (b'{"\\uDb00x":1}', "lone-surrogate"),
        (b'"\\ud83d\\ude00\\ud83d"', "lone-surrogate"),
        (b"\xef\xbb\xbf1", "byte-order-mark"),
        (b'"\xff"', "not-utf-8"),
        (b'"\xed\xa0\x80"', "not-utf-8"),
        (b'"\xc0\x80"', "not-utf-8"),
        ('{"a":1}'.encode("utf-16-le"), "not-json"),
        (b"NaN", "not-json"),
        (b"[Infinity]", "not-json"),
        (b'{"a":-Infinity}', "not-json"),
        (b'"\0"', "not-json"),
        (b'"\n"', "not-json"),
        (b"", "not-json"),
        (b"{} {}", "not-json"),
        (b"[1,]", "not-json"),
        (b"{'a':1}", "not-json"),
        (b"01", "not-json"),
        (b"1e999", "number-out-of-range"),
        (b"-1e999", "number-out-of-range"),
        (b"9007199254740992", "number-out-of-range"),
        (b"-9007199254740992", "number-out-of-range"),
        (b"9" * 5000, "number-out-of-range"),
        (b"[" * 17 + b"]" * 17, "too-deep"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "too-deep"),
        (b"[" * 500_000, "too-deep"),
        (b'[{"a":' * 300_000, "too-deep"),
        (b'["\\"",' + b"[" * 17 + b"]" * 17 + b"]", "too-deep"),
        (b'["\\\\",' + b"[" * 17 + b"]" * 17 + b"]", "too-deep"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(StrictJsonError) as refused:
        load(raw, bytes_max=1 << 22)

    assert refused.value.reason == reason


def test_the_limits_themselves_still_pass() -> None:
    assert load(b"[" * 16 + b"]" * 16)
    assert load(b"9007199254740991") == 2**53 - 1
    assert load(b"-9007199254740991") == -(2**53) + 1
    assert load(b"[1]", bytes_max=3) == [1]


def test_a_body_over_its_limit_is_not_even_parsed() -> None:
    with pytest.raises(StrictJsonError) as refused:
        load(b"[1 ]", bytes_max=3)

    assert refused.value.reason == "too-large"


def test_brackets_inside_strings_are_not_levels() -> None:
    assert load(b'["' + b"[{" * 100 + b'","\\"[[[[[[[[[[[[[[[[[[[[","\\\\"]')
    assert load(b"[" + b"[]," * 100 + b"{}]")


def test_a_text_that_only_looks_like_an_escape_is_kept() -> None:
    assert load(b'"\\\\u0000 \\\\ud800"') == "\\u0000 \\ud800"
    assert load(b'[1, "\\\\u0000", {"a": "\\\\u0000"}]') == [1, "\\u0000", {"a": "\\u0000"}]


def test_a_refusal_never_repeats_the_body() -> None:
    for raw in (b'{"secret" 1}', b'"secret\xff"', b'"secret\\ud800"'):
        with pytest.raises(StrictJsonError) as refused:
            load(raw)

        assert "secret" not in repr(refused.value)
        assert refused.value.__cause__ is None
