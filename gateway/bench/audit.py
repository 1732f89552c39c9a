"""After a run: all entries re-hashed to their signed roots, both signatures checked, counted."""

import hashlib
import zipfile
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

from certs.directory import Directory
from certs.own_keys import PrivateKeySet
from certs.tls import network_client_context
from gateway.demo import commands
from gateway.demo.processes import Running
from gateway.errors import SekishoError
from gateway.records.bundle import read_manifest, read_slot
from gateway.records.entry import ParsedEntry, parse_entry
from gateway.records.note import Checkpoint, log_origin, verify_checkpoint
from gateway.records.tree import Frontier, leaf_hash
from gateway.records.trust import LogTrust
from gateway.records.verify import verify_bundle
from gateway.storage.database import Connection, Database
from gateway.storage.embedded import APP_ROLE, DATABASE
from gateway.storage.records import export_slot
from gateway.storage.slots import SlotState
from gateway.storage.tiles import read_slots

_SOCKET_LINE: Final = 4
_HASH_CHUNK: Final = 1_000
OF_PERMIT: Final = ("permit", "provision", "receipt")

NoteOf = Callable[[int], Awaitable[str]]
"""Gives the newest checkpoint of a slot."""


class AuditFailedError(SekishoError):
    """A log is not what its own signatures say."""


@dataclass(slots=True, kw_only=True)
class Audited:
    """What one party's log holds, every entry of it verified."""

    entries: int = 0
    slots: int = 0
    permits: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set), repr=False)
    """Kind of entry → the permit ids it names."""

    def count(self, entry: ParsedEntry) -> None:
        """Take note of the permit that an entry names."""
        permit_id = getattr(entry.public, "permit_id", None)
        if entry.public.kind in OF_PERMIT and isinstance(permit_id, str):
            self.permits[entry.public.kind].add(permit_id)


async def audit(running: Running, *, asker: Running, directory: Directory) -> Audited:
    """Verify one party's whole log; its checkpoints are asked for over its network listener.

    Raises:
        AuditFailedError: an entry, a root or a signature is not what it must be.
        RecordsError: a signature line or an entry cannot be believed.
    """
    name = running.instance.name
    database = await Database.open(_dsn(running), connections_max=1)
    try:
        async with _members_session(name, asker, directory) as session:

            async def note_of(slot: int) -> str:
                return await _fetch_note(session, running, directory.network, slot)

            return await audit_log(database, name, directory, note_of)
    finally:
        await database.close()


async def audit_log(
    database: Database, name: str, directory: Directory, note_of: NoteOf
) -> Audited:
    """Verify the whole log in a database under the notes its owner gives; raises as `audit`."""
    audited = Audited()
    for slot in range(directory.organisation(name).slots):
        signed = _signed(await note_of(slot), name, directory, slot)
        async with database.snapshot() as connection:
            state = (await read_slots(connection, [slot]))[slot]
            await _audit_slot(connection, state, signed, audited)
    return audited


async def audit_export(running: Running, target: Path, directory: Directory) -> Audited:
    """Verify one party's whole log from its export, written by command over its control socket.

    A core shows its checkpoints to nobody who has nothing of the slot in hand; its export has all.

    Raises:
        AuditFailedError: the export is not what its own signatures say.
    """
    config = running.instance.config
    await commands.told("records", "export", target, "--config", config)
    with zipfile.ZipFile(target) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    report = verify_bundle(files, trust=LogTrust.of(directory, running.instance.name))
    if report.faults:
        raise AuditFailedError(f"{report.organisation}: {report.faults[0]}")
    audited = Audited(entries=report.entries, slots=len(report.slots))
    for slot in read_manifest(files).slots:
        for raw in read_slot(files, slot).entries:
            audited.count(parse_entry(raw))
    return audited


def missing(
    acknowledged: Iterable[str],
    parties: Iterable[Audited],
    *,
    kinds: Sequence[str] = OF_PERMIT,
) -> int:
    """Return how many acknowledged permits have not an entry of each kind at these parties."""
    held: dict[str, set[str]] = defaultdict(set)
    for audited in parties:
        for kind, permit_ids in audited.permits.items():
            held[kind] |= permit_ids
    return sum(
        1 for permit_id in acknowledged if any(permit_id not in held[kind] for kind in kinds)
    )


def _signed(note: str, name: str, directory: Directory, slot: int) -> Checkpoint:
    """Return a slot's checkpoint, both of its lines verified."""
    origin = log_origin(directory.network, name, slot)
    keys = directory.log_keys_at(name, datetime.now(UTC))
    return verify_checkpoint(note, origin=origin, keys=keys).checkpoint


async def _fetch_note(
    session: aiohttp.ClientSession, running: Running, network: str, slot: int
) -> str:
    """Return a slot's newest checkpoint as its owner's network listener gives it."""
    name = running.instance.name
    origin = log_origin(network, name, slot)
    path = f"/{hashlib.sha256(origin.encode('ascii')).hexdigest()}/checkpoint"
    async with session.get(running.url("network") + path) as response:
        if response.status != HTTPStatus.OK:
            raise AuditFailedError(f"{name}: no checkpoint of slot {slot}: {response.status}")
        return await response.text()


async def _audit_slot(
    connection: Connection, state: SlotState, signed: Checkpoint, audited: Audited
) -> None:
    """Hash every stored entry and come to the signed root on the way, to the stored one at last."""
    frontier, leaves = Frontier(), list[bytes]()
    is_signed = False
    async for stored in export_slot(connection, state.slot, state.size):
        parsed = parse_entry(stored.leaf)
        if leaf_hash(stored.leaf) != stored.leaf_hash:
            raise AuditFailedError(f"slot {state.slot}: entry {stored.index} was changed")
        leaves.append(parsed.leaf_hash)
        audited.count(parsed)
        audited.entries += 1
        if len(leaves) == _HASH_CHUNK or stored.index + 1 == signed.size:
            frontier, leaves = frontier.extend(leaves), []
        if stored.index + 1 == signed.size:
            is_signed = frontier.root() == signed.root
    if not is_signed:
        raise AuditFailedError(f"slot {state.slot}: the entries are not those that were signed")
    if frontier.extend(leaves).root() != state.root:
        raise AuditFailedError(f"slot {state.slot}: the entries do not lead to the stored root")
    audited.slots += 1


def _members_session(name: str, asker: Running, directory: Directory) -> aiohttp.ClientSession:
    own = PrivateKeySet.load(asker.instance.keys).network_certificate
    context = network_client_context(own, directory.certificates(name))
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


def _dsn(running: Running) -> str:
    """Return where the party's own PostgreSQL is, as its server wrote it down."""
    lines = (running.instance.cluster / "postmaster.pid").read_text().splitlines()
    return f"postgresql:///{DATABASE}?host={lines[_SOCKET_LINE]}&user={APP_ROLE}"


def audited_entries(parties: Mapping[str, Audited]) -> int:
    """Return how many entries were verified in all."""
    return sum(audited.entries for audited in parties.values())
