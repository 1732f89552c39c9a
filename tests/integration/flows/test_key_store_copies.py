"""Copies of the key store: known from before they are made, gone after 35 days, told of if not."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.errors import KeyStoreError
from certs.keystore import KeyStore, MasterKey
from certs.log_keys import LogSigner
from gateway.errors import ConflictError, NotFoundError, RefusedError
from gateway.flows.backup_folder import MANIFEST
from gateway.flows.backup_lock import alone
from gateway.flows.key_store_copies import REGISTER, CopiesUnknownError, KeyStoreCopies
from gateway.storage.dump import OwnerDatabase
from tests.conftest import Dsns
from tests.integration.backups import Backups
from tests.integration.record_log import NETWORK, ORGANISATION

LIFE = timedelta(days=35)
NOW = datetime.now(UTC).replace(microsecond=0)
OWNER = f"{NETWORK}.{ORGANISATION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An instance's key store, and two places that copies of it go to."""

    keys: KeyStore
    backups: Backups
    first: Path
    second: Path

    @property
    def copies(self) -> KeyStoreCopies:
        return self.backups.copies(self.keys.directory.parent)

    def copy(self, to: Path, *, now: datetime = NOW) -> Path:
        return self.backups.copy_keys(self.keys, to, now=now)

    def fates(self) -> list[str | None]:
        return [copy.how for place in self.copies.known().places for copy in place.copies]


@pytest.fixture
def machine(tmp_path: Path, backups: Backups) -> Machine:
    folder = tmp_path / "data" / "keys"
    keys = KeyStore.create(folder, MasterKey.generate(), network=NETWORK, organisation=ORGANISATION)
    keys.month("2018-05")
    return Machine(keys=keys, backups=backups, first=tmp_path / "first", second=tmp_path / "second")


def folders(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.is_dir())


def test_a_copy_goes_after_35_days_from_a_place_that_nobody_uses_any_more(
    machine: Machine,
) -> None:
    old = machine.copy(machine.first, now=NOW)
    new = machine.copy(machine.second, now=NOW + timedelta(days=1))

    early = machine.copies.sweep(now=NOW + LIFE - timedelta(seconds=1))
    swept = machine.copies.sweep(now=NOW + LIFE)

    assert (early.removed, early.left) == ([], 0)
    assert (swept.removed, swept.left) == ([old.name], 0)
    assert folders(machine.first) == []
    assert folders(machine.second) == [new.name]
    assert machine.fates() == ["removed", None]


def test_the_signed_time_counts_and_not_the_folders_name(machine: Machine) -> None:
    renamed, moved = machine.copy(machine.first), machine.copy(machine.second)
    younger = renamed.name.replace(f"{NOW:%Y%m%d}", f"{NOW + LIFE:%Y%m%d}")
    renamed.rename(machine.first / younger)
    moved.rename(machine.second / "put-aside")
    fresh = machine.copy(machine.second, now=NOW + LIFE)
    older = fresh.name.replace(f"{NOW + LIFE:%Y%m%d}", "20200101")
    fresh.rename(machine.second / older)

    swept = machine.copies.sweep(now=NOW + LIFE)

    assert sorted(swept.removed) == sorted([younger, "put-aside"])
    assert folders(machine.second) == [older]


def test_what_was_never_finished_goes_at_once_and_a_copy_without_manifest_by_its_name(
    machine: Machine,
) -> None:
    half, bare = machine.copy(machine.first), machine.copy(machine.first)
    draft = half.rename(machine.first / f".{half.name}.new")
    (bare / MANIFEST).unlink()

    swept = machine.copies.sweep(now=NOW)
    later = machine.copies.sweep(now=NOW + LIFE)

    assert swept.removed == [draft.name]
    assert later.removed == [bare.name]
    assert folders(machine.first) == []
    assert machine.fates() == ["removed", "removed"]


def test_a_copy_that_nobody_told_of_is_taken_in_and_ends_like_the_others(
    machine: Machine,
) -> None:
    machine.copy(machine.first)
    (machine.keys.directory.parent / REGISTER).unlink()
    machine.copy(machine.first, now=NOW + timedelta(days=3))

    machine.copies.sweep(now=NOW + timedelta(days=3))
    known = machine.copies.known()
    swept = machine.copies.sweep(now=NOW + LIFE)

    assert len(known.living) == 2
    assert len(swept.removed) == 1


@pytest.mark.parametrize("how", ["away", "empty-mount", "another-disk"])
def test_a_place_that_is_not_there_is_told_of_until_it_comes_back(
    machine: Machine, how: str
) -> None:
    copy = machine.copy(machine.first)
    machine.first.rename(machine.second)
    if how != "away":
        machine.first.mkdir()
    if how == "another-disk":
        shutil.copytree(machine.second / copy.name, machine.first / copy.name)
        (machine.first / f".sekisho-key-store-copies-{OWNER}").write_text("0" * 32)

    away = machine.copies.sweep(now=NOW + LIFE)
    if machine.first.exists():
        shutil.rmtree(machine.first)
    machine.second.rename(machine.first)
    back = machine.copies.sweep(now=NOW + LIFE)

    assert (away.removed, away.left) == ([], 1)
    assert (back.removed, back.left) == ([copy.name], 0)


