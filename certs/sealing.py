"""Sealing (PROTOCOL §1): one HPKE encapsulation a message, AES-256-GCM for each item in it.

HPKE hands a random message key to the recipient; items are numbered under that key. Who sealed is
never proved here: that is the statement's part. Private halves and message keys print masked.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from certs.errors import SealingError
from certs.names import DIGEST, NAME
from certs.sealing_keys import X25519_BYTES, SealingPrivateKey, encapsulate, sealing_key_id
from certs.sealing_vector import CIPHERTEXT, ENC, MESSAGE_ID, PLAINTEXT, PRIVATE_KEY
from codes.canonical import b64, unb64
from codes.effort import counted
from codes.errors import MalformedError

__all__ = [
    "CODE_BYTES",
    "ENC_BYTES",
    "ITEM_BYTES_MAX",
    "PURPOSES",
    "SALT_BYTES",
    "KeyHeader",
    "MessageOpener",
    "MessageSealer",
    "SealedItem",
    "SealingPrivateKey",
    "open_message",
    "pack_answer",
    "pack_code",
    "sealing_info",
    "sealing_key_id",
    "self_test",
    "unpack_answer",
    "unpack_code",
]

PURPOSES: Final = frozenset(
    {"answer", "code-in-permit", "code-to-core", "code-delivery", "notice", "disclosure"}
)
MESSAGE_KEY_BYTES: Final = 32
ENC_BYTES: Final = 1088 + X25519_BYTES + MESSAGE_KEY_BYTES + 16
"""KEM ciphertext ‖ X25519 share ‖ sealed message key ‖ tag."""
NONCE_BYTES: Final = 12
LEAF_BYTES: Final = 32
ID_BYTES: Final = 16
NUMBER_MAX: Final = 2**53 - 1
ITEM_BYTES_MAX: Final = 8 * 1024 * 1024
SALT_BYTES: Final = 32
CODE_BYTES: Final = 32
PAD_BYTES: Final = 1024
_LENGTH_BYTES: Final = 4
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHeader:
    """What travels in a message's `keys`: the encapsulation and the names bound to it."""

    message_id: str
    sender: str
    key_id: str
    enc: bytes = field(repr=False)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the header written by `to_json`, or raise `SealingError` (bad-header)."""
        if not isinstance(value, Mapping) or set(value) != {
            "message_id",
            "sender",
            "key_id",
            "enc",
        }:
            raise SealingError("bad-header", "members")
        texts = [value[name] for name in ("message_id", "sender", "key_id", "enc")]
        if not all(isinstance(text, str) for text in texts):
            raise SealingError("bad-header", "types")
        message_id, sender, key_id, enc = texts
        try:
            header = cls(message_id=message_id, sender=sender, key_id=key_id, enc=unb64(enc))
        except MalformedError:
            raise SealingError("bad-header", "enc") from None
        header.check()
        return header

    def to_json(self) -> dict[str, str]:
        """Return the header as JSON members."""
        return {
            "message_id": self.message_id,
            "sender": self.sender,
            "key_id": self.key_id,
            "enc": b64(self.enc),
        }

    def check(self) -> None:
        """Refuse a header whose members have not their form (bad-header)."""
        if not (
            _ID.fullmatch(self.message_id)
            and NAME.fullmatch(self.sender)
            and DIGEST.fullmatch(self.key_id)
            and len(self.enc) == ENC_BYTES
        ):
            raise SealingError("bad-header", "form")


@dataclass(frozen=True, slots=True)
class SealedItem:
    """One sealed item: its number under the message key, and the ciphertext with its tag."""

    n: int
    ct: bytes = field(repr=False)


class MessageSealer:
    """Seals the items of one message to one key; every item takes the next number."""

    __slots__ = ("_aead", "_next", "header")

    def __init__(self, header: KeyHeader, message_key: bytes) -> None:
        self.header: Final = header
        self._aead = AESGCM(message_key)
        self._next = 0

    @classmethod
    def start(
        cls, purpose: str, *, network: str, sender: str, recipient: str, public_key: bytes
    ) -> Self:
        """Return a sealer with a fresh message key, encapsulated to the recipient's public key.

        Raises:
            SealingError: unknown-purpose, bad-name.
            KeyMaterialError: key-malformed.
        """
        message_id, key_id = secrets.token_hex(ID_BYTES), sealing_key_id(public_key)
        info = sealing_info(
            purpose,
            network=network,
            sender=sender,
            recipient=recipient,
            message_id=message_id,
            key_id=key_id,
        )
        message_key = secrets.token_bytes(MESSAGE_KEY_BYTES)
        enc = encapsulate(message_key, public_key, info)
        header = KeyHeader(message_id=message_id, sender=sender, key_id=key_id, enc=enc)
        return cls(header, message_key)

    @counted("seal_item")
    def seal(
        self, plaintext: bytes, *, inquiry_leaf: bytes | None, permit_id: str | None
    ) -> SealedItem:
        """Return the sealed item, bound to inquiry and permit (`None` for an absent one).

        `inquiry_leaf` is the 32-byte leaf hash, or the 16-byte request id of a code acquisition or
        a disclosure.

        Raises:
            SealingError: too-large, bad-binding, message-full.
        """
        if len(plaintext) > ITEM_BYTES_MAX:
            raise SealingError("too-large", f"item: at most {ITEM_BYTES_MAX} bytes")
        if self._next > NUMBER_MAX:
            raise SealingError("message-full", "no number left under this key")
        bound = _binding(inquiry_leaf, permit_id)
        number, self._next = self._next, self._next + 1
        return SealedItem(number, self._aead.encrypt(_nonce(number), plaintext, bound))

    def __repr__(self) -> str:
        return "MessageSealer(***)"


class MessageOpener:
    """Opens the items of one message whose key was recovered."""

    __slots__ = ("_aead",)

    def __init__(self, message_key: bytes) -> None:
        self._aead = AESGCM(message_key)

    @counted("open_item")
    def open(
        self, n: int, ct: bytes, *, inquiry_leaf: bytes | None, permit_id: str | None
    ) -> bytes:
        """Return the plaintext of one item.

        Raises:
            SealingError: does-not-open, too-large, bad-number, bad-binding.
        """
        if not 0 <= n <= NUMBER_MAX:
            raise SealingError("bad-number", "item")
        if len(ct) > ITEM_BYTES_MAX + 16:
            raise SealingError("too-large", f"item: at most {ITEM_BYTES_MAX} bytes")
        bound = _binding(inquiry_leaf, permit_id)
        try:
            return self._aead.decrypt(_nonce(n), ct, bound)
        except InvalidTag:
            raise SealingError("does-not-open", "item") from None

    def __repr__(self) -> str:
        return "MessageOpener(***)"


def open_message(
    private_key: SealingPrivateKey,
    header: KeyHeader,
    *,
    purpose: str,
    network: str,
    recipient: str,
) -> MessageOpener:
    """Return the opener of a message sealed to this key, for this purpose, between these two.

    Raises:
        SealingError: bad-header, unknown-purpose, bad-name, other-key, does-not-open.
    """
    header.check()
    if header.key_id != private_key.key_id:
        raise SealingError("other-key", "sealed to another key")
    info = sealing_info(
        purpose,
        network=network,
        sender=header.sender,
        recipient=recipient,
        message_id=header.message_id,
        key_id=header.key_id,
    )
    message_key = private_key.open(header.enc, info)
    return MessageOpener(message_key)


def sealing_info(
    purpose: str, *, network: str, sender: str, recipient: str, message_id: str, key_id: str
) -> bytes:
    """Return HPKE's `info`: six ASCII parts, each after its length as u16 big-endian.

    Raises:
        SealingError: unknown-purpose, bad-name.
    """
    if purpose not in PURPOSES:
        raise SealingError("unknown-purpose", "sealing")
    if not all(NAME.fullmatch(name) for name in (network, sender, recipient)):
        raise SealingError("bad-name", "sealing")
    parts = (f"sekisho/{purpose}/v1", network, sender, recipient, message_id, key_id)
    encoded = [part.encode("ascii") for part in parts]
    return b"".join(len(part).to_bytes(2, "big") + part for part in encoded)


def pack_answer(salt: bytes, payload: bytes) -> bytes:
    """Return salt ‖ u32 length ‖ payload ‖ zeros to the next 1 KiB.

    Raises:
        SealingError: bad-salt, too-large.
    """
    if len(salt) != SALT_BYTES:
        raise SealingError("bad-salt", "answer")
    plain = salt + len(payload).to_bytes(_LENGTH_BYTES, "big") + payload
    padded = plain.ljust(_padded(len(payload)), b"\x00")
    if len(padded) > ITEM_BYTES_MAX:
        raise SealingError("too-large", "answer")
    return padded


def unpack_answer(plaintext: bytes) -> tuple[bytes, bytes]:
    """Return salt and payload of an answer packed in the only way, or raise bad-padding."""
    head = SALT_BYTES + _LENGTH_BYTES
    length = int.from_bytes(plaintext[SALT_BYTES:head], "big")
    payload, padding = plaintext[head : head + length], plaintext[head + length :]
    if len(plaintext) != _padded(length) or padding.strip(b"\x00"):
        raise SealingError("bad-padding", "answer")
    return plaintext[:SALT_BYTES], payload


def pack_code(salt: bytes, code: bytes) -> bytes:
    """Return salt ‖ network code, 64 bytes.

    Raises:
        SealingError: bad-salt, bad-code.
    """
    if len(salt) != SALT_BYTES:
        raise SealingError("bad-salt", "code")
    if len(code) != CODE_BYTES:
        raise SealingError("bad-code", "code")
    return salt + code


def unpack_code(plaintext: bytes) -> tuple[bytes, bytes]:
    """Return salt and network code, or raise bad-code."""
    if len(plaintext) != SALT_BYTES + CODE_BYTES:
        raise SealingError("bad-code", "code")
    return plaintext[:SALT_BYTES], plaintext[SALT_BYTES:]


def self_test() -> None:
    """Refuse to start with a library whose wire bytes are not those of this suite id.

    The KEM follows an IETF draft: a stored message must still open, and a fresh one too.

    Raises:
        SealingError: self-test-failed.
    """
    names = {"network": "self-test", "recipient": "recipient"}
    key = SealingPrivateKey.from_bytes(PRIVATE_KEY)
    stored = KeyHeader(message_id=MESSAGE_ID, sender="sender", key_id=key.key_id, enc=ENC)
    fresh = SealingPrivateKey.generate()
    sealer = MessageSealer.start("answer", sender="sender", public_key=fresh.public, **names)
    item = sealer.seal(PLAINTEXT, inquiry_leaf=None, permit_id=None)
    try:
        old = open_message(key, stored, purpose="answer", **names)
        new = open_message(fresh, sealer.header, purpose="answer", **names)
        opened = {
            old.open(0, CIPHERTEXT, inquiry_leaf=None, permit_id=None),
            new.open(item.n, item.ct, inquiry_leaf=None, permit_id=None),
        }
    except SealingError:
        raise SealingError("self-test-failed", "a message does not open") from None
    if opened != {PLAINTEXT}:
        raise SealingError("self-test-failed", "another plaintext")


def _padded(payload_bytes: int) -> int:
    head = SALT_BYTES + _LENGTH_BYTES + payload_bytes
    return -(-head // PAD_BYTES) * PAD_BYTES


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE_BYTES, "big")


def _binding(inquiry_leaf: bytes | None, permit_id: str | None) -> bytes:
    """Return the associated data: 32 bytes of leaf hash or request id, 16 of permit id."""
    leaf = b"" if inquiry_leaf is None else inquiry_leaf
    if len(leaf) not in (0, ID_BYTES, LEAF_BYTES):
        raise SealingError("bad-binding", "inquiry leaf")
    if permit_id is not None and not _ID.fullmatch(permit_id):
        raise SealingError("bad-binding", "permit id")
    permit = bytes(ID_BYTES) if permit_id is None else bytes.fromhex(permit_id)
    return leaf.ljust(LEAF_BYTES, b"\x00") + permit
