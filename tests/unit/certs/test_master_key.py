"""The master key: read, rotated, and never shown."""

import stat
from pathlib import Path

import pytest

from certs.errors import CertsError, KeyMaterialError, KeyStoreError
from certs.keystore import KeyStore, MasterKey

Path(__file__).parents[2] / "vectors" / "keystore" / "keystore.json"
MASTER = MasterKey.from_bytes(bytes(range(32)))
NEW_MASTER = MasterKey.from_bytes(bytes(range(1, 33)))


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore.create(tmp_path / "keys", MASTER, network="demo", organisation="nagaoka")


def again(store: KeyStore, master: MasterKey = MASTER) -> KeyStore:
    return KeyStore.open(store.directory, master)


def reason_of(refused: pytest.ExceptionInfo[CertsError]) -> str:
    return refused.value.reason


def test_a_new_master_key_opens_the_same_keys(store: KeyStore) -> None:
    keys = [store.month("2026-07"), store.column("own_code")]

    store.rewrap(NEW_MASTER)

    assert [again(store, NEW_MASTER).key(key.key_id) for key in keys] == keys
    assert store.month("2026-08") == again(store, NEW_MASTER).month("2026-08")
    with pytest.raises(KeyStoreError) as refused:
        again(store)
    assert reason_of(refused) == "other-master"


def test_a_process_with_the_old_master_key_neither_makes_nor_opens_keys(store: KeyStore) -> None:
    old = again(store)
    known = old.month("2026-07")
    store.column("own_code")
    store.rewrap(NEW_MASTER)

    assert old.month("2026-07") == known
    for key_id in ("month/2026-08", "column/own_code"):
        with pytest.raises(KeyStoreError) as refused:
            old.key(key_id)
        assert reason_of(refused) == "other-master"
    assert again(store, NEW_MASTER).key_ids() == ("column/own_code", "month/2026-07")


def test_a_rotation_that_a_crash_cut_short_is_finished_by_doing_it_again(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [store.month(f"2026-0{month}") for month in range(1, 6)]
    wrapped = MasterKey.wrap
    left = [2]

    def wrap_until_power_fails(master: MasterKey, plaintext: bytes, ad: bytes) -> bytes:
        if not left[0]:
            raise OSError("no power")
        left[0] -= 1
        return wrapped(master, plaintext, ad)

    monkeypatch.setattr(MasterKey, "wrap", wrap_until_power_fails)
    with pytest.raises(OSError, match="no power"):
        again(store).rewrap(NEW_MASTER)
    monkeypatch.setattr(MasterKey, "wrap", wrapped)

    again(store).rewrap(NEW_MASTER)

    assert [again(store, NEW_MASTER).key(key.key_id) for key in keys] == keys


def test_a_master_key_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "master.key"
    MASTER.to_file(path)

    assert MasterKey.from_file(path).to_bytes() == MASTER.to_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyMaterialError) as refused:
        NEW_MASTER.to_file(path)
    assert reason_of(refused) == "key-file-exists"


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (b"A" * 43, 0o644, "key-file-too-open"),
        (b"A" * 41, 0o600, "master-key-malformed"),
        (b"A" * 40, 0o600, "master-key-length"),
        (b"\xff" * 43, 0o600, "master-key-malformed"),
        (b"A" * 43 + b"\n\n", 0o600, "master-key-malformed"),
        (b"", 0o600, "master-key-length"),
    ],
)
def test_a_master_key_file_that_is_not_right_is_refused(
    tmp_path: Path, content: bytes, mode: int, reason: str
) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(mode)

    with pytest.raises(KeyMaterialError) as refused:
        MasterKey.from_file(path)

    assert reason_of(refused) == reason


def test_master_keys_are_random_and_print_masked() -> None:
    one, other = MasterKey.generate(), MasterKey.generate()

    assert one.to_bytes() != other.to_bytes()
    assert one.key_id != other.key_id
    assert repr(one) == "MasterKey(masked)"


def test_what_was_wrapped_for_another_place_does_not_unwrap() -> None:
    wrapped = MASTER.wrap(b"secret", b"here")

    assert MASTER.unwrap(wrapped, b"here") == b"secret"
    for attempt in ((wrapped, b"there"), (b"", b"here"), (wrapped[:12], b"here")):
        with pytest.raises(KeyMaterialError) as refused:
            MASTER.unwrap(*attempt)
        assert reason_of(refused) == "does-not-unwrap"
