"""What is remembered of the directory across restarts: beside the keys and in the database.

Either copy alone may come back from an older backup; the other one then still knows, and no
exchange begins until the core has shown a directory that is at least as new as both. Peers whose
chain of keys broke are remembered with it: their old keys beside ours, since when in the database.
"""

import asyncio
from pathlib import Path
from typing import Final

from certs.held_peers import write_held
from certs.key_files import write_file
from gateway.clock import Clock
from gateway.flows.trust import Trust
from gateway.logs import get_logger
from gateway.storage import directory_seen, unconfirmed_peers
from gateway.storage.database import Database
from gateway.storage.directory_seen import SeenDirectory

DIRECTORY: Final = "directory.json"
ALLOW_LIST: Final = "allow-list.json"
HELD_PEERS: Final = "held-peers.json"

log = get_logger()


class TrustMemory:
    """Keeps what one worker's trust rests on, for itself and for the workers beside it."""

    def __init__(self, *, database: Database, trust: Trust, keys_dir: Path, clock: Clock) -> None:
        self._database = database
        self._trust = trust
        self._keys_dir = keys_dir
        self._clock = clock

    async def recall(self) -> None:
        """At start: hold the trust to the highest version seen, and say so if its own is lower.

        A database that knows less than the files beside the keys learns it.
        """
        directory = self._trust.directory
        ours = SeenDirectory(version=directory.version, digest=directory.digest)
        async with self._database.read() as connection:
            await directory_seen.keep(connection, ours)
            seen = await directory_seen.highest(connection)
        if seen is not None:
            self._trust.look_back(seen.version, seen.digest)
            if self._trust.is_rolled_back:
                log.error(
                    "directory_rolled_back", version=ours.version, directory_version=seen.version
                )
        await self.note_held()
        await self.hear()

    async def hear(self) -> None:
        """Learn what the workers beside this one have seen, and what was accepted, meanwhile."""
        async with self._database.read() as connection:
            seen = await directory_seen.highest(connection)
            claims = await unconfirmed_peers.every(connection)
        if seen is not None:
            self._trust.hold_to(seen.version, seen.digest)
        for claim in claims:
            if claim.accepted_at is not None:
                self._trust.accept(claim.organisation, claim.claimed)

    async def keep(self, raw: bytes, allow_list: bytes | None) -> None:
        """Keep what was adopted in both places; `allow_list` only if it is another one."""
        directory = self._trust.directory
        seen = SeenDirectory(version=directory.version, digest=directory.digest)
        await asyncio.to_thread(self._write, raw, allow_list)
        async with self._database.read() as connection:
            await directory_seen.keep(connection, seen)
            await unconfirmed_peers.forget_others(connection, self._trust.held)
        await self.note_held()

    async def note_held(self) -> None:
        """Keep who is held on which keys, and since when."""
        await asyncio.to_thread(self._write_held)
        claims = {
            name: peer.claimed
            for name, peer in self._trust.held.items()
            if peer.claimed is not None
        }
        if claims:
            async with self._database.read() as connection:
                await unconfirmed_peers.note(connection, claims, now=self._clock.now())

    def _write(self, raw: bytes, allow_list: bytes | None) -> None:
        # Each names or guards the next: the directory that breaks a chain comes last.
        self._write_held()
        if allow_list is not None:
            write_file(self._keys_dir / ALLOW_LIST, allow_list)
        write_file(self._keys_dir / DIRECTORY, raw)

    def _write_held(self) -> None:
        path, held = self._keys_dir / HELD_PEERS, self._trust.held
        if held or path.exists():
            write_file(path, write_held(held))
