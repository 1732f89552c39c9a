"""Every kind of key renewed and revoked while inquiries keep coming: nothing is lost.

Key sets begin two seconds after they are made here, where a site leaves a quarter of an hour.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest

from certs.documents import read_document
from certs.own_keys import PrivateKeySet
from certs.publish import DirectoryChanges, publish_directory
from certs.rotation import (
    KeyKind,
    renew_directory_key,
    renew_key_set,
    renew_permit_key,
    renew_root,
)
from certs.tls import network_client_context
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.flows.context import Context
from gateway.flows.export_records import ExportRecords
from gateway.flows.record_types import Draft, Recorded
from gateway.flows.statements import StatementInvalidError, received, to_wire
from gateway.records.bundle import read_peer_notes
from gateway.records.note import is_signed_by, log_origin, parse_note, sign_checkpoint
from gateway.records.trust import LogTrust
from gateway.records.verify import verify_bundle
from tests.conftest import NewDatabase
from tests.e2e.adversary.rogue import PROVISIONS, core_services
from tests.e2e.parties import Network, whole_network
from tests.e2e.people import People
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order

UNION, NAGAOKA, CORE = cast.GUNMA_UNION, cast.NAGAOKA, cast.CORE
PARTIES = (UNION, NAGAOKA, CORE)
LEAD = timedelta(seconds=2)
JSON = "application/json"
ITEM = "XTK0000010000003"


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase) -> AsyncIterator[Network]:
    """The core, an inquirer and a provider, with all that runs by the clock."""
    async with whole_network(new_database, gateways=(UNION, NAGAOKA)) as running:
        yield running


@dataclass(kw_only=True)
class Trickle:
    """Inquiries one after another, until it is told to stop."""

    network: Network
    people: People
    states: list[tuple[InquiryState, str | None]] = field(default_factory=list)
    _is_over: bool = False

    async def run(self) -> None:
        while not self._is_over:
            self.states.append(await self.ask())

    async def ask(self) -> tuple[InquiryState, str | None]:
        number = await self.people.add(organisations=(UNION, NAGAOKA))
        await self.people.put_replica(NAGAOKA, number, TAX, {ITEM: 3500})
        inquire = self.network.gateway(UNION).flows.inquire
        inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
        async with asyncio.timeout(60):
            while True:
                await inquire.wait(inquiry_id, 5)
                view = await inquire.find(inquiry_id, REGISTRATION)
                if view.row.state is not InquiryState.OPEN:
                    return view.row.state, view.row.reason

    async def more(self, count: int = 3) -> None:
        """Return when so many more have come to their end."""
        wanted = len(self.states) + count
        async with asyncio.timeout(60):
            while len(self.states) < wanted:
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.run())
        try:
            yield
            self._is_over = True
            await task
        finally:
            task.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operators:
    """Those who renew keys at each party, and the core's who publishes them."""

    network: Network

    async def renew(self, *kinds: KeyKind, of: Sequence[str] = PARTIES, **how: bool) -> None:
        """Renew keys of these parties together; return when all follow and the sets began."""
        now = datetime.now(UTC)
        documents = [
            renew_key_set(
                own_folder(self.network, name), now=now, begins=now + LEAD, kinds=kinds, **how
            )
            for name in of
        ]
        await self.publish(DirectoryChanges(key_sets=tuple(documents)))
        begins = max(keys_of(self.network, name).key_set.not_before for name in of)
        while datetime.now(UTC) < begins:
            await asyncio.sleep(0.05)
        for context in self.contexts():
            context.trust.turn()

    async def publish(self, changes: DirectoryChanges) -> None:
        folder = self.network.folder / "network"
        publish_directory(folder, changes=changes, now=datetime.now(UTC))
        await self.followed()

    async def followed(self) -> None:
        """Return when everybody follows what the core's folder holds as published."""
        path = self.network.parties[CORE].settings.network.keys_dir / "published/directory.json"
        digest = read_document(path.read_bytes(), type_="directory", bytes_max=1 << 28).digest
        async with asyncio.timeout(20):
            while any(one.trust.directory.digest != digest for one in self.contexts()):
                await asyncio.sleep(0.02)

    def contexts(self) -> list[Context]:
        gateways = [self.network.gateway(name).context for name in (UNION, NAGAOKA)]
        return [core_services(self.network).permits._context, *gateways]