def test_a_copy_that_will_not_go_is_counted_and_stays_known(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "read-only")

    machine.copy(machine.first)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.flows.key_store_places.overwrite_and_unlink", refuse)
        stuck = machine.copies.sweep(now=NOW + LIFE)

    assert (stuck.removed, stuck.left) == ([], 1)
    assert machine.fates() == [None]


def test_what_somebody_took_away_counts_as_living_until_its_time_is_over(
    machine: Machine,
) -> None:
    shutil.rmtree(machine.copy(machine.first))

    machine.copies.sweep(now=NOW + LIFE - timedelta(seconds=1))
    before = machine.fates()
    machine.copies.sweep(now=NOW + LIFE)

    assert (before, machine.fates()) == ([None], ["not-found"])


def test_a_place_that_was_destroyed_ends_by_the_operators_word(machine: Machine) -> None:
    machine.copy(machine.first)
    machine.first.rename(machine.second)

    with pytest.raises(NotFoundError):
        machine.copies.give_up(str(machine.second), now=NOW)
    count = machine.copies.give_up(str(machine.first.resolve()), now=NOW)
    once = machine.copies.known().places
    again = machine.copies.give_up(str(machine.first.resolve()), now=NOW + LIFE)

    assert (count, again) == (1, 0)
    assert machine.copies.known().places == once
    assert machine.fates() == ["place-gone"]
    assert machine.copies.sweep(now=NOW + LIFE).left == 0


def test_a_copy_is_known_before_the_first_key_is_read(machine: Machine) -> None:
    shutil.rmtree(machine.keys.directory)

    with pytest.raises(KeyStoreError):
        machine.copy(machine.first)

    assert len(machine.copies.known().living) == 1


def _shorten(raw: bytes) -> bytes:
    value = json.loads(raw)
    value["signed"]["places"] = []
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "edit", [_shorten, lambda raw: raw[:-1], lambda _: b"{}"], ids=["edited", "cut", "other"]
)
def test_a_register_that_was_changed_is_believed_by_nobody(
    machine: Machine, edit: Callable[[bytes], bytes]
) -> None:
    machine.copy(machine.first)
    path = machine.keys.directory.parent / REGISTER
    path.write_bytes(edit(path.read_bytes()))

    for use in (
        machine.copies.known,
        lambda: machine.copies.sweep(now=NOW),
        lambda: machine.copy(machine.first),
    ):
        with pytest.raises(CopiesUnknownError):
            use()


def test_a_register_that_somebody_else_signed_is_none(machine: Machine) -> None:
    somebody = LogSigner.generate()
    others = replace(machine, backups=replace(machine.backups, signer=somebody))
    others.copy(machine.first)

    with pytest.raises(CopiesUnknownError, match="manifest-unsigned"):
        machine.copies.known()


def test_what_ended_is_forgotten_when_nothing_waits_for_it(machine: Machine) -> None:
    machine.copy(machine.first)
    machine.copy(machine.second, now=NOW + timedelta(days=40))
    machine.copies.sweep(now=NOW + LIFE)
    machine.copies.sweep(now=NOW + 2 * LIFE)
    kept = machine.fates()

    machine.copies.sweep(now=NOW + 2 * LIFE + timedelta(seconds=1))

    assert kept == ["removed", None]
    assert machine.fates() == [None]


@pytest.mark.usefixtures("record_log")
@pytest.mark.parametrize("where", ["", "below", "above"])
async def test_database_and_key_store_never_go_to_one_place(
    machine: Machine, dsns: Dsns, where: str
) -> None:
    middle = machine.first / "middle"
    place = {"": middle, "below": middle / "a" / "b", "above": machine.first}[where]
    machine.copy(middle)
    with pytest.raises(RefusedError, match="key store") as refused:
        await machine.backups.maker_in(place).database(OwnerDatabase(dsn=dsns.owner))
    shutil.rmtree(machine.first)
    (machine.keys.directory.parent / REGISTER).unlink()
    await machine.backups.maker_in(middle).database(OwnerDatabase(dsn=dsns.owner))
    with pytest.raises(RefusedError, match="database") as other:
        machine.copy(place)

    assert refused.value.reason == other.value.reason == "backups-not-apart"
    assert machine.copies.known().places == []
    await machine.backups.maker_in(machine.second).database(OwnerDatabase(dsn=dsns.owner))


def test_a_folder_with_too_much_in_it_is_no_place_for_backups(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.flows.backup_apart.FOLDERS_MAX", 2)
    for name in "abc":
        (machine.first / name).mkdir(parents=True)

    with pytest.raises(RefusedError, match="more than 2 folders"):
        machine.copy(machine.first)


def test_backups_of_somebody_else_and_links_are_left_alone(machine: Machine) -> None:
    mine = machine.copy(machine.first)
    namesake = machine.first / mine.name.replace(NETWORK, "other-network")
    namesake.mkdir()
    aside = machine.second / "aside"
    aside.mkdir(parents=True)
    (machine.first / mine.name.replace(mine.name[-8:], "0" * 8)).symlink_to(aside)

    swept = machine.copies.sweep(now=NOW + LIFE)

    assert swept.removed == [mine.name]
    assert namesake.exists()
    assert aside.exists()


def test_one_at_a_time(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(ConflictError), alone(tmp_path):
        pass
