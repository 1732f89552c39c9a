"""Making, changing and rotating a master key by command; a rotation survives being killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from certs.errors import KeyStoreError
from certs.keystore import KeyStore, MasterKey
from certs.master_passphrase import Argon2Cost, wrap_by_passphrase
from certs.master_places import MasterPlace
from certs.typed_secret import TypedSecret
from gateway.app.own_folder import own_folder
from gateway.cli.certs import app
from gateway.cli.main import call
from tests.tools.softhsm import CONFIG_VARIABLE, KEY, PIN, SoftToken

CONFIG = """\
role = "resident-network"
environment = "test"
organisation = "j-lis"
data_dir = "data"
[network]
name = "test"
keys_dir = "keys"
[master_key]
path = "master.key"
[resident_network]
residents = "residents.csv"
[listeners.ops]
port = 9090
[listeners.network]
port = 8443
"""
FIRST = "the first passphrase here"
SECOND = "the second passphrase here"
CHEAP = Argon2Cost(memory_kib=64 * 1024, passes=3, lanes=1)
WAIT_S = 60
NEW, OLD = "--passphrase-fd", "--old-passphrase-fd"
NOTHING: Mapping[str, str] = MappingProxyType({})


class Shell:
    """Runs commands in a folder with settings, a master key and a key store."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.config = folder / "gateway.toml"
        self._capsys = capsys

    def __call__(self, *words: object, code: int = 0, typed: Mapping[str, str] = NOTHING) -> str:
        """Run a command; what is typed comes over descriptors, by the option that names one."""
        given = [str(word) for word in words]
        if given[0] != "make-master-key":
            given += ["--config", str(self.config)]
        with ExitStack() as stack:
            for option, text in typed.items():
                out, into = os.pipe()
                # The command closes what it reads; a usage error leaves it to us.
                stack.callback(_close, out)
                os.write(into, text.encode() + b"\n")
                os.close(into)
                given += [option, str(out)]
            assert call(app, given) == code
        shown = self._capsys.readouterr()
        return shown.err if code else shown.out

    def json(self, *words: object, typed: Mapping[str, str] = NOTHING) -> Any:  # JSON of any shape
        return json.loads(self(*words, "--json", typed=typed))

    def settle(self, **place: str) -> None:
        """Write into the settings where the key is now."""
        named = "".join(f'{name} = "{value}"\n' for name, value in place.items())
        self.config.write_text(CONFIG.replace('path = "master.key"\n', named))

    @property
    def store(self) -> Path:
        return self.folder / "data" / "keys"


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    MasterKey.generate().to_file(tmp_path / "master.key")
    made = Shell(tmp_path, capsys)
    made.config.write_text(CONFIG)
    return made


def a_store(shell: Shell, keys: int = 3) -> dict[str, bytes]:
    master = MasterKey.from_file(shell.folder / "master.key")
    store = KeyStore.create(shell.store, master, network="test", organisation="j-lis")
    return {key.key_id: key.raw for key in (store.storage("a", 2000 + n) for n in range(keys))}


def held(shell: Shell, master: MasterKey) -> dict[str, bytes]:
    store = KeyStore.open(shell.store, master)
    return {key_id: store.key(key_id).raw for key_id in store.key_ids()}


def is_zeroed(link: Path) -> bool:
    return set(link.read_bytes()) == {0}


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    made = SoftToken(tmp_path / "token").make()
    monkeypatch.setenv(CONFIG_VARIABLE, str(made.configuration))
    return made


def test_a_master_key_is_made_and_never_replaced(shell: Shell) -> None:
    target = shell.folder / "new.key"
    made = shell.json("make-master-key", target)

    assert target.stat().st_mode & 0o077 == 0
    assert MasterKey.from_file(target).key_id == made["key_id"]
    assert "key-file-exists" in shell("make-master-key", target, code=1)


def test_a_master_key_keeps_its_value_through_every_source(shell: Shell, token: SoftToken) -> None:
    place, path = token.place(), shell.folder / "master.key"
    master = MasterKey.from_file(path)
    in_clear, worded = shell.folder / "in-clear", shell.folder / "worded"
    in_clear.hardlink_to(path)
    # In its place: the settings need a source, and no other path.
    changed = shell.json("change-master-key", path, "--source", "passphrase", typed={NEW: FIRST})
    worded.hardlink_to(path)
    shell.settle(source="passphrase", path="master.key")
    on_token = [
        *("--source", "pkcs11", "--module", place.module, "--token", place.token, "--key", KEY),
        "--make-token-key",
    ]
    moved = shell.folder / "moved.key"
    wrong = shell(*("change-master-key", moved, *on_token), code=1, typed={OLD: SECOND, NEW: PIN})
    shell("change-master-key", moved, *on_token, typed={OLD: FIRST, NEW: PIN})

    assert changed["key_id"] == master.key_id
    assert "wrong-passphrase" in wrong
    assert is_zeroed(in_clear)
    assert is_zeroed(worded)
    assert not path.exists()
    opened = MasterPlace(source="pkcs11", path=moved, token=place).open(TypedSecret(PIN))
    assert opened.to_bytes() == master.to_bytes()
    left = {one.name for one in shell.folder.iterdir()}
    assert left == {"gateway.toml", "in-clear", "worded", "moved.key", "token"}


