"""The wrapped master key as a file: every damage is named, every number is bounded."""

import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certs.errors import CertsError, KeyMaterialError
from certs.key_files import replace_private, write_private
from certs.master_file import WrappedMasterKey
from certs.master_key import MasterKey
from certs.master_passphrase import Argon2Cost, unwrap_by_passphrase, wrap_by_passphrase
from certs.master_places import MasterPlace
from certs.typed_secret import TypedSecret
from codes.canonical import canonical_json

MASTER = MasterKey.from_bytes(bytes(range(32)))
WORDS = "関所で手形を見せる unlock me"
CHEAP = Argon2Cost(memory_kib=64 * 1024, passes=3, lanes=1)


@pytest.fixture(scope="module")
def wrapped() -> bytes:
    return wrap_by_passphrase(MASTER, TypedSecret(WORDS), cost=CHEAP).to_bytes()


@pytest.fixture
def place(tmp_path: Path, wrapped: bytes) -> MasterPlace:
    path = tmp_path / "master.key"
    path.write_bytes(wrapped)
    path.chmod(0o600)
    return MasterPlace(source="passphrase", path=path)


def reason_of(refused: pytest.ExceptionInfo[CertsError]) -> str:
    return refused.value.reason


def changed(wrapped: bytes, change: Callable[[dict[str, Any]], object], *, sealed: bool) -> bytes:
    """Return the file with a change, its digest made anew if `sealed`."""
    document = json.loads(wrapped)
    change(document)
    if sealed:
        del document["check"]
        document["check"] = hashlib.sha256(canonical_json(document)).hexdigest()
    return canonical_json(document) + b"\n"


def test_the_passphrase_opens_what_it_wrapped_however_it_was_composed(place: MasterPlace) -> None:
    assert place.open(TypedSecret(WORDS)).to_bytes() == MASTER.to_bytes()
    # A Mac composes て゛ of two characters where others type one.
    decomposed = WORDS.replace("で", "て\u3099")
    assert decomposed != WORDS
    assert place.open(TypedSecret(decomposed)).key_id == MASTER.key_id


def test_neither_key_nor_passphrase_stands_in_the_file(wrapped: bytes) -> None:
    assert MASTER.to_bytes() not in wrapped
    assert WORDS.encode() not in wrapped
    again = wrap_by_passphrase(MASTER, TypedSecret(WORDS), cost=CHEAP)
    assert again.wrapped != WrappedMasterKey.parse(wrapped, name="x").wrapped


def test_another_passphrase_is_wrong_and_nothing_is_said_of_it(place: MasterPlace) -> None:
    with pytest.raises(KeyMaterialError) as refused:
        place.open(TypedSecret(WORDS + "!"))

    assert str(refused.value) == "wrong-passphrase"


def test_a_passphrase_is_long_and_a_typed_secret_prints_masked() -> None:
    with pytest.raises(KeyMaterialError) as refused:
        wrap_by_passphrase(MASTER, TypedSecret("ｆifteen-letters"), cost=CHEAP)

    assert reason_of(refused) == "passphrase-too-short"
    assert repr(TypedSecret(WORDS)) == "TypedSecret(masked)"
    for text, reason in (
        ("", "typed-length"),
        ("x" * 1_025, "typed-length"),
        ("\ud800", "typed-text"),
    ):
        with pytest.raises(KeyMaterialError) as untyped:
            TypedSecret(text)
        assert reason_of(untyped) == reason


def test_a_wiped_secret_holds_zeros() -> None:
    secret = TypedSecret(WORDS)
    secret.wipe()

    assert set(secret.pin()) == {"\0"}


def _set(path: str, value: object) -> Callable[[dict[str, Any]], object]:
    *folders, name = path.split(".")

    def change(document: dict[str, Any]) -> None:
        for folder in folders:
            document = document[folder]
        document[name] = value

    return change


FIELDS = [
    ("format", "sekisho-master-key/2"),
    ("key_id", "0" * 16),
    ("source", "pkcs11"),
    ("wrapped", "A" * 80),
    ("check", "0" * 64),
    ("wrapping.kdf", "scrypt"),
    ("wrapping.lanes", 2),
    ("wrapping.memory_kib", 64 * 1024 + 8),
    ("wrapping.passes", 4),
    ("wrapping.salt", "A" * 22),
]


