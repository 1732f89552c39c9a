"""The directory as the core publishes it: every version recorded, kept, and then served.

`sekisho certs publish` leaves a new version beside the core's keys; the worker that holds the
lowest slot of all records it there (`directory-changed`) and so publishes it; the others follow
from the database. That is slot 0 until it is lost. While one worker takes over from another both
may think so for a moment: a file is signed under a lock, and a version is published once.
The gate moves with every version: a decision on an older one is made again (PROTOCOL §1, §4).
"""

import asyncio
import math
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

import structlog

from certs.continuity import broken_chains, require_continuity
from certs.directory import Directory
from certs.errors import CertsError
from certs.own_keys import read_public
from certs.publish import PUBLISHED, DirectoryChanges, publish_directory, read_published
from gateway import metrics
from gateway.errors import UnavailableError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, new_id
from gateway.flows.trust_memory import ALLOW_LIST, DIRECTORY, TrustMemory
from gateway.storage import core_directories, held_slots
from gateway.storage.core_directories import CoreDirectoryPublished
from policies.allow_list import AllowList
from policies.facts import FactsError
from policies.measures import StopSwitch

log = structlog.get_logger()

SOURCE: Final = "publication"
REFRESH_AT: Final = 0.5
"""A version is refreshed when so much of its validity is over."""
RETRY_S: Final = 30.0


