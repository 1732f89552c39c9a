"""Signed documents (PROTOCOL §0): canonical JSON under an Ed25519 and an ML-DSA-44 signature.

Both signatures of every expected key are required and no other signature is borne. What is
signed is `sekisho/<type>/v1` ‖ 0x00 ‖ canonical JSON of `signed`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from certs.errors import DocumentError, SignatureError
from certs.key_pairs import KeyPair, ed25519_public, mldsa44_public
from certs.members import read_bytes, read_integer, read_members, read_text
from codes.canonical import b64, canonical_json, parse_canonical
from codes.errors import CodesError

DOCUMENT_BYTES_MAX: Final = 8 * 1024 * 1024
TYPES: Final = frozenset({"root", "directory-key", "directory", "key-set", "allow-list"})
ALG_ED25519: Final = "Ed25519"
ALG_MLDSA44: Final = "ML-DSA-44"
ALGS: Final = (ALG_ED25519, ALG_MLDSA44)
SIGNERS_MAX: Final = 2
"""A document bears its own key's signatures and, when that key is new, its predecessor's."""
KEY_ID_LABEL: Final = b"sekisho/document-key/v1\0"
_KEY_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TYPE: Final = re.compile(r"[a-z][a-z-]{0,30}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKey:
    """Public halves of an organisation, directory or root key: 32 and 1,312 bytes."""

    ed25519: bytes
    mldsa44: bytes = field(repr=False)
    key_id: str = field(init=False)
    _ed25519: Ed25519PublicKey = field(init=False, repr=False, compare=False)
    _mldsa44: MLDSA44PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ed25519", ed25519_public(self.ed25519))
        object.__setattr__(self, "_mldsa44", mldsa44_public(self.mldsa44))
        key_id = hashlib.sha256(KEY_ID_LABEL + self.ed25519 + self.mldsa44).hexdigest()
        object.__setattr__(self, "key_id", key_id)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the key written by `to_json`, or raise `DocumentError`."""
        members = read_members(value, required={"ed25519", "mldsa44"}, where="document key")
        return cls(
            ed25519=read_bytes(members, "ed25519"),
            mldsa44=read_bytes(members, "mldsa44"),
        )

    def to_json(self) -> dict[str, object]:
        """Return both public halves as JSON members."""
        return {"ed25519": b64(self.ed25519), "mldsa44": b64(self.mldsa44)}

    def verify(self, alg: str, signature: bytes, message: bytes) -> None:
        """Return quietly if this half signed `message`, else raise `SignatureError`."""
        try:
            if alg == ALG_ED25519:
                self._ed25519.verify(signature, message)
            elif alg == ALG_MLDSA44:
                self._mldsa44.verify(signature, message)
            else:
                raise SignatureError("unknown-alg", "document signature")
        except InvalidSignature as error:
            raise SignatureError("signature-invalid", f"document signature, {alg}") from error


class DocumentSigner(KeyPair):
    """Private document key pair; kept apart from what a running gateway reads."""

    __slots__ = ("public",)

    def __init__(self, ed25519: Ed25519PrivateKey, mldsa44: MLDSA44PrivateKey) -> None:
        super().__init__(ed25519, mldsa44)
        self.public: Final = DocumentKey(
            ed25519=ed25519.public_key().public_bytes_raw(),
            mldsa44=mldsa44.public_key().public_bytes_raw(),
        )

    def sign(self, alg: str, message: bytes) -> bytes:
        """Return this half's signature over `message`."""
        return self._ed25519.sign(message) if alg == ALG_ED25519 else self._mldsa44.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedDocument:
    """A document whose shape was read and whose signatures nobody has looked at yet."""

    signed: dict[str, object]
    message: bytes
    digest: str
    signatures: Mapping[tuple[str, str], bytes]

    def verify(self, *keys: DocumentKey) -> dict[str, object]:
        """Return `signed` if exactly these keys signed with both halves, else `SignatureError`."""
        expected = {(key.key_id, alg): key for key in keys for alg in ALGS}
        if not expected:
            raise SignatureError("no-key-given", "document signature")
        if stranger := next((pair for pair in self.signatures if pair not in expected), None):
            raise SignatureError("unknown-key", f"document signature by key {stranger[0][:16]}")
        for (key_id, alg), key in expected.items():
            signature = self.signatures.get((key_id, alg))
            if signature is None:
                raise SignatureError("signature-missing", f"{alg} of key {key_id[:16]}")
            key.verify(alg, signature, self.message)
        return self.signed