def test_a_new_passphrase_takes_the_place_of_the_old_one(shell: Shell) -> None:
    path = shell.folder / "master.key"
    master = MasterKey.from_file(path)
    path.write_bytes(wrap_by_passphrase(master, TypedSecret(FIRST), cost=CHEAP).to_bytes())
    shell.settle(source="passphrase", path="master.key")
    typed = {OLD: FIRST, NEW: SECOND}
    shell("change-master-key", path, "--source", "passphrase", typed=typed)

    place = MasterPlace(source="passphrase", path=path)
    assert place.open(TypedSecret(SECOND)).to_bytes() == master.to_bytes()
    # A short one is refused, and the file that is there stays as it is.
    before = path.read_bytes()
    typed = {OLD: SECOND, NEW: "short"}
    said = shell("change-master-key", path, "--source", "passphrase", code=1, typed=typed)
    assert "passphrase-too-short" in said
    assert path.read_bytes() == before


def test_a_rotation_wraps_every_key_anew_and_ends_the_old_file(shell: Shell) -> None:
    keys = a_store(shell)
    old = MasterKey.from_file(shell.folder / "master.key")
    (shell.folder / "link").hardlink_to(shell.folder / "master.key")
    target = shell.folder / "next.key"
    told = shell.json("rotate-master-key", target)

    new = MasterKey.from_file(target)
    assert told["key_id"] == new.key_id != old.key_id
    assert held(shell, new) == keys
    with pytest.raises(KeyStoreError, match="other-master"):
        KeyStore.open(shell.store, old)
    assert not (shell.folder / "master.key").exists()
    assert is_zeroed(shell.folder / "link")
    # Once more, before the settings were changed: it is done already, also where the run before
    # broke off between the last key and the end of the old file.
    assert shell.json("rotate-master-key", target) == told
    old.to_file(shell.folder / "master.key")
    assert shell.json("rotate-master-key", target) == told
    assert not (shell.folder / "master.key").exists()


def test_a_rotation_that_was_killed_is_finished_by_the_same_command(shell: Shell) -> None:
    keys = a_store(shell, keys=5)
    old = MasterKey.from_file(shell.folder / "master.key")
    *_, before_last, last = sorted(shell.store.glob("*.key"))
    kept, target = shell.folder / "kept", shell.folder / "next.key"
    # Reading the last key, the command waits for somebody to write into the pipe.
    last.rename(kept)
    os.mkfifo(last, 0o600)
    command = subprocess.Popen(
        [
            *(sys.executable, "-I", "-m", "gateway", "certs", "rotate-master-key"),
            *(str(target), "--config", str(shell.config)),
        ]
    )
    ending = time.monotonic() + WAIT_S
    while old.key_id.encode() in before_last.read_bytes():
        assert command.poll() is None
        assert time.monotonic() < ending
        time.sleep(0.01)
    command.kill()
    command.wait(WAIT_S)
    last.unlink()
    kept.rename(last)

    new = MasterKey.from_file(target)
    assert old.key_id.encode() in last.read_bytes()
    assert KeyStore.open(shell.store, old).key_ids() == tuple(sorted(keys))
    shell("rotate-master-key", target)
    assert held(shell, new) == keys
    assert not (shell.folder / "master.key").exists()


def test_nothing_is_rotated_under_a_running_instance(shell: Shell) -> None:
    keys = a_store(shell)
    with own_folder(shell.folder / "data"):
        said = shell("rotate-master-key", shell.folder / "next.key", code=2)

    assert "in use by another instance" in said
    assert held(shell, MasterKey.from_file(shell.folder / "master.key")) == keys
    assert not (shell.folder / "next.key").exists()


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("make-master-key", "x", "--source", "pkcs11"), "needs --module, --token and --key", 2),
        (("make-master-key", "x", "--token", "t"), "are for --source pkcs11", 2),
        (("make-master-key", "x", "--make-token-key"), "are for --source pkcs11", 2),
        (("make-master-key", "x", "--source", "passphrase"), "no terminal to ask", 2),
        (("rotate-master-key", "master.key"), "a file of its own beside the old one", 2),
        (("change-master-key", "gateway.toml"), "key-file-exists", 1),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_made(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
    code: int,
) -> None:
    monkeypatch.chdir(shell.folder)
    before = {one.name for one in shell.folder.iterdir()}

    assert said in shell(*words, code=code)
    assert {one.name for one in shell.folder.iterdir()} == before
