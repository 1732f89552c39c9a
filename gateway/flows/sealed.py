"""Sealed items and keys between their wire shapes and `certs.sealing`."""

from collections.abc import Sequence
from typing import Final

from certs.errors import CertsError
from certs.sealing import KeyHeader, MessageOpener, MessageSealer, SealedItem, open_message
from codes.canonical import b64, unb64
from codes.errors import CodesError
from gateway.errors import SekishoError
from gateway.flows.trust import Trust
from gateway.wire.network import Key, Sealed

KEY_OF_ANOTHER: Final = "other-key"


class SealedInvalidError(SekishoError):
    """Something sealed does not open here, or names a key that is not its own."""

    problem = "sealed-invalid"

    def __init__(self, message: str = "", *, reason: str) -> None:
        super().__init__(message or reason, members={"reason": reason})
        self.reason = reason


def key_to_wire(header: KeyHeader) -> Key:
    """Return a message key's header as a message carries it."""
    return Key(
        message_id=header.message_id,
        sender=header.sender,
        key_id=header.key_id,
        enc=b64(header.enc),
    )


def sealed_to_wire(item: SealedItem, *, key: int) -> Sealed:
    """Return a sealed item as a message carries it; `key` is the place of its key."""
    return Sealed(key=key, n=item.n, ct=b64(item.ct))


def start_sealing(trust: Trust, purpose: str, *, recipient: str) -> MessageSealer:
    """Return a sealer to the key the recipient has in force now."""
    return MessageSealer.start(
        purpose,
        network=trust.network,
        sender=trust.organisation,
        recipient=recipient,
        public_key=trust.sealing_public_key(recipient),
    )


class Openers:
    """The message keys of one message, each opened once and only when an item needs it."""

    def __init__(self, trust: Trust, keys: Sequence[Key], *, sender: str, purpose: str) -> None:
        self._trust = trust
        self._keys = keys
        self._sender = sender
        self._purpose = purpose
        self._opened: dict[int, MessageOpener] = {}

    def open(
        self,
        sealed: Sealed,
        *,
        binding: bytes | None,
        permit_id: str | None,
        key_id: str | None = None,
    ) -> bytes:
        """Return the plaintext of one item, bound to what the caller says it is bound to.

        `binding` is the inquiry's leaf hash or the request id of a code acquisition; `key_id`,
        where given, is the only key it may be sealed to. Raises `SealedInvalidError`.
        """
        if sealed.key >= len(self._keys):
            raise SealedInvalidError("sealed: no such key", reason="no-such-key")
        key = self._keys[sealed.key]
        if key.sender != self._sender or (key_id is not None and key.key_id != key_id):
            raise SealedInvalidError("sealed: another key", reason=KEY_OF_ANOTHER)
        try:
            opener = self._opened.get(sealed.key)
            if opener is None:
                opener = self._opened[sealed.key] = self._opener(key)
            return opener.open(
                sealed.n, unb64(sealed.ct), inquiry_leaf=binding, permit_id=permit_id
            )
        except (CertsError, CodesError) as error:
            raise SealedInvalidError("sealed: does not open", reason=error.reason) from None

    def _opener(self, key: Key) -> MessageOpener:
        return open_message(
            self._trust.sealing_private(key.key_id),
            KeyHeader(
                message_id=key.message_id,
                sender=key.sender,
                key_id=key.key_id,
                enc=unb64(key.enc),
            ),
            purpose=self._purpose,
            network=self._trust.network,
            recipient=self._trust.organisation,
        )
