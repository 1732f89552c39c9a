"""Archives of operation records go with the database's backup, and come back on a new machine."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from certs.errors import BackupError
from certs.keystore import KeyStore
from gateway.domain.backup import BackupArchive
from gateway.flows.archive_operations import ArchiveOperations
from gateway.flows.backup_folder import Backup
from gateway.flows.context import Context
from gateway.flows.operation_files import ArchiveDamagedError
from gateway.records.operations import read_csv
from gateway.storage.database import Database
from tests.conftest import Dsns
from tests.integration.backups import Backups
from tests.integration.flows.old_logs import MONTH, NAGAOKA
from tests.unit.certs.networks import Network


@pytest.fixture
def of_the_log(aged: Network, tmp_path: Path) -> Backups:
    keys = aged.keys(NAGAOKA)
    return Backups.under(
        tmp_path, network="testnet", organisation=NAGAOKA, key_set=keys.key_set, signer=keys.log
    )


@pytest.fixture
async def archives(old_log: Context, of_the_log: Backups) -> ArchiveOperations:
    made = ArchiveOperations(old_log, of_the_log.archives)
    await made.turn()
    return made


async def elsewhere(backups: Backups, backup: Backup, dsns: Dsns, keys: KeyStore) -> Path:
    """Restore on a machine that has the key store and nothing else; return its archives."""
    data = backups.target.parent / "new-machine"
    shutil.copytree(keys.directory, data / "keys")
    await backups.restore(backup, dsns.owner, data / "keys")
    return data / "archives"


async def test_a_restored_instance_opens_the_archives_it_had(
    old_log: Context, archives: ArchiveOperations, of_the_log: Backups, dsns: Dsns, another: Dsns
) -> None:
    before = await archives.open(MONTH)
    backup = await of_the_log.make(dsns.owner)
    looked = of_the_log.look_through(backup)
    folder = await elsewhere(of_the_log, backup, another, old_log.vault.keys)
    database = await Database.open(another.app)
    restored = ArchiveOperations(replace(old_log, database=database), folder)

    await restored.turn()
    after = await restored.open(MONTH)
    await database.close()

    assert backup.faults() == looked.faults == []
    assert (after.raw, after.note) == (before.raw, before.note)
    assert len(read_csv(after.raw)) == 300
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in of_the_log.archives.iterdir()
    )


async def test_an_archive_in_a_backup_is_sealed_twice_and_looked_through(
    archives: ArchiveOperations, of_the_log: Backups, dsns: Dsns
) -> None:
    backup = await of_the_log.make(dsns.owner)
    (row, *_) = await archives.archives()
    (file, *_) = sorted(backup.folder.glob("operations-*.sealed"))
    sealed = (of_the_log.archives / file.name).read_bytes()

    assert sealed not in file.read_bytes()
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert [(fault.reason, fault.where) for fault in backup.faults()] == [("altered", file.name)]
    with pytest.raises(BackupError, match="does-not-open"):
        of_the_log.look_through(backup)
    file.unlink()
    assert [fault.reason for fault in backup.faults()] == ["file-missing"]
    assert row.digest[:16] in file.name


@pytest.mark.usefixtures("archives")
@pytest.mark.parametrize("how", ["missing", "changed"])
async def test_a_damaged_archive_keeps_no_backup_from_being_made_and_is_named(
    old_log: Context, of_the_log: Backups, dsns: Dsns, another: Dsns, how: str
) -> None:
    (path, *_) = sorted(of_the_log.archives.iterdir())
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"x" * 100)
    backup = await of_the_log.make(dsns.owner)
    faults = of_the_log.look_through(backup).faults
    folder = await elsewhere(of_the_log, backup, another, old_log.vault.keys)
    database = await Database.open(another.app)
    restored = ArchiveOperations(replace(old_log, database=database), folder)
    with pytest.raises(ArchiveDamagedError, match="missing"):
        await restored.turn()
    await database.close()

    assert [(fault.reason, fault.where) for fault in faults] == [
        ("archive-missing", "operation records of 2019-05")
    ]
    assert len(list(folder.iterdir())) == 1


@pytest.mark.usefixtures("archives")
async def test_another_months_archive_in_its_place_is_not_what_was_recorded(
    of_the_log: Backups, dsns: Dsns
) -> None:
    backup = await of_the_log.make(dsns.owner)
    content = backup.manifest.database
    assert content is not None
    first, second = content.archives
    swapped = BackupArchive(month=first.month, digest=first.digest, file=second.file)
    content.archives[0] = swapped

    with pytest.raises(BackupError, match="another file"):
        of_the_log.look_through(backup)
