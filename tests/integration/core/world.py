"""The demonstration's network on loopback: a real core over TLS, its members' logs and keys."""

import asyncio
import json
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from certs.keystore import KeyStore, MasterKey
from certs.network import init_network, keys_directory
from certs.sealing import MessageSealer, pack_code
from codes.canonical import parse_instant
from codes.network_code import NetworkCode
from codes.numbers import ResidentCode
from gateway.app.floor import laid_floor, network_tls
from gateway.app.foundation import open_keys
from gateway.app.listener import Listener
from gateway.app.roles import ListenerSpec, RoleApp, WorkerContext
from gateway.core.code_book import CodeBook
from gateway.demo import cast
from gateway.flows.context import Context
from gateway.flows.lawful import Asked, decide_lawfully
from gateway.flows.proofs import prove
from gateway.flows.record_types import Draft, Recorded
from gateway.flows.sealed import key_to_wire, sealed_to_wire
from gateway.flows.statements import Statement, received
from gateway.http.application import build_application
from gateway.http.members import authenticate_members
from gateway.http.routes import Route
from gateway.records.entry import parse_entry, subject_commitment
from gateway.records.kinds import Public
from gateway.settings import (
    CoreSettings,
    DatabaseSettings,
    HttpLimits,
    Listeners,
    MasterKeySettings,
    NetworkListener,
    NetworkSettings,
    OpsListener,
    ResidentNetworkSettings,
    Role,
    Settings,
)
from gateway.wire.network import PermitAsked, PermitsAnswer, PermitsRequest
from policies.gates import ConsentStatement
from policies.model import ProcedureId
from tests.tools.ports import HOST

UNION: Final = cast.GUNMA_UNION
NAGAOKA: Final = cast.NAGAOKA
IMMIGRATION: Final = cast.IMMIGRATION
LEVY: Final = "XP11701050240527"
"""高齢者の医療の確保に関する法律第104条第2項の保険料の賦課, 第117条第6号 since 2026-06-14."""
TAX: Final = "地方税関係情報"
PROVIDERS_MAX: Final = 1
REQUEST_DAYS: Final = 1


