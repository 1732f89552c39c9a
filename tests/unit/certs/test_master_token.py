"""The master key under a key on a token: SoftHSM, through the same calls as any other module."""

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from certs.errors import CertsError, KeyMaterialError, Pkcs11Error
from certs.master_file import WrappedMasterKey
from certs.master_key import MasterKey
from certs.master_places import MasterPlace
from certs.master_token import TokenPlace, unwrap_by_token, wrap_by_token
from certs.typed_secret import TypedSecret
from tests.tools.softhsm import CONFIG_VARIABLE, KEY, PIN, SoftToken

MASTER = MasterKey.from_bytes(bytes(range(32)))


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    made = SoftToken(tmp_path_factory.mktemp("token")).make()
    before = os.environ.get(CONFIG_VARIABLE)
    os.environ.update(made.environment)
    yield made
    del os.environ[CONFIG_VARIABLE]
    if before is not None:
        os.environ[CONFIG_VARIABLE] = before


@pytest.fixture(scope="module")
def wrapped(token: SoftToken) -> bytes:
    return wrap_by_token(MASTER, token.place(), TypedSecret(PIN), make_key=True).to_bytes()


@pytest.fixture
def place(token: SoftToken, wrapped: bytes, tmp_path: Path) -> MasterPlace:
    path = tmp_path / "master.key"
    path.write_bytes(wrapped)
    path.chmod(0o600)
    return MasterPlace(source="pkcs11", path=path, token=token.place())


def made_by_hand(token: SoftToken, label: str, **template: Any) -> TokenPlace:
    """Let a key stand on the token that our own commands would not make."""
    binding = import_module("pkcs11")
    bits = template.pop("bits", 256)
    kind = template.pop("kind", binding.KeyType.AES)
    module = binding.lib(str(token.place().module))
    with module.get_token(token_label=token.label).open(rw=True, user_pin=PIN) as session:
        session.generate_key(
            kind,
            bits,
            label=label,
            id=b"\1",
            store=True,
            template={getattr(binding.Attribute, name): value for name, value in template.items()},
        )
    module.finalize()
    return token.place(key=label)


def refusal(place: MasterPlace, pin: str = PIN) -> str:
    with pytest.raises(CertsError) as refused:
        place.open(TypedSecret(pin))
    return refused.value.reason


def test_the_token_opens_what_it_wrapped(place: MasterPlace) -> None:
    place.check()

    assert place.typed == "pin"
    assert place.open(TypedSecret(PIN)).to_bytes() == MASTER.to_bytes()
    assert MASTER.to_bytes() not in place.path.read_bytes()


def test_a_pin_in_a_file_needs_nobody_to_type(place: MasterPlace, tmp_path: Path) -> None:
    pin = tmp_path / "token.pin"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    assert place.token is not None
    module, token, key = place.token.module, place.token.token, place.token.key
    near = TokenPlace(module=module, token=token, key=key, pin_file=pin)
    filed = MasterPlace(source="pkcs11", path=place.path, token=near)

    assert filed.typed is None
    assert filed.open().key_id == MASTER.key_id
    pin.chmod(0o644)
    with pytest.raises(KeyMaterialError) as refused:
        filed.open()
    assert refused.value.reason == "key-file-too-open"


def test_a_wrong_pin_is_refused(place: MasterPlace) -> None:
    assert refusal(place, "000000") == "wrong-pin"
    assert place.open(TypedSecret(PIN)).key_id == MASTER.key_id


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"token": "another"}, "token-missing"),
        ({"key": "another"}, "token-key-missing"),
        ({"module": Path("/nowhere.so")}, "module-unusable"),
        ({"module": Path(sys.executable)}, "module-unusable"),
    ],
)
def test_module_token_and_key_that_are_not_there_are_named(
    place: MasterPlace, change: dict[str, Any], reason: str
) -> None:
    assert place.token is not None
    members = {"module": place.token.module, "token": place.token.token, "key": KEY, **change}

    assert refusal(MasterPlace(source="pkcs11", path=place.path, token=TokenPlace(**members))) == (
        reason
    )


def test_a_token_that_was_drawn_out_is_missed(
    place: MasterPlace, token: SoftToken, tmp_path: Path
) -> None:
    tokens = token.folder / "tokens"
    tokens.rename(tmp_path / "drawn")
    tokens.mkdir()
    try:
        assert refusal(place) == "token-missing"
    finally:
        tokens.rmdir()
        (tmp_path / "drawn").rename(tokens)
    assert place.open(TypedSecret(PIN)).key_id == MASTER.key_id


@pytest.mark.parametrize(
    ("label", "template"),
    [
        ("short", {"bits": 128, "SENSITIVE": True, "EXTRACTABLE": False}),
        ("leaves", {"SENSITIVE": True, "EXTRACTABLE": True}),
        ("shows", {"SENSITIVE": False, "EXTRACTABLE": False}),
    ],
)
def test_a_key_that_is_too_short_or_could_leave_the_token_is_refused(
    token: SoftToken, label: str, template: dict[str, Any]
) -> None:
    near = made_by_hand(token, label, **template)

    with pytest.raises(Pkcs11Error) as refused:
        wrap_by_token(MASTER, near, TypedSecret(PIN))
    assert refused.value.reason == "token-key-unfit"


def test_of_two_keys_with_one_label_none_is_guessed(token: SoftToken) -> None:
    made_by_hand(token, "twins", SENSITIVE=True, EXTRACTABLE=False)
    near = made_by_hand(token, "twins", SENSITIVE=True, EXTRACTABLE=False)

    with pytest.raises(Pkcs11Error) as refused:
        wrap_by_token(MASTER, near, TypedSecret(PIN))
    assert refused.value.reason == "token-key-ambiguous"


def test_a_key_is_never_made_beside_another_of_its_label(place: MasterPlace) -> None:
    assert place.token is not None
    with pytest.raises(Pkcs11Error) as refused:
        wrap_by_token(MASTER, place.token, TypedSecret(PIN), make_key=True)

    assert refused.value.reason == "token-key-exists"


def test_another_key_of_the_token_does_not_open_it(place: MasterPlace, token: SoftToken) -> None:
    near = made_by_hand(token, "other", SENSITIVE=True, EXTRACTABLE=False)
    found = WrappedMasterKey.read(place.path, source="pkcs11")
    elsewhere = wrap_by_token(MASTER, near, TypedSecret(PIN))

    forged = WrappedMasterKey(elsewhere.header, found.wrapped)
    with pytest.raises(Pkcs11Error) as refused:
        unwrap_by_token(forged, near, TypedSecret(PIN))
    assert refused.value.reason == "token-refuses"


@pytest.mark.parametrize("object_id", ["zz", "0A", "00" * 65, 7])
def test_an_object_id_is_hexadecimal_and_bounded(place: MasterPlace, object_id: object) -> None:
    found = WrappedMasterKey.read(place.path, source="pkcs11")
    found.header.wrapping["object_id"] = object_id  # type: ignore[index]  # damaged on purpose
    place.path.write_bytes(found.to_bytes())

    with pytest.raises(KeyMaterialError) as refused:
        place.check()
    assert refused.value.reason == "master-key-malformed"


def test_without_the_binding_it_is_said_what_to_install(
    place: MasterPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)

    with pytest.raises(Pkcs11Error, match=r"pkcs11-binding-missing: install sekisho\[pkcs11\]"):
        place.check()
