"""Archives of operation records on their way into a backup of the database.

They are sealed under the keys of their months, so they may lie where the database's backup does,
and never where the key store's copies are. One that is damaged keeps no backup from being made.
"""

from pathlib import Path

from certs.sealed_files import SealedWriter
from gateway.domain.backup import BackupArchive, BackupFile, Manifest
from gateway.flows.backup_folder import new_file, place_of
from gateway.flows.erase_months import month_text
from gateway.flows.operation_files import (
    ArchiveDamagedError,
    archive_name,
    read_archive,
)


def put_archive(
    draft: Path, manifest: Manifest, public_key: bytes, *, archives: Path, month: int, digest: str
) -> BackupArchive:
    """Seal a month's archive into a backup that is being made."""
    text = month_text(month)
    told = BackupArchive(month=text, digest=digest)
    try:
        raw = read_archive(archives, text, digest)
    except ArchiveDamagedError:
        return told
    name = archive_name(text, digest)
    with new_file(draft / name) as file:
        writer = SealedWriter(file, place_of(manifest, name), public_key)
        writer.write(raw)
        sealed = writer.finish()
    content = BackupFile(name=name, size=sealed.size, sha256=sealed.sha256)
    return BackupArchive(month=text, digest=digest, file=content)
