"""The offline root and the online directory key it vouches for (PROTOCOL §1).

A site pins one root document; every later root is signed by the one before it and by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from certs.documents import (
    DocumentKey,
    DocumentSigner,
    UnverifiedDocument,
    document_digest,
    read_document,
    read_parsed,
    sign_document,
)
from certs.errors import DirectoryError, DocumentError
from certs.keysets import read_window
from certs.members import read_integer, read_members, read_name
from certs.names import DIGEST, NAME
from codes.canonical import instant

ROOT_TYPE: Final = "root"
DIRECTORY_KEY_TYPE: Final = "directory-key"
ROOT_DAYS_MAX: Final = 3660
DIRECTORY_KEY_DAYS_MAX: Final = 90
ROOTS_MAX: Final = 64
_MEMBERS: Final = frozenset({"type", "version", "network", "key", "not_before", "not_after"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The trust anchor of a network: the key that vouches for directory keys."""

    network: str
    version: int
    key: DocumentKey
    not_before: datetime
    not_after: datetime
    previous: str | None = None
    """Digest of the root before this one; none for the first."""
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", document_digest(self.to_signed()))

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Return the root a site pinned out of band, checked against its own key only.

        A later root also bears its predecessor's signatures; those are for sites that pinned
        the predecessor, see `read_roots`.
        """
        document = read_document(raw, type_=ROOT_TYPE)
        root = cls._from_document(document)
        own = {pair: sig for pair, sig in document.signatures.items() if pair[0] == root.key.key_id}
        UnverifiedDocument(
            signed=document.signed,
            message=document.message,
            digest=document.digest,
            signatures=own,
        ).verify(root.key)
        return root

    @classmethod
    def _from_document(cls, document: UnverifiedDocument) -> Self:
        members = read_members(
            document.signed, required=_MEMBERS, optional={"previous"}, where="root"
        )
        not_before, not_after = read_window(members, days_max=ROOT_DAYS_MAX)
        root = cls(
            network=read_name(members, "network", NAME),
            version=read_integer(members, "version", low=1, high=ROOTS_MAX),
            key=DocumentKey.from_json(members["key"]),
            not_before=not_before,
            not_after=not_after,
            previous=read_name(members, "previous", DIGEST) if "previous" in members else None,
        )
        if (root.version == 1) != (root.previous is None):
            raise DirectoryError("root-chain-broken", "only the first root has none before it")
        return root

    def to_signed(self) -> dict[str, object]:
        """Return the `signed` part of this root's document."""
        signed = _signed(ROOT_TYPE, self)
        return signed if self.previous is None else {**signed, "previous": self.previous}

    def sign(self, signer: DocumentSigner, *, previous: DocumentSigner | None = None) -> bytes:
        """Return this root's document, signed by itself and the root key before it."""
        if signer.public != self.key:
            raise DirectoryError("unknown-key", "root: the signer is not its own key")
        return sign_document(self.to_signed(), [signer, previous] if previous else [signer])


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryKey:
    """The core's online key for directory and allow list, vouched for by the root."""

    network: str
    version: int
    key: DocumentKey
    not_before: datetime
    not_after: datetime

    @classmethod
    def from_parsed(cls, value: object, *, root: Root) -> Self:
        """Return the directory key if `root` signed it for its own network, else raise."""
        document = read_parsed(value, type_=DIRECTORY_KEY_TYPE)
        document.verify(root.key)
        members = read_members(document.signed, required=_MEMBERS, where="directory key")
        if read_name(members, "network", NAME) != root.network:
            raise DirectoryError("another-network", "directory key")
        not_before, not_after = read_window(members, days_max=DIRECTORY_KEY_DAYS_MAX)
        return cls(
            network=root.network,
            version=read_integer(members, "version", low=1, high=2**31),
            key=DocumentKey.from_json(members["key"]),
            not_before=not_before,
            not_after=not_after,
        )

    def sign(self, root_signer: DocumentSigner) -> bytes:
        """Return this key's document, signed by the root."""
        return sign_document(_signed(DIRECTORY_KEY_TYPE, self), [root_signer])

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether the key may sign at that moment."""
        return self.not_before <= moment < self.not_after


def read_roots(values: Sequence[object], *, pinned: Root) -> Root:
    """Return the newest root of a chain that holds the pinned one, verified from there on.

    Raises `DirectoryError`: `root-not-pinned` if the pinned root is missing from the chain,
    `root-chain-broken` for a gap; `SignatureError` where the root before did not sign.
    """
    current: Root | None = None
    for value in values:
        document = read_parsed(value, type_=ROOT_TYPE)
        if current is None:
            # What stands before the pinned root is history that nobody here needs to trust.
            current = pinned if document.digest == pinned.digest else None
            continue
        current = _next_root(current, document)
    if current is None:
        raise DirectoryError("root-not-pinned", "the chain does not hold the pinned root")
    return current


def _next_root(before: Root, document: UnverifiedDocument) -> Root:
    root = Root._from_document(document)  # noqa: SLF001  # the same module's reader
    document.verify(root.key, before.key)
    if (root.network, root.version, root.previous) != (
        before.network,
        before.version + 1,
        before.digest,
    ):
        raise DirectoryError("root-chain-broken", f"version {root.version}")
    if root.key == before.key:
        raise DocumentError("root-chain-broken", "a new root has a new key")
    return root


def _signed(type_: str, holder: Root | DirectoryKey) -> dict[str, object]:
    return {
        "type": type_,
        "version": holder.version,
        "network": holder.network,
        "key": holder.key.to_json(),
        "not_before": instant(holder.not_before),
        "not_after": instant(holder.not_after),
    }
