"""Strict readers of JSON members: the right names and types, or a refusal that says which."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from certs.errors import DocumentError
from codes.canonical import parse_instant, unb64
from codes.errors import MalformedError

TEXT_LENGTH_MAX: Final = 300
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def read_members(
    value: object,
    *,
    required: set[str] | frozenset[str],
    optional: set[str] | frozenset[str] = frozenset(),
    where: str,
) -> dict[str, object]:
    """Return `value` as an object with exactly these members, or raise `DocumentError`."""
    if not isinstance(value, dict):
        raise DocumentError("wrong-type", f"{where}: not an object")
    names = set(value)
    if missing := required - names:
        raise DocumentError("member-missing", f"{where}: {min(missing)}")
    if names - required - optional:
        raise DocumentError("unknown-member", where)
    return value


def read_text(members: Mapping[str, object], name: str) -> str:
    """Return the string member `name`, or raise `DocumentError`."""
    value = members[name]
    if not isinstance(value, str):
        raise DocumentError("wrong-type", f"{name}: not a string")
    return value


def read_integer(members: Mapping[str, object], name: str, *, low: int, high: int) -> int:
    """Return the integer member `name` within [low, high], or raise `DocumentError`."""
    value = members[name]
    if type(value) is not int:
        raise DocumentError("wrong-type", f"{name}: not an integer")
    if not low <= value <= high:
        raise DocumentError("out-of-range", f"{name}: {low} to {high}")
    return value


def read_list(members: Mapping[str, object], name: str, *, longest: int) -> list[object]:
    """Return the array member `name` of at most `longest` parts, or raise `DocumentError`."""
    value = members[name]
    if not isinstance(value, list):
        raise DocumentError("wrong-type", f"{name}: not an array")
    if len(value) > longest:
        raise DocumentError("too-many", f"{name}: at most {longest}")
    return value


def read_bytes(members: Mapping[str, object], name: str) -> bytes:
    """Return the bytes of the base64url member `name`, or raise `DocumentError`."""
    try:
        return unb64(read_text(members, name))
    except MalformedError as error:
        raise DocumentError(error.reason, name) from error


def read_name(members: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str:
    """Return the string member `name` if it matches `pattern` fully, or raise `DocumentError`."""
    text = read_text(members, name)
    if not pattern.fullmatch(text):
        raise DocumentError("name-malformed", name)
    return text


def read_instant(members: Mapping[str, object], name: str) -> datetime:
    """Return the UTC instant member `name`, or raise `DocumentError`."""
    try:
        return parse_instant(read_text(members, name))
    except MalformedError as error:
        raise DocumentError(error.reason, name) from error


def read_day(members: Mapping[str, object], name: str) -> date:
    """Return the day member `name` (`2026-07-01`), or raise `DocumentError`."""
    text = read_name(members, name, _DAY)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise DocumentError("day", name) from error


def read_label(members: Mapping[str, object], name: str) -> str:
    """Return the string member `name` of 1 to 300 characters, or raise `DocumentError`."""
    text = read_text(members, name)
    if not 1 <= len(text) <= TEXT_LENGTH_MAX:
        raise DocumentError("text-length", f"{name}: 1 to {TEXT_LENGTH_MAX} characters")
    return text