@pytest.mark.parametrize(("member", "value"), FIELDS)
def test_a_member_that_was_damaged_is_told_from_a_wrong_passphrase(
    place: MasterPlace, wrapped: bytes, member: str, value: object
) -> None:
    place.path.write_bytes(changed(wrapped, _set(member, value), sealed=False))

    with pytest.raises(KeyMaterialError) as refused:
        place.check()
    expected = "master-key-format" if member == "format" else "master-key-damaged"
    assert reason_of(refused) == expected


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("key_id", "0" * 16, "wrong-passphrase"),
        ("wrapped", "A" * 80, "wrong-passphrase"),
        ("wrapping.lanes", 2, "wrong-passphrase"),
        ("wrapping.salt", "A" * 22, "wrong-passphrase"),
        ("source", "pkcs11", "master-key-source"),
        ("source", "file", "master-key-malformed"),
        ("key_id", "0" * 15, "master-key-malformed"),
        ("wrapped", "A" * 79, "master-key-malformed"),
        ("wrapping", "x", "master-key-malformed"),
        ("wrapping.more", "x", "master-key-malformed"),
        ("more", "x", "master-key-malformed"),
        ("wrapping.kdf", "scrypt", "master-key-malformed"),
        ("wrapping.salt", "AAAA", "master-key-malformed"),
        ("wrapping.passes", "3", "master-key-malformed"),
        ("wrapping.passes", 2, "master-key-cost"),
        ("wrapping.passes", 17, "master-key-cost"),
        ("wrapping.lanes", 0, "master-key-cost"),
        ("wrapping.lanes", 17, "master-key-cost"),
        ("wrapping.memory_kib", 64 * 1024 - 1, "master-key-cost"),
        ("wrapping.memory_kib", 1024 * 1024 + 1, "master-key-cost"),
        ("wrapping.memory_kib", 2**53 - 1, "master-key-cost"),
    ],
)
def test_a_file_that_somebody_forged_opens_under_no_passphrase(
    place: MasterPlace, wrapped: bytes, member: str, value: object, reason: str
) -> None:
    place.path.write_bytes(changed(wrapped, _set(member, value), sealed=True))

    with pytest.raises(KeyMaterialError) as refused:
        place.open(TypedSecret(WORDS))
    assert reason_of(refused) == reason


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"A" * 43, b'{"format": "x"}'])
def test_what_is_no_wrapped_key_at_all_is_refused(place: MasterPlace, content: bytes) -> None:
    place.path.write_bytes(content)

    with pytest.raises(KeyMaterialError) as refused:
        place.check()
    assert reason_of(refused) in {"master-key-malformed", "master-key-format"}


def test_a_file_that_others_may_read_or_of_another_source_is_refused(place: MasterPlace) -> None:
    place.path.chmod(0o640)
    with pytest.raises(KeyMaterialError) as too_open:
        place.check()
    place.path.chmod(0o600)
    with pytest.raises(KeyMaterialError) as in_clear:
        MasterPlace(source="file", path=place.path).open()

    assert reason_of(too_open) == "key-file-too-open"
    assert reason_of(in_clear) == "master-key-malformed"
    with pytest.raises(KeyMaterialError) as untyped:
        place.open()
    assert reason_of(untyped) == "nothing-typed"


def test_a_key_inside_that_is_not_the_one_named_is_refused(place: MasterPlace) -> None:
    other = MasterKey.generate()
    object.__setattr__(other, "_key_id", MASTER.key_id)
    place.path.write_bytes(wrap_by_passphrase(other, TypedSecret(WORDS), cost=CHEAP).to_bytes())

    with pytest.raises(KeyMaterialError) as refused:
        place.open(TypedSecret(WORDS))
    assert reason_of(refused) == "master-key-damaged"


def test_the_bytes_of_a_replaced_file_are_overwritten(tmp_path: Path) -> None:
    path, link = tmp_path / "master.key", tmp_path / "link"
    MASTER.to_file(path)
    link.hardlink_to(path)
    # What a break left behind goes with the next call.
    (tmp_path / "master.key.old").write_bytes(b"left")

    write_private(tmp_path / "draft", b"new")
    replace_private(path, tmp_path / "draft")

    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(link.read_bytes()) == {0}
    assert {one.name for one in tmp_path.iterdir()} == {"master.key", "link"}


def test_unwrapping_needs_no_more_than_the_file(wrapped: bytes) -> None:
    found = WrappedMasterKey.parse(wrapped, name="x")

    assert found.to_bytes() == wrapped
    assert unwrap_by_passphrase(found, TypedSecret(WORDS)).key_id == found.header.key_id