async def test_every_kind_of_key_is_renewed_while_inquiries_keep_coming(
    network: Network, people: People
) -> None:
    """Nothing is started anew; what was recorded before verifies as what comes after."""
    trickle = Trickle(network=network, people=people)
    operators = Operators(network=network)
    folder = network.folder / "network"
    before = {name: keys_of(network, name).key_set for name in PARTIES}

    async with trickle.flowing():
        await trickle.more()
        await operators.renew(KeyKind.TLS)
        await trickle.more()
        await operators.renew(KeyKind.SEALING, KeyKind.WITNESS)
        await trickle.more()
        await operators.renew(KeyKind.LOG, new_organisation_key=True)
        # Without a time to begin at the core signs with it before anybody else knows it.
        for renew in (renew_permit_key, renew_directory_key, renew_root):
            renew(folder, now=datetime.now(UTC))
            await operators.followed()
            await trickle.more()

    assert set(trickle.states) == {(InquiryState.PROVIDED, None)}
    for name, old in before.items():
        new = keys_of(network, name).key_set
        assert new.tls[0] != old.tls[0]
        assert new.newest_sealing != old.newest_sealing
        assert new.log != old.log
        assert new.witness != old.witness
        assert new.organisation_key != old.organisation_key
    notes = await all_logs_verify(operators)
    # Receipts stand under checkpoints of either log key.
    newest = keys_of(network, NAGAOKA).key_set.log
    assert {is_signed_by(note, newest) for note in notes[NAGAOKA]} == {True, False}


async def all_logs_verify(operators: Operators) -> dict[str, list[str]]:
    """Verify every party's export offline, by the checkpoints of it that the others hold as well.

    Return those by party.
    """
    found: dict[str, list[str]] = {}
    bundles = [await exported(context) for context in operators.contexts()]
    held = [note for files in bundles for note in read_peer_notes(files)]
    for context, files in zip(operators.contexts(), bundles, strict=True):
        trust = context.trust
        origins = {log_origin(trust.network, trust.organisation, slot) for slot in range(8)}
        foreign = [note for note in held if parse_note(note).checkpoint.origin in origins]
        report = verify_bundle(
            files, trust=LogTrust.of(trust.directory, trust.organisation), foreign_notes=foreign
        )
        assert report.faults == ()
        found[trust.organisation] = foreign
    return found


async def an_entry(context: Context) -> Recorded:
    draft = Draft(kind="records-read", members={}, private={})
    (outcome,) = await context.writer.append([draft], source="test")
    assert isinstance(outcome, Recorded)
    return outcome


async def exported(context: Context) -> dict[str, bytes]:
    export = ExportRecords(context)
    period = await export.begin(begins=None, ends=None, by="test")
    files: dict[str, bytes] = {}
    async for name, piece in export.files(period):
        files[name] = files.get(name, b"") + piece
    return files


def keys_of(network: Network, name: str) -> PrivateKeySet:
    return PrivateKeySet.load(own_folder(network, name) / "keys")


def own_folder(network: Network, name: str) -> Path:
    return network.folder / "network" / "organisations" / name


async def test_a_revoked_certificate_opens_nothing_any_more_and_its_connections_end(
    network: Network, people: People
) -> None:
    trickle, operators = Trickle(network=network, people=people), Operators(network=network)
    trust = network.gateway(NAGAOKA).context.trust
    stolen = keys_of(network, UNION).network_certificate
    (sha256, *_) = [one.sha256 for one in trust.directory.certificates(UNION)]
    tls = network_client_context(stolen, trust.directory.certificates(NAGAOKA))
    url = trust.directory.organisation(NAGAOKA).url + PROVISIONS
    await trickle.ask()  # so that connections are open both ways

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls, limit=1), headers={"Content-Type": JSON}
    ) as thief:
        async with thief.post(url, data=b"{}") as before:
            assert before.status == HTTPStatus.UNPROCESSABLE_ENTITY
        await operators.renew(KeyKind.TLS, of=(UNION,), revoke=True)
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await thief.post(url, data=b"{}")

    assert sha256 not in {one.sha256 for one in trust.directory.all_certificates()}
    assert await trickle.ask() == (InquiryState.PROVIDED, None)


async def test_a_revoked_log_key_signs_nothing_new_whatever_time_it_says(
    network: Network, people: People
) -> None:
    """The thief has the key, and an entry of the log; he dates back to when the key was good."""
    trickle, operators = Trickle(network=network, people=people), Operators(network=network)
    await trickle.ask()
    union, trust = network.gateway(UNION).context, network.gateway(NAGAOKA).context.trust
    stolen = keys_of(network, UNION).log
    groups = [group for _, group in await union.writer.statement_groups([await an_entry(union)])]
    checkpoint = parse_note(groups[0].checkpoint).checkpoint
    then = int(datetime.now(UTC).timestamp())
    forged = to_wire(
        [replace(groups[0], checkpoint=sign_checkpoint(checkpoint, stolen, time=then))]
    )
    received(trust, forged, sender=UNION)

    await operators.renew(KeyKind.LOG, of=(UNION,), revoke=True)

    with pytest.raises(StatementInvalidError) as refused:
        received(trust, forged, sender=UNION)
    assert refused.value.reason == "log-line-missing"
    assert await trickle.ask() == (InquiryState.PROVIDED, None)
    await all_logs_verify(operators)
