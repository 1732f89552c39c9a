import json
import multiprocessing
import stat
from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from certs.errors import CertsError, KeyMaterialError, KeyStoreError
from certs.keystore import Box, KeyStore, MasterKey, row_ad

VECTORS = Path(__file__).parents[2] / "vectors" / "keystore" / "keystore.json"
MASTER = MasterKey.from_bytes(bytes(range(32)))
NEW_MASTER = MasterKey.from_bytes(bytes(range(1, 33)))


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore.create(tmp_path / "keys", MASTER, network="demo", organisation="nagaoka")


def again(store: KeyStore, master: MasterKey = MASTER) -> KeyStore:
    return KeyStore.open(store.directory, master)


def reason_of(refused: pytest.ExceptionInfo[CertsError]) -> str:
    return refused.value.reason


def test_a_key_made_once_is_the_same_for_ever(store: KeyStore) -> None:
    made = [
        store.storage("replicas", 2026),
        store.column("own_code"),
        store.month("2026-07"),
        store.storage("inquiries", 202607),
        store.day("core_contacts", date(2026, 7, 1)),
        store.secret("code-secret"),
    ]
    other = again(store)

    assert [key.raw for key in made] == [other.key(key.key_id).raw for key in made]
    assert [len(key.raw) for key in made] == [32, 64, 32, 32, 32, 64]
    assert len({key.raw[:32] for key in made}) == 6
    assert store.key_ids() == (
        "column/own_code",
        "day/core_contacts/2026-07-01",
        "month/2026-07",
        "secret/code-secret",
        "storage/inquiries/202607",
        "storage/replicas/2026",
    )


def test_directory_and_files_are_open_to_nobody_else(store: KeyStore) -> None:
    store.month("2026-07")

    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    for path in store.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_making_a_key_leaves_no_draft(store: KeyStore) -> None:
    store.month("2026-07")

    names = {path.name for path in store.directory.iterdir()}
    assert names == {"lock", "store.json", "month.2026-07.key"}


def test_no_key_stands_in_its_file_in_clear(store: KeyStore) -> None:
    key = store.month("2026-07")

    for path in store.directory.iterdir():
        assert key.raw not in path.read_bytes()
        assert MASTER.to_bytes() not in path.read_bytes()


def test_a_key_that_must_exist_is_not_made(store: KeyStore) -> None:
    with pytest.raises(KeyStoreError) as refused:
        store.month("2026-07", create=False)

    assert reason_of(refused) == "no-such-key"
    assert store.key_ids() == ()


@pytest.mark.parametrize(
    "key_id",
    [
        "month/2026-13",
        "month/2026-7",
        "day/2026-07-01",
        "day/core_contacts/2026-07-32",
        "storage/inquiries/202613",
        "column/../x",
        "column/",
        "storage/replicas/26",
        "storage/a/b/2026",
        "secret/A",
        "other/x",
        "month/2026-07\n",
        "month.2026-07",
        "",
    ],
)
def test_a_malformed_key_id_is_refused(store: KeyStore, key_id: str) -> None:
    for use in (store.key, store.destroy):
        with pytest.raises(KeyStoreError) as refused:
            use(key_id)
        assert reason_of(refused) == "key-id"


def test_a_destroyed_key_is_gone_and_its_id_stays_taken(store: KeyStore) -> None:
    key = store.month("2026-07")
    store.month("2026-08")

    store.destroy("month/2026-07")
    store.destroy("month/2026-07")

    for holder in (store, again(store)):
        with pytest.raises(KeyStoreError) as refused:
            holder.month("2026-07")
        assert reason_of(refused) == "key-destroyed"
    assert store.key_ids() == ("month/2026-08",)
    for path in store.directory.iterdir():
        assert key.raw not in path.read_bytes()


def test_a_key_may_be_destroyed_before_it_was_ever_made(store: KeyStore) -> None:
    store.destroy("month/2026-07")

    with pytest.raises(KeyStoreError) as refused:
        store.month("2026-07")
    assert reason_of(refused) == "key-destroyed"


def test_a_draft_that_a_crash_left_is_destroyed_with_its_key(store: KeyStore) -> None:
    store.month("2026-07")
    key_file = store.directory / "month.2026-07.key"
    draft = store.directory / ".month.2026-07.key.0123456789abcdef.new"
    draft.hardlink_to(key_file)

    store.destroy("month/2026-07")

    assert not draft.exists()


