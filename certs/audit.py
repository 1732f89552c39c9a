"""A signed document taken apart for an auditor who trusts openssl rather than this program.

    message.bin                          the bytes that every signature is made over
    <key id>.Ed25519.sig, .ML-DSA-44.sig the signatures
    <key id>.Ed25519.pem, .ML-DSA-44.pem the signers' public keys, where the document names them

`openssl pkeyutl -verify -pubin -inkey K.pem -rawin -in message.bin -sigfile K.sig` checks one
(ML-DSA needs openssl 3.5). A signer that a document does not name is named by the document
before it in its chain, for an allow list by the directory.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.directory import DIRECTORY_BYTES_MAX
from certs.documents import (
    ALG_ED25519,
    ALG_MLDSA44,
    TYPES,
    DocumentKey,
    UnverifiedDocument,
    read_document,
)
from certs.errors import CertsError, DocumentError
from certs.key_files import make_private_directory, write_file
from certs.key_pairs import ed25519_public, mldsa44_public

KEY_NAME_DIGITS: Final = 16
_PAIR: Final = {"ed25519", "mldsa44"}


def extract_document(raw: bytes, target: Path) -> tuple[Path, ...]:
    """Write the parts of a document, of whatever type, under `target`; return their paths.

    Nothing is verified: that is what the auditor does. Raises `DocumentError` for other bytes.
    """
    document = _read_any(raw)
    make_private_directory(target)
    parts = {"message.bin": document.message}
    for (key_id, alg), signature in document.signatures.items():
        parts[f"{key_id[:KEY_NAME_DIGITS]}.{alg}.sig"] = signature
    signers = {key_id for key_id, _ in document.signatures}
    for key in (key for key in _keys(document.signed) if key.key_id in signers):
        name = key.key_id[:KEY_NAME_DIGITS]
        for alg, public in (
            (ALG_ED25519, ed25519_public(key.ed25519)),
            (ALG_MLDSA44, mldsa44_public(key.mldsa44)),
        ):
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            parts[f"{name}.{alg}.pem"] = pem
    for name, content in parts.items():
        write_file(target / name, content)
    return tuple(target / name for name in parts)


def _read_any(raw: bytes) -> UnverifiedDocument:
    for type_ in sorted(TYPES):
        try:
            return read_document(raw, type_=type_, bytes_max=DIRECTORY_BYTES_MAX)
        except DocumentError as error:
            if error.reason != "unexpected-type":
                raise
    raise DocumentError("unknown-type", "signed document")


def _keys(value: object) -> Iterator[DocumentKey]:
    if isinstance(value, dict):
        if value.keys() == _PAIR:
            try:
                yield DocumentKey.from_json(value)
            except CertsError:
                return
        for part in value.values():
            yield from _keys(part)
    elif isinstance(value, list):
        for part in value:
            yield from _keys(part)