def sign_document(
    signed: Mapping[str, object],
    signers: Sequence[DocumentSigner],
    *,
    bytes_max: int = DOCUMENT_BYTES_MAX,
) -> bytes:
    """Return the canonical document of `signed` with both signatures of every signer.

    Raises `DocumentError` if `signed` has no known type or no version, or has no canonical form.
    """
    members = dict(signed)
    document_type = _read_head(members)
    message = signed_message(members, document_type, bytes_max=bytes_max)
    if not 1 <= len(signers) <= SIGNERS_MAX:
        raise DocumentError("signature-count", f"1 to {SIGNERS_MAX} signers, got {len(signers)}")
    signatures = [
        {"key_id": signer.public.key_id, "alg": alg, "sig": b64(signer.sign(alg, message))}
        for signer in signers
        for alg in ALGS
    ]
    return canonical_json({"signed": members, "signatures": signatures}, bytes_max=bytes_max)


def verify_document(
    raw: bytes,
    *,
    type_: str,
    keys: Sequence[DocumentKey],
    bytes_max: int = DOCUMENT_BYTES_MAX,
) -> dict[str, object]:
    """Return the `signed` part if all `keys`, and nobody else, signed it with both halves.

    Raises `DocumentError` for a wrong shape, `SignatureError` for a missing, foreign or
    invalid signature.
    """
    return read_document(raw, type_=type_, bytes_max=bytes_max).verify(*keys)


def read_document(
    raw: bytes, *, type_: str, bytes_max: int = DOCUMENT_BYTES_MAX
) -> UnverifiedDocument:
    """Return the parsed, not yet verified document, or raise `DocumentError`."""
    try:
        value = parse_canonical(raw, bytes_max=bytes_max)
    except CodesError as error:
        raise DocumentError(error.reason, "signed document") from error
    return read_parsed(value, type_=type_, bytes_max=bytes_max)


def read_parsed(
    value: object, *, type_: str, bytes_max: int = DOCUMENT_BYTES_MAX
) -> UnverifiedDocument:
    """Return the unverified document of already parsed canonical JSON, or raise `DocumentError`.

    A document inside another one is an object of it; its own bytes are its canonical form.
    """
    outer = read_members(value, required={"signed", "signatures"}, where="signed document")
    signed = outer["signed"]
    if not isinstance(signed, dict):
        raise DocumentError("wrong-type", "signed document: signed is not an object")
    if _read_head(signed) != type_:
        raise DocumentError("unexpected-type", f"signed document: expected {type_}")
    message = signed_message(signed, type_, bytes_max=bytes_max)
    return UnverifiedDocument(
        signed=signed,
        message=message,
        digest=_digest_of(message, type_),
        signatures=_read_signatures(outer["signatures"]),
    )


def signed_message(
    signed: Mapping[str, object], type_: str, *, bytes_max: int = DOCUMENT_BYTES_MAX
) -> bytes:
    """Return the bytes that signatures of this document are made over."""
    try:
        return _prefix(type_) + canonical_json(dict(signed), bytes_max=bytes_max)
    except CodesError as error:
        raise DocumentError(error.reason, f"{type_} document") from error


def document_digest(signed: Mapping[str, object]) -> str:
    """Return the lower-case hex SHA-256 of canonical `signed`.

    Signatures stay out of it: ML-DSA signs with fresh randomness, and the same content signed
    by the next directory key is still the same content.
    """
    members = dict(signed)
    type_ = _read_head(members)
    return _digest_of(signed_message(members, type_), type_)


def _read_head(signed: Mapping[str, object]) -> str:
    for name in ("type", "version"):
        if name not in signed:
            raise DocumentError("member-missing", f"signed document: {name}")
    type_ = read_text(signed, "type")
    if not _TYPE.fullmatch(type_) or type_ not in TYPES:
        raise DocumentError("unknown-type", "signed document")
    read_integer(signed, "version", low=1, high=2**53 - 1)
    return type_


def _read_signatures(value: object) -> dict[tuple[str, str], bytes]:
    if not isinstance(value, list) or not 1 <= len(value) <= SIGNERS_MAX * len(ALGS):
        raise DocumentError("signature-count", "signed document")
    signatures: dict[tuple[str, str], bytes] = {}
    for part in value:
        members = read_members(part, required={"key_id", "alg", "sig"}, where="signature")
        key_id, alg = read_text(members, "key_id"), read_text(members, "alg")
        if not _KEY_ID.fullmatch(key_id):
            raise DocumentError("key-id-malformed", "signature")
        if alg not in ALGS:
            raise DocumentError("unknown-alg", "signature")
        if (key_id, alg) in signatures:
            raise DocumentError("duplicate-signature", f"{alg} of key {key_id[:16]}")
        signatures[key_id, alg] = read_bytes(members, "sig")
    return signatures


def _prefix(type_: str) -> bytes:
    return f"sekisho/{type_}/v1".encode("ascii") + b"\0"


def _digest_of(message: bytes, type_: str) -> str:
    return hashlib.sha256(memoryview(message)[len(_prefix(type_)) :]).hexdigest()
