"""An entry of the record log: its public part is the leaf, its private part only committed to.

Building and parsing are strict both ways: what does not come back as the same bytes, or does not
fit its kind, is refused (PROTOCOL §0, §2).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from hmac import compare_digest
from typing import Final, get_type_hints

import msgspec

from certs.terms import Day, Instant, has_controls
from codes.canonical import b64, canonical_json, parse_canonical, parse_instant, unb64
from codes.effort import counted
from codes.errors import CodesError
from gateway.records.errors import RecordsError
from gateway.records.kinds import COMMON, ENTRY_VERSION, KINDS, Public
from gateway.records.tree import leaf_hash

ENTRY_BYTES_MAX: Final = 65_535
PRIVATE_BYTES_MAX: Final = 512 * 1024
SALT_BYTES: Final = 32
CODE_BYTES: Final = 32
SALT: Final = "salt"

_SUBJECT: Final = b"sekisho/subject/v1\x00"
_PAYLOAD: Final = b"sekisho/payload/v1\x00"
_PRIVATE: Final = b"sekisho/private/v1\x00"
_WHERE: Final = re.compile(r"at `(\$[^`]*)`$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry ready to be appended: the leaf's bytes and the plaintext of its private part."""

    raw: bytes = field(repr=False)
    public: Public = field(repr=False)
    private_plaintext: bytes = field(repr=False)

    @property
    def leaf_hash(self) -> bytes:
        """Return the hash of its leaf."""
        return leaf_hash(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedEntry:
    """An entry as it came: its bytes, its leaf hash and its typed public part."""

    raw: bytes = field(repr=False)
    leaf_hash: bytes
    public: Public = field(repr=False)


def build_entry(
    *,
    kind: str,
    members: Mapping[str, object],
    private: Mapping[str, object],
    entry_id: str,
    time: str,
    organisation: str,
    slot: int,
    salt: bytes,
) -> Entry:
    """Return the entry of these members; members that are None count as absent.

    `salt` are 32 fresh random bytes; they go into the private part.

    Raises:
        RecordsError: unknown-kind, reserved-member, bad-entry, bad-salt, bad-private,
            entry-too-large, private-too-large.
    """
    plaintext = build_private(private, salt=salt)
    document = _document(
        kind,
        members,
        entry_id=entry_id,
        time=time,
        organisation=organisation,
        slot=slot,
        private=private_commitment(plaintext).hex(),
    )
    public = _convert(document)
    return Entry(raw=_encode(public), public=public, private_plaintext=plaintext)


def check_members(kind: str, members: Mapping[str, object]) -> None:
    """Refuse members that no entry of this kind could carry, before anything is queued.

    Raises:
        RecordsError: unknown-kind, reserved-member, bad-entry, entry-too-large.
    """
    _encode(
        _convert(
            _document(
                kind,
                members,
                entry_id="0" * 32,
                time="2000-01-01T00:00:00.000Z",
                organisation="-".join(["x"] * 32),
                slot=0,
                private="0" * 64,
            )
        )
    )


def with_members(public: Public, members: Mapping[str, object]) -> Public:
    """Return the public part as it would read with other members, under the rules of its kind.

    Raises:
        RecordsError: reserved-member, bad-entry, entry-too-large.
    """
    if not COMMON.isdisjoint(members):
        raise RecordsError("reserved-member", public.kind)
    changed = _convert({**msgspec.to_builtins(public), **members})
    _encode(changed)
    return changed


def parse_entry(raw: bytes) -> ParsedEntry:
    """Return the entry written in these bytes, which is the only way to write it.

    Raises:
        RecordsError: entry-too-large, unknown-kind, bad-entry, not-canonical.
    """
    if len(raw) > ENTRY_BYTES_MAX:
        raise RecordsError("entry-too-large")
    try:
        kind = _KIND.decode(raw).kind
        if kind not in _DECODERS:
            raise RecordsError("unknown-kind")
        public = _DECODERS[kind].decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _bad_entry(error) from None
    _check_calendar(public)
    if _encode(public) != raw:
        raise RecordsError("not-canonical")
    return ParsedEntry(raw=raw, leaf_hash=leaf_hash(raw), public=public)


def build_private(members: Mapping[str, object], *, salt: bytes) -> bytes:
    """Return the plaintext of a private part: canonical JSON with its 32-byte salt.

    Raises:
        RecordsError: bad-salt, reserved-member, bad-private, private-too-large.
    """
    if len(salt) != SALT_BYTES:
        raise RecordsError("bad-salt")
    if SALT in members:
        raise RecordsError("reserved-member", SALT)
    try:
        return canonical_json({**members, SALT: b64(salt)}, bytes_max=PRIVATE_BYTES_MAX)
    except CodesError as error:
        reason = "private-too-large" if error.reason == "too-large" else "bad-private"
        raise RecordsError(reason, error.reason) from None


def open_private(plaintext: bytes, commitment: str) -> dict[str, object]:
    """Return the members of a private part (its salt left out) that the entry committed to.

    Raises:
        RecordsError: private-mismatch, bad-private, bad-salt.
    """
    if not compare_digest(private_commitment(plaintext).hex(), commitment):
        raise RecordsError("private-mismatch")
    try:
        members = parse_canonical(plaintext, bytes_max=PRIVATE_BYTES_MAX)
        salt = unb64(str(members.pop(SALT, "")))
    except CodesError as error:
        raise RecordsError("bad-private", error.reason) from None
    if len(salt) != SALT_BYTES:
        raise RecordsError("bad-salt")
    return members


@counted("subject_commitment")
def subject_commitment(salt: bytes, code: bytes) -> bytes:
    """Return the 32-byte commitment to a person's network code (PROTOCOL §2, `subject`).

    Raises:
        RecordsError: bad-salt, bad-code unless both are 32 bytes.
    """
    if len(salt) != SALT_BYTES:
        raise RecordsError("bad-salt")
    if len(code) != CODE_BYTES:
        raise RecordsError("bad-code")
    return sha256(_SUBJECT + salt + code).digest()


@counted("payload_commitment")
def payload_commitment(salt: bytes, payload: bytes) -> bytes:
    """Return the 32-byte commitment to an answer's payload (PROTOCOL §2, `payload`).

    Raises:
        RecordsError: bad-salt unless it is 32 bytes.
    """
    if len(salt) != SALT_BYTES:
        raise RecordsError("bad-salt")
    return sha256(_PAYLOAD + salt + payload).digest()


@counted("private_commitment")
def private_commitment(plaintext: bytes) -> bytes:
    """Return the 32-byte commitment to a private part's plaintext (PROTOCOL §2, `private`)."""
    return sha256(_PRIVATE + plaintext).digest()


class _Kind(msgspec.Struct, frozen=True):
    kind: str


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_KIND: Final = msgspec.json.Decoder(_Kind)
_DECODERS: Final = {kind: msgspec.json.Decoder(shape) for kind, shape in KINDS.items()}


def _checks_of(shape: type[Public]) -> tuple[tuple[str, Callable[[str], object]], ...]:
    """Return the members of a shape that are instants or days, each with its reader."""
    readers: dict[object, Callable[[str], object]] = {
        Instant: parse_instant,
        Instant | None: parse_instant,  # pyright: ignore[reportOperatorIssue]  # Annotated has |
        Day: date.fromisoformat,
        Day | None: date.fromisoformat,  # pyright: ignore[reportOperatorIssue]  # the same
    }
    hints = get_type_hints(shape, include_extras=True)
    return tuple((name, readers[hint]) for name, hint in hints.items() if hint in readers)


_CALENDAR: Final = {shape: _checks_of(shape) for shape in set(KINDS.values())}


def _document(
    kind: str,
    members: Mapping[str, object],
    *,
    entry_id: str,
    time: str,
    organisation: str,
    slot: int,
    private: str,
) -> dict[str, object]:
    if not COMMON.isdisjoint(members):
        raise RecordsError("reserved-member", kind)
    return {
        **members,
        "v": ENTRY_VERSION,
        "id": entry_id,
        "kind": kind,
        "time": time,
        "organisation": organisation,
        "slot": slot,
        "private": private,
    }


def _convert(document: Mapping[str, object]) -> Public:
    shape = KINDS.get(str(document["kind"]))
    if shape is None:
        raise RecordsError("unknown-kind")
    try:
        public = msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise _bad_entry(error) from None
    _check_calendar(public)
    return public


def _check_calendar(public: Public) -> None:
    for name, read in _CALENDAR[type(public)]:
        text = getattr(public, name)
        if text is not None:
            try:
                read(text)
            except ValueError:
                raise RecordsError("bad-entry", f"$.{name}") from None


def _encode(public: Public) -> bytes:
    try:
        raw = _ENCODER.encode(public)
    except UnicodeEncodeError:
        raise RecordsError("bad-entry", "lone surrogate") from None
    if len(raw) > ENTRY_BYTES_MAX:
        raise RecordsError("entry-too-large")
    if has_controls(raw):
        raise RecordsError("bad-entry", "control character")
    return raw


def _bad_entry(error: Exception) -> RecordsError:
    """Return the refusal with the place of the fault, never its value."""
    where = _WHERE.search(str(error))
    return RecordsError("bad-entry", where[1] if where else "")
