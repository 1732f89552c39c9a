"""Where a master key lies, and how it is opened, made and moved there.

Three sources, one file each: in clear (mode 0600), wrapped by a passphrase, or wrapped by a key
on a PKCS#11 token. Whoever asks for one gets a `MasterKey` and need not know which it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, assert_never

from certs.errors import KeyMaterialError
from certs.key_files import (
    overwrite_and_unlink,
    read_private,
    replace_private,
    sync_directory,
    write_new_private,
)
from certs.master_file import Source, WrappedMasterKey
from certs.master_key import MasterKey
from certs.master_passphrase import check_derivation, unwrap_by_passphrase, wrap_by_passphrase
from certs.master_token import TokenPlace, check_binding, unwrap_by_token, wrap_by_token
from certs.typed_secret import TypedSecret
from codes.canonical import b64

Typed = Literal["passphrase", "pin"]
_DRAFT_SUFFIX: Final = ".next"
WRONG_SECRET: Final = frozenset({"wrong-passphrase", "wrong-pin"})
"""Reasons that say: what was typed is not it; trying again may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterPlace:
    """Where one master key lies; `token` belongs to the source `pkcs11` alone."""

    source: Source
    path: Path
    token: TokenPlace | None = None

    def __post_init__(self) -> None:
        if (self.token is not None) != (self.source == "pkcs11"):
            raise KeyMaterialError("master-key-place", "a token belongs to the source pkcs11")

    @property
    def typed(self) -> Typed | None:
        """Return what somebody has to type before the key opens, if anything."""
        if self.source == "passphrase":
            return "passphrase"
        return "pin" if self.token is not None and self.token.pin_file is None else None

    def check(self) -> None:
        """Raise what can be found out without the secret: file missing, damaged, out of bounds."""
        match self.source:
            case "file":
                MasterKey.from_file(self.path)
            case "passphrase":
                check_derivation(WrappedMasterKey.read(self.path, source="passphrase"))
            case "pkcs11":
                check_binding(WrappedMasterKey.read(self.path, source="pkcs11"))
            case _:
                assert_never(self.source)

    def open(self, secret: TypedSecret | None = None) -> MasterKey:
        """Return the master key, or raise `KeyMaterialError` or `Pkcs11Error`.

        `secret` is what was typed, where `typed` asks for something; the caller wipes it.
        """
        match self.source:
            case "file":
                return MasterKey.from_file(self.path)
            case "passphrase":
                found = WrappedMasterKey.read(self.path, source="passphrase")
                opened = unwrap_by_passphrase(found, _given(secret))
            case "pkcs11":
                found = WrappedMasterKey.read(self.path, source="pkcs11")
                token = self._token()
                with _pin(token, secret) as pin:
                    opened = unwrap_by_token(found, token, pin)
            case _:
                assert_never(self.source)
        if opened.key_id != found.header.key_id:
            raise KeyMaterialError("master-key-damaged", f"{self.path.name}: another key inside")
        return opened

    def put(
        self, master: MasterKey, secret: TypedSecret | None = None, *, make_token_key: bool = False
    ) -> None:
        """Lay a master key where no file may be yet (`key-file-exists`)."""
        write_new_private(self.path, self._content(master, secret, make_token_key=make_token_key))

    def beside(self) -> "MasterPlace":
        """Return the place of a draft, from which `take_over` puts the key where it belongs."""
        return replace(self, path=self.path.with_name(self.path.name + _DRAFT_SUFFIX))

    def take_over(self, draft: "MasterPlace") -> None:
        """Put a draft where this place is; bytes that were there before are overwritten."""
        if self.path.exists():
            replace_private(self.path, draft.path)
        else:
            draft.path.replace(self.path)
            sync_directory(self.path.parent)

    def destroy(self) -> None:
        """Overwrite and unlink the file; the key on a token stays, it may wrap others."""
        overwrite_and_unlink(self.path)

    def _content(
        self, master: MasterKey, secret: TypedSecret | None, *, make_token_key: bool
    ) -> bytes:
        match self.source:
            case "file":
                return b64(master.to_bytes()).encode("ascii") + b"\n"
            case "passphrase":
                return wrap_by_passphrase(master, _given(secret)).to_bytes()
            case "pkcs11":
                token = self._token()
                with _pin(token, secret) as pin:
                    return wrap_by_token(master, token, pin, make_key=make_token_key).to_bytes()
            case _:
                assert_never(self.source)

    def _token(self) -> TokenPlace:
        assert self.token is not None
        return self.token


def _given(secret: TypedSecret | None) -> TypedSecret:
    if secret is None:
        raise KeyMaterialError("nothing-typed", "a passphrase or PIN is needed")
    return secret


@contextmanager
def _pin(token: TokenPlace, secret: TypedSecret | None) -> Iterator[TypedSecret]:
    """Give the PIN that was typed, or the one in the file, which is wiped afterwards."""
    if token.pin_file is None:
        yield _given(secret)
        return
    try:
        read = TypedSecret(read_private(token.pin_file).decode("utf-8").removesuffix("\n"))
    except UnicodeDecodeError:
        raise KeyMaterialError("typed-text", f"{token.pin_file.name}: no UTF-8") from None
    try:
        yield read
    finally:
        read.wipe()
