"""Messages are read the short way only where it leads to what the long way leads to."""

import json
from typing import Annotated

import msgspec
import pytest

from gateway.errors import InvalidBodyError, MalformedJsonError, SekishoError
from gateway.wire import codec
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.fields import Message
from gateway.wire.network import (
    DeliveriesRequest,
    NoticesRequest,
    OutcomesRequest,
    PermitsAnswer,
    PermitsRequest,
    ProvisionsAnswer,
    ProvisionsRequest,
)


class Part(Message, frozen=True):
    n: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0
    text: str | None = None


class Whole(Message, frozen=True):
    name: str
    parts: list[Part] = []  # noqa: RUF012  # msgspec copies it


class Loose(Message, frozen=True):
    n: int


class Free(Message, frozen=True):
    members: dict[str, object]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each message was read the short way."""
    taken: list[bool] = []
    read = codec._read_own

    def noting(raw: bytes, type_: type[Whole]) -> Whole | None:
        found = read(raw, type_)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(codec, "_read_own", noting)
    return taken


def test_what_we_wrote_ourselves_is_read_the_short_way(short: list[bool]) -> None:
    whole = Whole(name="長岡市", parts=[Part(n=2**53 - 1), Part(text="a")])

    assert decode_json(encode_json(whole), Whole) == whole
    assert short == [True]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name": "a"}',
        b'{"parts":[{"n":1}],"name":"a"}',
        b'{"name":"a","parts":[]}',
        b'{"name":"\\u0061"}',
    ],
)
def test_another_spelling_is_read_the_long_way(raw: bytes, short: list[bool]) -> None:
    assert decode_json(raw, Whole) == msgspec.convert(json.loads(raw), Whole)
    assert short == [False]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"name":"a","name":"a"}', "duplicate-member"),
        (b'{"name":"\\u0000"}', "nul-character"),
        (b'{"name":"\\ud800"}', "lone-surrogate"),
        (b'\xef\xbb\xbf{"name":"a"}', "byte-order-mark"),
        (b'{"name":"\xff"}', "not-utf-8"),
        (b'{"name":"a","parts":[{"n":9007199254740992}]}', "number-out-of-range"),
        (b'{"name":' + b"[" * 99 + b"]" * 99 + b"}", "too-deep"),
        (b'{"name":"a"', "not-json"),
    ],
)
def test_what_is_no_strict_json_is_none_on_either_way(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedJsonError) as refused:
        decode_json(raw, Whole)

    assert refused.value.reason == reason


def test_a_type_that_lets_integers_grow_is_read_the_long_way(short: list[bool]) -> None:
    with pytest.raises(MalformedJsonError):
        decode_json(b'{"n":9007199254740992}', Loose)
    with pytest.raises(MalformedJsonError):
        decode_json(b'{"members":{"n":9007199254740992}}', Free)

    assert short == [False, False]


def test_a_member_nobody_knows_and_too_many_bytes_are_refused() -> None:
    with pytest.raises(InvalidBodyError):
        decode_json(b'{"name":"a","other":1}', Whole)
    with pytest.raises(SekishoError):
        decode_json(b'{"name":"a"}', Whole, bytes_max=11)


@pytest.mark.parametrize(
    "type_",
    [
        PermitsRequest,
        PermitsAnswer,
        ProvisionsRequest,
        ProvisionsAnswer,
        OutcomesRequest,
        DeliveriesRequest,
        NoticesRequest,
    ],
)
def test_the_messages_of_an_exchange_have_the_short_way(type_: type[msgspec.Struct]) -> None:
    assert codec.own_decoder(type_) is not None
