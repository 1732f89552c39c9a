"""Bytes to message types and back: strict in, compact out; a refusal never repeats what came."""

import re
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from codes.canonical import INTEGER_MAX
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
    if len(raw) <= bytes_max:
        own = _read_own(raw, type_)
        if own is not None:
            return own
    try:
        value = load_strict(raw, bytes_max=bytes_max)
    except CodesError as refusal:
        # `from None`: the original exception may carry what was sent.
        raise MalformedJsonError("body: no strict JSON", reason=refusal.reason) from None
    return shape(value, type_)


def _read_own(raw: bytes, type_: type[T]) -> T | None:
    """Return a message written just as we would write it, which leaves nothing to be strict about.

    Bytes that come out again the same hold no member twice, no second spelling and no number that
    was rounded; an escape may hold U+0000 or half of a pair and is looked at the longer way. That
    way also finds the words for everything refused here.
    """
    decoder = own_decoder(type_)
    if decoder is None or b"\\u" in raw:
        return None
    try:
        message = decoder.decode(raw)
        return message if _ENCODER.encode(message) == raw else None
    except (msgspec.MsgspecError, CodesError, UnicodeError, RecursionError):
        return None


def own_decoder(type_: type[T]) -> msgspec.json.Decoder[T] | None:
    """Return a type's decoder, if the type itself keeps integers in the range of all readers."""
    if type_ not in _OWN_DECODERS:
        is_bounded = _has_bounds(inspect.type_info(type_), set())
        _OWN_DECODERS[type_] = msgspec.json.Decoder(type_) if is_bounded else None
    return _OWN_DECODERS[type_]


_OWN_DECODERS: Final[dict[Any, msgspec.json.Decoder[Any] | None]] = {}


def _has_bounds(info: object, seen: set[type]) -> bool:
    """Tell whether no integer of a type can be one that some reader would round."""
    if isinstance(info, inspect.IntType):
        return info.ge is not None and info.le is not None and info.le <= INTEGER_MAX
    if isinstance(info, inspect.AnyType | inspect.RawType | inspect.CustomType):
        return False
    if isinstance(info, inspect.StructType):
        if info.cls in seen:
            return True
        seen.add(info.cls)
    parts: list[Any] = []  # Any: what a type is made of, whichever it is
    for name in ("fields", "types", "item_types"):
        parts += getattr(info, name, ())
    parts += [getattr(info, name, None) for name in ("type", "item_type", "key_type", "value_type")]
    return all(_has_bounds(part, seen) for part in parts if part is not None)


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
