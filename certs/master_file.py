"""The wrapped master key as a file: small, versioned, and read strictly.

Canonical JSON of how it is wrapped, the wrapped bytes, and a digest over all of it. The digest
tells a damaged file from a wrong passphrase and proves nothing; what proves is the AES-256-GCM
tag, which covers every member. The file is worth nothing without the passphrase or the token.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from certs.errors import KeyMaterialError
from certs.key_files import read_private
from certs.master_key import MASTER_KEY_BYTES, MASTER_KEY_ID_CHARACTERS
from codes.canonical import b64, canonical_json, parse_canonical, unb64
from codes.errors import CodesError

FORMAT: Final = "sekisho-master-key/1"
WRAPPED_BYTES: Final = 12 + MASTER_KEY_BYTES + 16  # nonce, ciphertext, tag

Source = Literal["file", "passphrase", "pkcs11"]
WrappedSource = Literal["passphrase", "pkcs11"]

_SOURCES: Final[Mapping[str, WrappedSource]] = {"passphrase": "passphrase", "pkcs11": "pkcs11"}
_MEMBERS: Final = frozenset({"check", "format", "key_id", "source", "wrapped", "wrapping"})
_KEY_ID: Final = re.compile(rf"[0-9a-f]{{{MASTER_KEY_ID_CHARACTERS}}}", re.ASCII)
_AD_LABEL: Final = b"sekisho/master-key-file/v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Everything in the file but the wrapped key: whose it is and how to unwrap it."""

    source: WrappedSource
    key_id: str
    wrapping: Mapping[str, object]

    @property
    def ad(self) -> bytes:
        """Return what the wrapped key is bound to."""
        return _AD_LABEL + canonical_json(self.members())

    def members(self) -> dict[str, object]:
        """Return the members of the file that this is."""
        return {
            "format": FORMAT,
            "key_id": self.key_id,
            "source": self.source,
            "wrapping": dict(self.wrapping),
        }


@dataclass(frozen=True, slots=True)
class WrappedMasterKey:
    """A master key as it lies on disk."""

    header: Header
    wrapped: bytes

    @classmethod
    def parse(cls, content: bytes, *, name: str) -> Self:
        """Return what stands in a file, or raise `KeyMaterialError` naming the file.

        Reasons: `master-key-malformed` (another shape), `master-key-format` (another version),
        `master-key-damaged` (the digest does not fit).
        """
        try:
            document = parse_canonical(content.removesuffix(b"\n"))
        except CodesError as error:
            raise KeyMaterialError("master-key-malformed", f"{name}: {error.reason}") from None
        if document.get("format") != FORMAT:
            raise KeyMaterialError("master-key-format", f"{name}: expected {FORMAT}")
        if document.keys() != _MEMBERS:
            raise KeyMaterialError("master-key-malformed", f"{name}: unknown or missing members")
        if document["check"] != _digest(document):
            raise KeyMaterialError("master-key-damaged", f"{name}: the digest does not fit")
        return cls(_header(document, name), _wrapped(document, name))

    @classmethod
    def read(cls, path: Path, *, source: WrappedSource) -> Self:
        """Return the wrapped key in a file of mode 0600, or raise `KeyMaterialError`.

        `master-key-source` where the file was made for another source.
        """
        found = cls.parse(read_private(path), name=path.name)
        if found.header.source != source:
            raise KeyMaterialError(
                "master-key-source", f"{path.name} is for {found.header.source}, not {source}"
            )
        return found

    def to_bytes(self) -> bytes:
        """Return the file."""
        document = {**self.header.members(), "wrapped": b64(self.wrapped)}
        return canonical_json({**document, "check": _digest(document)}) + b"\n"


def _header(document: Mapping[str, object], name: str) -> Header:
    source, key_id, wrapping = document["source"], document["key_id"], document["wrapping"]
    if (known := _SOURCES.get(str(source))) is None:
        raise KeyMaterialError("master-key-malformed", f"{name}: source")
    if not (isinstance(key_id, str) and _KEY_ID.fullmatch(key_id)):
        raise KeyMaterialError("master-key-malformed", f"{name}: key_id")
    if not isinstance(wrapping, dict):
        raise KeyMaterialError("master-key-malformed", f"{name}: wrapping")
    return Header(source=known, key_id=key_id, wrapping=wrapping)


def _wrapped(document: Mapping[str, object], name: str) -> bytes:
    try:
        raw = unb64(str(document["wrapped"]))
    except CodesError:
        raw = b""
    if len(raw) != WRAPPED_BYTES:
        raise KeyMaterialError("master-key-malformed", f"{name}: wrapped")
    return raw


def _digest(document: Mapping[str, object]) -> str:
    rest = {name: value for name, value in document.items() if name != "check"}
    return hashlib.sha256(canonical_json(rest)).hexdigest()
