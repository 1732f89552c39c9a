"""What is remembered of the directory across restarts: beside the keys and in the database.

Either copy alone may come back from an older backup; the other one then still knows, and no
exchange begins until the core has shown a directory that is at least as new as both.
"""

import asyncio
from pathlib import Path
from typing import Final

from certs.key_files import write_file
from gateway.flows.trust import Trust
from gateway.logs import get_logger
from gateway.storage import directory_seen
from gateway.storage.database import Database
from gateway.storage.directory_seen import SeenDirectory

DIRECTORY: Final = "directory.json"
ALLOW_LIST: Final = "allow-list.json"

log = get_logger()


class TrustMemory:
    """Keeps what one worker's trust rests on, for itself and for the workers beside it."""

    def __init__(self, *, database: Database, trust: Trust, keys_dir: Path) -> None:
        self._database = database
        self._trust = trust
        self._keys_dir = keys_dir

    async def recall(self) -> None:
        """At start: hold the trust to the highest version seen, and say so if its own is lower.

        A database that knows less than the file beside the keys learns it.
        """
        directory = self._trust.directory
        ours = SeenDirectory(version=directory.version, digest=directory.digest)
        async with self._database.read() as connection:
            await directory_seen.keep(connection, ours)
            seen = await directory_seen.highest(connection)
        if seen is None:
            return
        self._trust.look_back(seen.version, seen.digest)
        if self._trust.is_rolled_back:
            log.error("directory_rolled_back", version=ours.version, directory_version=seen.version)

    async def hear(self) -> None:
        """Learn what the workers beside this one have seen meanwhile."""
        async with self._database.read() as connection:
            seen = await directory_seen.highest(connection)
        if seen is not None:
            self._trust.hold_to(seen.version, seen.digest)

    async def keep(self, raw: bytes, allow_list: bytes | None) -> None:
        """Keep what was adopted in both places; the allow list first, for the directory names it.

        `allow_list` may be left out where the directory names the one kept before.
        """
        directory = self._trust.directory
        await asyncio.to_thread(self._write, raw, allow_list)
        async with self._database.read() as connection:
            await directory_seen.keep(
                connection, SeenDirectory(version=directory.version, digest=directory.digest)
            )

    def _write(self, raw: bytes, allow_list: bytes | None) -> None:
        if allow_list is not None:
            write_file(self._keys_dir / ALLOW_LIST, allow_list)
        write_file(self._keys_dir / DIRECTORY, raw)