def test_a_destroyed_file_is_overwritten_before_it_goes(store: KeyStore, tmp_path: Path) -> None:
    store.month("2026-07")
    another_link = tmp_path / "link"
    another_link.hardlink_to(store.directory / "month.2026-07.key")

    store.destroy("month/2026-07")

    assert set(another_link.read_bytes()) == {0}


def test_a_process_finds_out_itself_what_another_destroyed(store: KeyStore) -> None:
    other = again(store)
    other.month("2026-07")
    kept = other.month("2026-08")
    store.destroy("month/2026-07")

    assert other.forget_destroyed() == ("month/2026-07",)
    assert other.forget_destroyed() == ()
    with pytest.raises(KeyStoreError) as refused:
        other.month("2026-07")
    assert reason_of(refused) == "key-destroyed"
    assert other.month("2026-08") == kept


def test_another_process_refuses_a_destroyed_key_at_its_next_use(store: KeyStore) -> None:
    other = again(store)
    other.month("2026-07")
    store.destroy("month/2026-07")

    with pytest.raises(KeyStoreError) as refused:
        other.month("2026-07")

    assert reason_of(refused) == "key-destroyed"


def test_what_others_destroyed_is_forgotten_and_what_is_only_gone_is_kept(store: KeyStore) -> None:
    """A lost file is no erasure: whoever has the key in memory is the last who can read."""
    other = again(store)
    kept, lost = other.month("2026-08"), other.month("2026-09")
    other.month("2026-07")
    store.destroy("month/2026-07")
    (store.directory / "month.2026-09.key").unlink()

    other.forget_destroyed()

    assert set(other._known) == {"month/2026-08", "month/2026-09"}
    assert (other.month("2026-08"), other.month("2026-09")) == (kept, lost)