@dataclass(slots=True)
class WorldClock:
    """Real time, moved on as far as a test says; everybody in a test shares it."""

    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        instant = datetime.now(UTC) + self.ahead
        return instant.replace(microsecond=instant.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead.total_seconds()

    def ahead_of(self, other: datetime) -> timedelta:
        """Compare as if every real clock had been moved with this one."""
        return self.now() - self.ahead - other


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A network's keys, made once for all tests, and the ports its directory names."""

    folder: Path
    ports: Mapping[str, int]

    @classmethod
    def make(cls, folder: Path, ports: Mapping[str, int]) -> "Template":
        init_network(
            cast.network_spec(ports, environment="test"),
            folder,
            allow_list=cast.allow_list().to_document(),
            now=datetime.now(UTC),
        )
        return cls(folder=folder, ports=ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One test's copy of the network: keys in a folder, a database for each who needs one."""

    folder: Path
    ports: Mapping[str, int]
    dsns: Mapping[str, str]
    clock: WorldClock = field(default_factory=WorldClock)

    @classmethod
    def copy(cls, template: Template, folder: Path, dsns: Mapping[str, str]) -> "World":
        shutil.copytree(template.folder, folder / "network")
        return cls(folder=folder, ports=template.ports, dsns=dsns)

    def keys(self, organisation: str) -> Path:
        return keys_directory(self.folder / "network", organisation)

    def worker(self, organisation: str, role: Role = "gateway") -> WorkerContext:
        """Return what a worker of this organisation is given."""
        settings = self._settings(organisation, role)
        if not settings.master_key.path.exists():
            settings.data_dir.mkdir(parents=True)
            MasterKey.generate().to_file(settings.master_key.path)
        return WorkerContext(
            settings=settings,
            worker=0,
            version="test",
            clock=self.clock,
            addresses={"network": (HOST, self.ports[organisation])},
            dsn=self.dsns[organisation],
            master_key=open_keys(settings),
        )

    def _settings(self, organisation: str, role: Role) -> Settings:
        data = self.folder / "data" / organisation
        keys = self.keys(organisation)
        return Settings(
            role=role,
            environment="test",
            organisation=organisation,
            data_dir=data,
            network=NetworkSettings(name=cast.NETWORK, keys_dir=keys),
            listeners=Listeners(
                ops=OpsListener(port=0), network=NetworkListener(port=self.ports[organisation])
            ),
            master_key=MasterKeySettings(path=data / "master.key"),
            database=DatabaseSettings(dsn="given", pool_connections_max=4),
            core=CoreSettings(
                request_expires_days=REQUEST_DAYS, providers_per_person_day_max=PROVIDERS_MAX
            ),
            resident_network=ResidentNetworkSettings(residents=data / "residents.csv"),
        )

    @asynccontextmanager
    async def member(self, organisation: str) -> AsyncIterator["Member"]:
        """Lay the floor of a gateway that nobody can call."""
        async with laid_floor(self.worker(organisation)) as context:
            yield Member(organisation=organisation, context=context)

    def code_book(self) -> CodeBook:
        """Return the codes as the core makes them."""
        return CodeBook(self.core_key_store())

    def core_key_store(self) -> KeyStore:
        settings = self._settings(cast.CORE, "core")
        return KeyStore.open(settings.key_store_dir, MasterKey.from_file(settings.master_key.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedInquiry:
    """A recorded inquiry and what opens its subject."""

    recorded: Recorded
    code: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    @property
    def leaf(self) -> str:
        return self.recorded.leaf_hash.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A gateway of the network: its own log and keys, and a way to the core."""

    organisation: str
    context: Context

    async def record(self, kind: str, members: Mapping[str, object]) -> Recorded:
        draft = Draft(kind=kind, members=members, private={})
        (outcome,) = await self.context.writer.append([draft], source="test")
        assert isinstance(outcome, Recorded), outcome
        return outcome

    async def ask(self, code: NetworkCode, **changes: object) -> AskedInquiry:
        """Record the union's inquiry for 市町村民税, changed as the test says."""
        salt = secrets.token_bytes(32)
        members = self.inquiry(code, salt) | changes
        return AskedInquiry(
            recorded=await self.record("inquiry", members), code=code.raw, salt=salt
        )

    def inquiry(
        self,
        code: NetworkCode,
        salt: bytes,
        *,
        provider_body: str = cast.NAGAOKA_MAYOR,
        procedure: str = LEVY,
        information: str = TAX,
    ) -> dict[str, object]:
        """Return the members of an inquiry of the union that the law of the day allows."""
        trust, now = self.context.trust, self.context.clock.now()
        lawful = decide_lawfully(
            trust.directory,
            trust.law,
            Asked(
                inquirer_body=cast.UNION_HEAD,
                provider_body=provider_body,
                procedure=ProcedureId(procedure),
                information=information,
                subject_role="person",
                legal_basis="act19-8",
                consent=ConsentStatement(ground="高齢者の医療の確保に関する法律第138条"),
            ),
            law_day=trust.law_day(now),
            switches=(),
            now=now,
        )
        return {
            "inquirer_body": lawful.inquirer_body,
            "provider": lawful.provider,
            "provider_body": lawful.provider_body,
            "department": "保険料課",
            "affair": lawful.affair,
            "procedure": lawful.permit.procedure.id,
            "citation": lawful.citation,
            "law_version": lawful.law_version,
            "law_day": lawful.law_day.isoformat(),
            "legal_basis": lawful.legal_basis,
            "information": {
                "term": lawful.permit.term.id,
                "scope": lawful.scope,
                "items": list(lawful.permit.items),
            },
            "subject_role": lawful.subject_role,
            "condition": {"kind": "latest"},
            "non_disclosure": 0,
            "consent": dict(lawful.consent),
            "subject": subject_commitment(salt, code.raw).hex(),
            "reply_key": trust.reply_key(),
        }

    async def permits_request(self, *asked: AskedInquiry) -> PermitsRequest:
        """Return the message that asks permits for these inquiries."""
        trust = self.context.trust
        sealer = MessageSealer.start(
            "code-to-core",
            network=trust.network,
            sender=trust.organisation,
            recipient=trust.core,
            public_key=trust.sealing_public_key(trust.core),
        )
        proven = await prove(self.context.writer, [one.recorded for one in asked])
        items = []
        for one in asked:
            place = proven.reference(one.recorded)
            sealed = sealer.seal(
                pack_code(one.salt, one.code),
                inquiry_leaf=one.recorded.leaf_hash,
                permit_id=None,
            )
            items.append(
                PermitAsked(
                    group=place.group, index=place.index, code=sealed_to_wire(sealed, key=0)
                )
            )
        return PermitsRequest(groups=proven.groups, keys=[key_to_wire(sealer.header)], items=items)

    async def permits(self, *asked: AskedInquiry) -> PermitsAnswer:
        """Ask the core over TLS."""
        return await self.send_permits(await self.permits_request(*asked))

    async def send_permits(self, request: PermitsRequest) -> PermitsAnswer:
        return await self.context.peers.post(cast.CORE, "/v1/permits", request, PermitsAnswer)

    def statements(self, answer: PermitsAnswer) -> list[Statement]:
        """Return the core's verified statement for each result."""
        statements = received(self.context.trust, answer.groups, sender=cast.CORE)
        return [
            statements.at(one.result.group, one.result.index)
            for one in answer.results
            if one.result is not None
        ]


@asynccontextmanager
async def listening(
    member: Member, port: int, route: Route, services: object
) -> AsyncIterator[None]:
    """Let a member's network listener answer one route to the core until the context ends."""
    trust = member.context.trust
    spec = ListenerSpec(
        name="network",
        application=build_application(
            [route],
            listener="network",
            version="test",
            services=services,
            authenticate=authenticate_members(trust),
        ),
        host=HOST,
        limits=HttpLimits(),
        tls=network_tls(trust),
    )
    async with serving(RoleApp(listeners=(spec,)), port):
        yield


@asynccontextmanager
async def serving(role: RoleApp, port: int) -> AsyncIterator[RoleApp]:
    """Let a role answer on loopback, with its tasks running, until the context ends."""
    (spec,) = role.listeners
    listener = Listener(spec, port=port, drain_s=5.0)
    await listener.start()
    tasks = [asyncio.ensure_future(task.run()) for task in role.tasks]
    try:
        async with asyncio.timeout(20):
            while role.not_ready():
                await asyncio.sleep(0.02)
        yield role
    finally:
        await listener.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await role.close()


def public_of(statement: Statement) -> Public:
    """Return what a statement says."""
    return statement.entry.public


def parsed(raw: bytes) -> Public:
    """Return what an entry says."""
    return parse_entry(raw).public


def a_resident() -> ResidentCode:
    """Return somebody's resident-record code."""
    return ResidentCode.parse(f"{secrets.randbelow(10**11):011d}")


async def the_directory_is_fresh(world: World, member: Member) -> None:
    """Return once the core has renewed what ran out when a test moved the clock."""
    async with asyncio.timeout(20):
        while True:
            fetched = await member.context.peers.get(cast.CORE, "/v1/directory")
            expires = parse_instant(json.loads(fetched.body)["signed"]["expires"])
            if expires > world.clock.now() + timedelta(minutes=1):
                return
            await asyncio.sleep(0.05)
