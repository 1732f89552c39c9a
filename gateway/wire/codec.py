"""Bytes to message types and back: strict in, compact out; a refusal never repeats what came."""

import re
from typing import Final, TypeVar

import msgspec

from codes.errors import CodesError
from codes.strict_json import load_strict
from gateway.errors import InvalidBodyError, MalformedJsonError
from gateway.wire.fields import BODY_BYTES_MAX

T = TypeVar("T")

_PLACE: Final = re.compile(r"`\$(?P<path>[^`]*)`$")
_STEP: Final = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]")
_ENCODER: Final = msgspec.json.Encoder()


def encode_json(message: object) -> bytes:
    """Return the message as compact JSON."""
    return _ENCODER.encode(message)


def decode_json(raw: bytes, type_: type[T], *, bytes_max: int = BODY_BYTES_MAX) -> T:
    """Return strict JSON as `type_`, or raise `MalformedJsonError` or `InvalidBodyError`."""
    try:
        value = load_strict(raw, bytes_max=bytes_max)
    except CodesError as refusal:
        # `from None`: the original exception may carry what was sent.
        raise MalformedJsonError("body: no strict JSON", reason=refusal.reason) from None
    return shape(value, type_)


def shape(value: object, type_: type[T], *, from_text: bool = False) -> T:
    """Return JSON values as `type_`, or raise `InvalidBodyError` with the pointer to the place."""
    try:
        return msgspec.convert(value, type_, strict=not from_text)
    except msgspec.ValidationError as error:
        raise InvalidBodyError("body: another shape", pointer=pointer_of(error)) from None
    except CodesError as refusal:
        raise InvalidBodyError(f"body: {refusal.reason}") from None


def pointer_of(error: msgspec.ValidationError) -> str:
    """Return the JSON pointer (RFC 6901) to the place an error speaks of, never the value.

    A member with a name of the sender's choosing ends the pointer at its object.
    """
    place = _PLACE.search(str(error))
    if place is None:
        return ""
    path, pointer, at = place["path"], "", 0
    while step := _STEP.match(path, at):
        pointer += "/" + (step["name"] or step["index"])
        at = step.end()
    return pointer