def test_a_slower_process_takes_the_key_of_the_faster_one(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    slower = again(store)
    wrapped = MasterKey.wrap
    faster: list[bytes] = []

    def wrap_late(master: MasterKey, plaintext: bytes, ad: bytes) -> bytes:
        # Between the slower one's look and its link the faster one makes the key.
        monkeypatch.setattr(MasterKey, "wrap", wrapped)
        faster.append(store.month("2026-07").raw)
        return wrapped(master, plaintext, ad)

    monkeypatch.setattr(MasterKey, "wrap", wrap_late)

    assert slower.month("2026-07").raw == faster[0]
    assert len(list(store.directory.glob("*month*"))) == 1


def make_keys(directory: Path, barrier: Barrier, results: "multiprocessing.Queue[str]") -> None:
    store = KeyStore.open(directory, MASTER)
    barrier.wait()
    results.put(
        ",".join(store.day("core_contacts", date(2026, 7, day)).raw.hex() for day in range(1, 21))
    )


def test_processes_that_make_keys_at_once_agree(store: KeyStore) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    workers = [
        context.Process(target=make_keys, args=(store.directory, barrier, results))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()

    made = {results.get(timeout=60) for _ in workers}

    for worker in workers:
        worker.join()
    assert len(made) == 1
    assert len(store.key_ids()) == 20


def test_a_key_cannot_be_moved_to_another_id_or_organisation(
    store: KeyStore, tmp_path: Path
) -> None:
    store.month("2026-07")
    content = (store.directory / "month.2026-07.key").read_bytes()
    gunma = KeyStore.create(tmp_path / "other", MASTER, network="demo", organisation="gunma")
    places = {gunma: "month/2026-07", again(store): "month/2026-08"}

    for holder, key_id in places.items():
        path = holder.directory / f"{key_id.replace('/', '.')}.key"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyStoreError) as refused:
            holder.key(key_id)
        assert reason_of(refused) == "key-damaged"


@pytest.mark.parametrize("place", [0, 14, 31, -1])
def test_a_damaged_key_file_is_refused(store: KeyStore, place: int) -> None:
    store.month("2026-07")
    path = store.directory / "month.2026-07.key"
    content = bytearray(path.read_bytes())
    content[place] ^= 0x01
    path.write_bytes(bytes(content))

    with pytest.raises(KeyStoreError) as refused:
        again(store).month("2026-07")

    assert reason_of(refused) in {"key-damaged", "other-master"}


@pytest.mark.parametrize(
    "content", [b"", b"sekisho-key/1 0123456789abcdef", b"sekisho-key/1 \xff\n"]
)
def test_a_truncated_key_file_is_refused(store: KeyStore, content: bytes) -> None:
    store.month("2026-07")
    (store.directory / "month.2026-07.key").write_bytes(content)

    with pytest.raises(KeyStoreError) as refused:
        again(store).month("2026-07")

    assert reason_of(refused) == "key-damaged"


def test_a_key_of_another_length_is_refused(store: KeyStore) -> None:
    column = store.column("own_code")
    path = store.directory / "column.own_code.key"
    ad = b"sekisho/key-store/v1\0demo\0nagaoka\0column/own_code"
    header = path.read_bytes().partition(b"\n")[0] + b"\n"
    path.write_bytes(header + MASTER.wrap(column.raw[:32], ad))

    with pytest.raises(KeyStoreError) as refused:
        again(store).column("own_code")

    assert reason_of(refused) == "key-damaged"


def test_a_file_that_others_may_read_is_refused(store: KeyStore) -> None:
    store.month("2026-07")
    (store.directory / "month.2026-07.key").chmod(0o640)

    with pytest.raises(KeyMaterialError) as refused:
        again(store).month("2026-07")

    assert reason_of(refused) == "key-file-too-open"


def test_a_store_is_not_laid_over_another(store: KeyStore) -> None:
    with pytest.raises(KeyStoreError) as refused:
        KeyStore.create(store.directory, NEW_MASTER, network="demo", organisation="nagaoka")

    assert reason_of(refused) == "already-a-store"


@pytest.mark.parametrize("name", ["", "Nagaoka", "-a", "長岡", "a" * 64, "a\0b"])
def test_a_store_is_bound_to_proper_names(tmp_path: Path, name: str) -> None:
    for network, organisation in ((name, "nagaoka"), ("demo", name)):
        with pytest.raises(KeyStoreError) as refused:
            KeyStore.create(tmp_path, MASTER, network=network, organisation=organisation)
        assert reason_of(refused) == "name"


def test_a_store_knows_whose_it_is(store: KeyStore) -> None:
    assert (again(store).network, again(store).organisation) == ("demo", "nagaoka")
    assert repr(store) == "KeyStore(demo/nagaoka, masked)"


def test_another_master_key_opens_no_store(store: KeyStore) -> None:
    with pytest.raises(KeyStoreError) as refused:
        again(store, NEW_MASTER)

    assert reason_of(refused) == "other-master"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"format":1', b'"format":2', "store-format"),
        (b'"nagaoka"', b'"gunma"', "store-damaged"),
        (b'"demo"', b'"prod"', "store-damaged"),
        (b'"check":"', b'"check":"*', "store-damaged"),
        (b'{"check"', b'{ "check"', "no-store"),
    ],
)
def test_a_changed_description_is_refused(
    store: KeyStore, old: bytes, new: bytes, reason: str
) -> None:
    path = store.directory / "store.json"
    path.write_bytes(path.read_bytes().replace(old, new))

    with pytest.raises(KeyStoreError) as refused:
        again(store)

    assert reason_of(refused) == reason


def test_a_directory_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError) as refused:
        KeyStore.open(tmp_path, MASTER)

    assert reason_of(refused) == "no-store"


def test_a_key_destroyed_while_another_process_was_about_to_make_it_is_not_made(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    slower = again(store)
    read = KeyStore._read

    def read_then_erase(holder: KeyStore, key_id: str, length: int) -> object:
        found = read(holder, key_id, length)
        monkeypatch.setattr(KeyStore, "_read", read)
        store.destroy(key_id)
        return found

    monkeypatch.setattr(KeyStore, "_read", read_then_erase)

    with pytest.raises(KeyStoreError) as refused:
        slower.month("2026-07")
    assert reason_of(refused) == "key-destroyed"
    assert store.key_ids() == ()


def test_a_store_and_a_box_of_today_open_for_ever(tmp_path: Path) -> None:
    vector = json.loads(VECTORS.read_text(encoding="utf-8"))
    for name, content in vector["files"].items():
        (tmp_path / name).write_bytes(bytes.fromhex(content))
        (tmp_path / name).chmod(0o600)

    store = KeyStore.open(tmp_path, MasterKey.from_bytes(bytes.fromhex(vector["master"])))

    for key_id, raw in vector["keys"].items():
        assert store.key(key_id, create=False).raw.hex() == raw
    box = vector["box"]
    opened = Box(store.key(box["key_id"])).open(
        bytes.fromhex(box["sealed"]), bytes.fromhex(box["ad"])
    )
    assert opened.hex() == box["plaintext"]
    assert row_ad("nagaoka", "replicas", "body", "17", 3).hex() == box["ad"]