class Publication:
    """One worker's view of what is published; one of all workers also publishes."""

    def __init__(
        self, context: Context, *, keys: Path, environment: str, allow_list: bytes
    ) -> None:
        self._keys = keys
        self._trust: Final = context.trust
        self._database = context.database
        self._memory = TrustMemory(
            database=context.database, trust=context.trust, keys_dir=keys, clock=context.clock
        )
        self._writer = context.writer
        self._clock = context.clock
        self._environment = environment
        self._allow_list = allow_list
        self._published = 0
        self._kept = 0
        self._seen: tuple[int, int] | None = None
        self._adopting = asyncio.Lock()
        self._again_at = math.inf
        self._renew_at = 0.0

    @classmethod
    def open(cls, context: Context, *, keys: Path, environment: str) -> Self:
        """Return the publication as the documents beside the keys say it last was."""
        allow_list = read_public(keys / ALLOW_LIST)
        return cls(context, keys=keys, environment=environment, allow_list=allow_list)

    @property
    def is_published(self) -> bool:
        """Tell whether what this worker trusts has been published."""
        return self._published > 0 and self._published == self._trust.directory.version

    @property
    def directory(self) -> Directory:
        """The published directory as this worker has it."""
        return self._trust.directory

    @property
    def allow_list(self) -> bytes:
        """The allow list's document that this directory names."""
        return self._allow_list

    async def follow(self) -> None:
        """Take the newest published version, if this worker has an older one."""
        async with self._database.read() as connection:
            version = await core_directories.published_version(connection)
        await self._adopt_published(version)

    async def load_gate(self) -> tuple[int, tuple[StopSwitch, ...]]:
        """Return the gate's version, having taken the directory that was published under it.

        Network-wide switches stand in the allow list; the core has none of its own.
        """
        async with self._database.read() as connection:
            gate, published = await core_directories.gate_and_published(connection)
        await self._adopt_published(published)
        return gate, ()

    async def turn(self) -> None:
        """Look for a new version, renew the present one in time, follow what is published."""
        self._trust.turn()
        is_publisher = await self._is_publisher()
        if is_publisher:
            await self._renew()
            await self._publish_from_file()
        await self.follow()
        if is_publisher:
            await self._keep()

    async def _is_publisher(self) -> bool:
        """Tell whether no worker holds a lower slot than this one does.

        Not *the lowest that is not frozen*: nobody may hold that one, and then nobody would
        renew the directory that everybody's exchanges rest on.
        """
        slot = self._writer.slot
        if slot is None:
            return False
        async with self._database.read() as connection:
            return slot == await held_slots.lowest_held(connection)

    async def _keep(self) -> None:
        """Keep what is published beside the keys too, where a start reads it."""
        if self._kept != self._published:
            version, directory = self._published, self._trust.directory
            await self._memory.keep(directory.raw, self._allow_list)
            self._kept = version

    async def _publish_from_file(self) -> None:
        mark = await asyncio.to_thread(self._mark)
        if mark == self._seen and self._clock.monotonic() < self._again_at:
            return
        self._seen, self._again_at = mark, math.inf
        try:
            found = await asyncio.to_thread(read_published, self._keys)
            await self._publish(found.directory, found.allow_list)
        except (CertsError, FactsError) as error:
            # Nobody would follow it; what is published stays.
            log.error("directory_refused", reason=error.reason)  # noqa: TRY400 - no fault of ours
            self._again_at = self._clock.monotonic() + RETRY_S
        except BaseException:
            self._again_at = 0.0
            raise

    def _mark(self) -> tuple[int, int]:
        stat = (self._keys / PUBLISHED / DIRECTORY).stat()
        return stat.st_mtime_ns, stat.st_ino

    async def _renew(self) -> None:
        """Sign the present version anew when half of its validity is over."""
        directory, now = self._trust.directory, self._clock.now()
        validity = directory.expires - directory.issued
        if now < directory.issued + REFRESH_AT * validity:
            return
        if self._clock.monotonic() < self._renew_at:
            return
        self._renew_at = self._clock.monotonic() + RETRY_S
        await asyncio.to_thread(
            publish_directory,
            self._keys,
            changes=DirectoryChanges(),
            now=now,
            validity=max(validity, timedelta(minutes=1)),
        )
        log.info("directory_renewed", directory_version=directory.version + 1)

    async def _publish(self, raw: bytes, allow_list: bytes) -> None:
        """Record a version that was not recorded before; a lower one is refused."""
        async with self._database.read() as connection:
            published = await core_directories.published_version(connection)
        directory = self._verified(raw, allow_list)
        if directory.version == published:
            return
        if directory.version < published:
            log.error("directory_rollback_refused", directory_version=directory.version)
            return
        async with self._database.transaction() as connection:
            stored = [
                await core_directories.store_document(connection, type_=type_, document=document)
                for type_, document in (("directory", raw), ("allow-list", allow_list))
            ]
        draft = _draft(directory, *stored)
        (outcome,) = await self._writer.append([draft], source=SOURCE)
        if isinstance(outcome, Recorded):
            log.info("directory_published", directory_version=directory.version)
        elif not isinstance(outcome, EffectRefusedError):
            raise outcome

    def _verified(self, raw: bytes, allow_list: bytes) -> Directory:
        """Return the directory if our own gateways would follow it from the present one."""
        trust, present = self._trust, self._trust.directory
        directory = Directory.parse(
            raw,
            root=trust.keys.root,
            now=self._clock.now(),
            environment=self._environment,
            previous=present,
        )
        law = directory.verify_allow_list(allow_list)
        if directory.allow_list_digest != present.allow_list_digest:
            # What is signed must also be readable, before anybody is told of it.
            AllowList.from_document(law)
        # Publishing is the enrolment: whoever signed this version compared what it enrols anew.
        broken = broken_chains(present, directory)
        require_continuity(present, directory, broken=broken)
        for name in broken:
            log.warning("organisation_re_enrolled", organisation=name)
        return directory

    async def _adopt_published(self, version: int) -> None:
        if version in (self._published, 0):
            return
        async with self._adopting:
            async with self._database.read() as connection:
                latest = await core_directories.latest(connection)
            if latest is None or latest.version < version:
                raise UnavailableError("directory: a published version is not there")
            if latest.version != self._trust.directory.version:
                self._trust.adopt(latest.directory, latest.allow_list)
            self._allow_list = latest.allow_list
            self._published = latest.version
            metrics.DIRECTORY_VERSION.set(latest.version)
            metrics.DIRECTORY_EXPIRES.set(self._trust.directory.expires.timestamp())


def _draft(directory: Directory, document: bytes, allow_list: bytes) -> Draft:
    entry_id = new_id()
    return Draft(
        entry_id=entry_id,
        kind="directory-changed",
        members={"version": directory.version, "digest": directory.digest},
        private={"allow_list": directory.allow_list_digest},
        effects=(
            CoreDirectoryPublished(
                version=directory.version,
                directory=document,
                allow_list=allow_list,
                entry_id=entry_id,
            ),
        ),
        changes_gate=True,
    )
