"""The master key under a key that never leaves a PKCS#11 token: AES-256-GCM, done by the token.

The token is asked once, when a run starts, and the module is let go at once: a token drawn out
later stops no gateway. The binding is optional (`sekisho[pkcs11]`) and loaded when asked for.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from certs.errors import KeyMaterialError, Pkcs11Error
from certs.master_file import Header, WrappedMasterKey
from certs.master_key import MasterKey
from certs.typed_secret import TypedSecret

if TYPE_CHECKING:  # the binding is not there in every installation
    from pkcs11 import Attribute, GCMParams, Session

TOKEN_KEY_BYTES: Final = 32
OBJECT_ID_BYTES: Final = 16
OBJECT_ID_BYTES_MAX: Final = 64

_NONCE_BYTES: Final = 12
_TAG_BITS: Final = 128
_MEMBERS: Final = frozenset({"object_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlace:
    """Where the wrapping key is: module (a shared library), label of the token, label of the key.

    Without `pin_file` somebody types the PIN.
    """

    module: Path
    token: str
    key: str
    pin_file: Path | None = None


def wrap_by_token(
    master: MasterKey, place: TokenPlace, secret: TypedSecret, *, make_key: bool = False
) -> WrappedMasterKey:
    """Return the master key wrapped by the token's key, made on the token first if asked.

    Raises `Pkcs11Error`; `token-key-exists` where a key of that label is there and one is to be
    made.
    """
    with _session(place, secret, writes=make_key) as session:
        if make_key:
            _make_key(session, place.key)
        key = _key(session, place.key, object_id=None)
        header = Header(source="pkcs11", key_id=master.key_id, wrapping={"object_id": key.id.hex()})
        nonce = os.urandom(_NONCE_BYTES)
        sealed = key.encrypt(
            master.to_bytes(),
            mechanism=_binding().Mechanism.AES_GCM,
            mechanism_param=_gcm(nonce, header.ad),
        )
    return WrappedMasterKey(header, nonce + sealed)


def check_binding(found: WrappedMasterKey) -> None:
    """Raise unless the binding is installed and the file names an object of a token."""
    _binding()
    _object_id(found)


def unwrap_by_token(found: WrappedMasterKey, place: TokenPlace, secret: TypedSecret) -> MasterKey:
    """Return the master key, or raise `Pkcs11Error`.

    Reasons: `pkcs11-binding-missing`, `module-unusable`, `token-missing`, `token-ambiguous`,
    `wrong-pin`, `pin-locked`, `token-key-missing`, `token-key-ambiguous`, `token-key-unfit`,
    `token-refuses`.
    """
    object_id = _object_id(found)
    nonce, sealed = found.wrapped[:_NONCE_BYTES], found.wrapped[_NONCE_BYTES:]
    with _session(place, secret) as session:
        raw = _key(session, place.key, object_id=object_id).decrypt(
            sealed,
            mechanism=_binding().Mechanism.AES_GCM,
            mechanism_param=_gcm(nonce, found.header.ad),
        )
    return MasterKey.from_bytes(raw)


@contextmanager
def _session(
    place: TokenPlace, secret: TypedSecret, *, writes: bool = False
) -> Iterator["Session"]:
    """Hold a session of whoever has the PIN, and let the module go afterwards."""
    binding = _binding()
    try:
        module = binding.lib(str(place.module))
    except (RuntimeError, OSError):
        raise Pkcs11Error("module-unusable", place.module.name) from None
    try:
        token = module.get_token(token_label=place.token)
        with token.open(user_pin=secret.pin(), rw=writes) as session:
            yield session
    except binding.PKCS11Error as error:
        raise _told(error) from None
    finally:
        module.finalize()


def _key(session: "Session", label: str, *, object_id: bytes | None) -> Any:  # noqa: ANN401 - the binding's types leave out what a found key can do
    """Return the one AES key of this label, and of this id if given, that is fit for its work."""
    binding = _binding()
    attribute = binding.Attribute
    wanted = {attribute.CLASS: binding.ObjectClass.SECRET_KEY, attribute.LABEL: label}
    if object_id is not None:
        wanted[attribute.ID] = object_id
    found: list[Any] = list(session.get_objects(wanted))  # Any: as above
    if not found:
        raise Pkcs11Error("token-key-missing", "no secret key of that label and id")
    if len(found) > 1:
        raise Pkcs11Error("token-key-ambiguous", f"{len(found)} secret keys of that label")
    (key,) = found
    if key.key_type != binding.KeyType.AES or key[attribute.VALUE_LEN] != TOKEN_KEY_BYTES:
        raise Pkcs11Error("token-key-unfit", "expected AES of 256 bits")
    if key[attribute.EXTRACTABLE] or not key[attribute.SENSITIVE]:
        raise Pkcs11Error("token-key-unfit", "the key could leave the token")
    if len(key.id) > OBJECT_ID_BYTES_MAX:
        raise Pkcs11Error("token-key-unfit", f"id: at most {OBJECT_ID_BYTES_MAX} bytes")
    return key


def _make_key(session: "Session", label: str) -> None:
    binding = _binding()
    attribute = binding.Attribute
    wanted = {attribute.CLASS: binding.ObjectClass.SECRET_KEY, attribute.LABEL: label}
    if list(session.get_objects(wanted)):
        raise Pkcs11Error("token-key-exists", "a secret key of that label is on the token")
    can: dict[Attribute, bool] = {
        attribute.SENSITIVE: True,
        attribute.EXTRACTABLE: False,
        attribute.ENCRYPT: True,
        attribute.DECRYPT: True,
        attribute.WRAP: False,
        attribute.UNWRAP: False,
        attribute.SIGN: False,
        attribute.VERIFY: False,
    }
    session.generate_key(
        binding.KeyType.AES,
        TOKEN_KEY_BYTES * 8,
        label=label,
        id=os.urandom(OBJECT_ID_BYTES),
        store=True,
        template=can,
    )


def _object_id(found: WrappedMasterKey) -> bytes:
    wrapping = found.header.wrapping
    text = wrapping.get("object_id")
    if wrapping.keys() != _MEMBERS or not isinstance(text, str):
        raise KeyMaterialError("master-key-malformed", "wrapping: unknown or missing members")
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise KeyMaterialError("master-key-malformed", "wrapping: object_id") from None
    if raw.hex() != text or len(raw) > OBJECT_ID_BYTES_MAX:
        raise KeyMaterialError("master-key-malformed", "wrapping: object_id")
    return raw


def _gcm(nonce: bytes, ad: bytes) -> "GCMParams":
    parameters: GCMParams = _binding().GCMParams(nonce, ad, _TAG_BITS)
    return parameters


def _binding() -> ModuleType:
    try:
        import pkcs11  # noqa: PLC0415 - an extra that not every installation has
    except ImportError:
        raise Pkcs11Error(
            "pkcs11-binding-missing", "install sekisho[pkcs11] (requirements-pkcs11.lock)"
        ) from None
    return pkcs11


def _told(error: Exception) -> Pkcs11Error:
    """Return our error for one of the binding's, whose words are left out."""
    kind = type(error).__name__
    reason = _REASONS.get(kind, "token-refuses")
    return Pkcs11Error(reason, kind)


_REASONS: Final = {
    "NoSuchToken": "token-missing",
    "TokenNotPresent": "token-missing",
    "TokenNotRecognised": "token-missing",
    "MultipleTokensReturned": "token-ambiguous",
    "PinIncorrect": "wrong-pin",
    "PinLenRange": "wrong-pin",
    "PinInvalid": "wrong-pin",
    "PinLocked": "pin-locked",
    "PinExpired": "pin-locked",
    "UserPinNotInitialized": "pin-locked",
}
