"""`sekisho certs make-master-key | change-master-key | rotate-master-key`: the key of keys.

All three work on files, and on a token where one is asked for. What a person types is asked for
on the terminal or read from a descriptor.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from certs.errors import KeyMaterialError, KeyStoreError
from certs.keystore import KeyStore
from certs.master_file import Source
from certs.master_key import MasterKey
from certs.master_places import MasterPlace
from certs.master_token import TokenPlace
from certs.typed_secret import TypedSecret
from gateway.app.hardening import harden_process
from gateway.app.own_folder import master_place, own_folder
from gateway.cli.output import print_one
from gateway.cli.typed import typed_secret
from gateway.errors import InvalidRequestError
from gateway.settings import Settings, config_path, load_settings

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
Fd = int | None
Json = Annotated[bool, Parameter(name="--json", negative="")]
Flag = Annotated[bool, Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wrapping:
    """How the file of a master key is to be wrapped.

    Attributes:
        source: `file` (in clear), `passphrase` or `pkcs11`.
        module: The PKCS#11 module, a shared library.
        token: The token's label.
        key: The label of its AES key of 256 bits.
        make_token_key: Make that key on the token first; it can never leave it.
        pin_file: A file of mode 0600 with the PIN; else it is asked for.
        passphrase_fd: A descriptor to read passphrase or PIN from, one line.
    """

    source: Source = "file"
    module: Path | None = None
    token: str | None = None
    key: str | None = None
    make_token_key: Flag = False
    pin_file: Path | None = None
    passphrase_fd: Fd = None

    def place(self, path: Path) -> MasterPlace:
        """Return where a key under this wrapping lies, or raise InvalidRequestError."""
        parts = (self.module, self.token, self.key)
        if self.source != "pkcs11":
            if any((*parts, self.pin_file, self.make_token_key)):
                raise InvalidRequestError("module, token, key and PIN are for --source pkcs11")
            return MasterPlace(source=self.source, path=path)
        if self.module is None or self.token is None or self.key is None:
            raise InvalidRequestError("--source pkcs11 needs --module, --token and --key")
        token = TokenPlace(
            module=self.module.absolute(), token=self.token, key=self.key, pin_file=self.pin_file
        )
        return MasterPlace(source=self.source, path=path, token=token)

    @contextmanager
    def typed(self, place: MasterPlace, *, twice: bool = True) -> Iterator[TypedSecret | None]:
        """Give what somebody types for it, wiped afterwards; a PIN is not typed twice."""
        twice = twice and place.typed == "passphrase"
        secret = typed_secret(place.typed, self.passphrase_fd, whose="new ", twice=twice)
        with _wiped(secret):
            yield secret


IN_CLEAR: Final = Wrapping()
"""A file of mode 0600 and nothing else."""


def make_master_key(target: Path, *, wrapping: Wrapping = IN_CLEAR, json: Json = False) -> None:
    """Make the master key of an instance; a file that is there is never replaced.

    Args:
        target: The file, outside the data directory and outside every database backup.
        wrapping: How it is wrapped.
        json: Print one JSON document.
    """
    harden_process()
    place = wrapping.place(target)
    _refuse_taken(target)
    with wrapping.typed(place) as secret:
        master = MasterKey.generate()
        place.put(master, secret, make_token_key=wrapping.make_token_key)
    _tell(place, master, json=json)


def change_master_key(
    target: Path,
    *,
    config: Config = None,
    wrapping: Wrapping = IN_CLEAR,
    old_passphrase_fd: Fd = None,
    json: Json = False,
) -> None:
    """Wrap the same master key anew: another source, another passphrase, another token.

    Nothing in the key store changes, and a running instance goes on. The new file is opened once
    before the old one is overwritten and unlinked; the settings are to name what was made.

    Args:
        target: The new file; the one in the settings is replaced in its place.
        config: The settings that say where the key lies now.
        wrapping: How it is to be wrapped.
        old_passphrase_fd: A descriptor with the present passphrase or PIN, one line.
        json: Print one JSON document.
    """
    harden_process()
    old = master_place(load_settings(config_path(config)).master_key)
    new = wrapping.place(target)
    is_same_file = target.absolute() == old.path.absolute()
    if not is_same_file:
        _refuse_taken(target)
    master = _opened(old, old_passphrase_fd)
    draft = new.beside()
    draft.destroy()  # what a break left; it held the same key
    with wrapping.typed(new) as secret:
        draft.put(master, secret, make_token_key=wrapping.make_token_key)
        if draft.open(secret).key_id != master.key_id:
            raise KeyMaterialError("master-key-damaged", "the new file holds another key")
    new.take_over(draft)
    if not is_same_file:
        old.destroy()
    _tell(new, master, json=json)


def rotate_master_key(
    target: Path,
    *,
    config: Config = None,
    wrapping: Wrapping = IN_CLEAR,
    old_passphrase_fd: Fd = None,
    json: Json = False,
) -> None:
    """Make a new master key, wrap every storage key of a stopped instance by it, end the old one.

    After a break the same command finishes it: it goes on with the new key that is there. At the
    end the old file is overwritten and unlinked; the settings are to name the new one.

    Args:
        target: The file of the new key, another than that of the old one.
        config: The settings of the instance, still with the old key.
        wrapping: How the new key is wrapped.
        old_passphrase_fd: A descriptor with the present passphrase or PIN, one line.
        json: Print one JSON document.
    """
    harden_process()
    settings = load_settings(config_path(config))
    old, new = master_place(settings.master_key), wrapping.place(target)
    if target.absolute() == old.path.absolute():
        raise InvalidRequestError("a new master key needs a file of its own beside the old one")
    with own_folder(settings.data_dir):
        following = _following(new, wrapping)
        if old.path.exists():
            present = _opened(old, old_passphrase_fd)
            _rewrap(settings, present, following)
            old.destroy()
        else:
            KeyStore.open(settings.key_store_dir, following)
    _tell(new, following, json=json)


def register(app: App) -> None:
    """Give these commands to the one above them."""
    app.command(make_master_key, name="make-master-key")
    app.command(change_master_key, name="change-master-key")
    app.command(rotate_master_key, name="rotate-master-key")


def _following(new: MasterPlace, wrapping: Wrapping) -> MasterKey:
    """Return the new key, made now or by a run that was broken off."""
    is_there = new.path.exists()
    with wrapping.typed(new, twice=not is_there) as secret:
        if not is_there:
            new.put(MasterKey.generate(), secret, make_token_key=wrapping.make_token_key)
        # What was written is opened once before anything depends on it.
        return new.open(secret)


def _rewrap(settings: Settings, present: MasterKey, following: MasterKey) -> None:
    folder = settings.key_store_dir
    if _is_wrapped_by(folder, following):
        return
    KeyStore.open(folder, present).rewrap(following)


def _is_wrapped_by(folder: Path, master: MasterKey) -> bool:
    """Tell whether a rotation to this key came to its end already."""
    try:
        KeyStore.open(folder, master)
    except KeyStoreError as error:
        if error.reason != "other-master":
            raise
        return False
    return True


def _opened(place: MasterPlace, descriptor: Fd) -> MasterKey:
    secret = typed_secret(place.typed, descriptor, whose="present ")
    with _wiped(secret):
        return place.open(secret)


@contextmanager
def _wiped(secret: TypedSecret | None) -> Iterator[None]:
    try:
        yield
    finally:
        if secret is not None:
            secret.wipe()


def _refuse_taken(target: Path) -> None:
    """Refuse before anything is typed; `put` refuses again."""
    if target.exists():
        raise KeyMaterialError("key-file-exists", target.name)


def _tell(place: MasterPlace, master: MasterKey, *, json: bool) -> None:
    fields = {"file": str(place.path), "source": place.source, "key_id": master.key_id}
    print_one(fields, as_json=json)
