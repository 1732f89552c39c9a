"""A member of the network in our hands: its keys, its log, its certificate, and no manners."""

import io
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import msgspec

from certs.own_keys import CertificateFiles
from certs.tls import network_client_context
from codes.numbers import UnifiedNumber
from gateway.core.services import CoreServices
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.flows.context import Context
from gateway.flows.permit_lane import Granted, PermitWanted, ask_permits
from gateway.flows.proofs import Proven, prove
from gateway.flows.record_types import Draft, Recorded, new_id
from gateway.records.entry import parse_entry
from gateway.records.kinds import Inquiry
from gateway.storage.flags import FlagSet
from gateway.storage.inquiries import InquiryRow
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.network import ProvisionAsked, ProvisionsAnswer, ProvisionsRequest
from gateway.wire.problems import Problem
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.test_exchange import REGISTRATION
from tests.integration.core.world import AskedInquiry, Member

PROVISIONS = "/v1/provisions"
TAX = "TM00000000000002"
ITEM = "XTK0000010000003"
HOLD = "automatic-answer-disabled"
HTTP_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def problem(self) -> Problem:
        """Return the problem document of a refused message."""
        assert self.status != HTTP_OK, self.body[:500]
        assert self.headers["Content-Type"] == "application/problem+json"
        problem = decode_json(self.body, Problem)
        assert problem.status == self.status
        return problem

    @property
    def refusal(self) -> tuple[int, str, str | None]:
        """Return status, type and reason of a refused message."""
        return self.problem.status, self.problem.type, self.problem.reason

    @property
    def provisions(self) -> ProvisionsAnswer:
        """Return a provider's answer."""
        assert self.status == HTTP_OK, self.body[:500]
        return decode_json(self.body, ProvisionsAnswer)

    def item_problem(self, place: int = 0) -> tuple[int, str, str | None]:
        """Return status, type and reason of one refused item."""
        problem = self.provisions.results[place].problem
        assert problem is not None, "the item was answered"
        return problem.status, problem.type, problem.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """A recorded inquiry with the core's real permit for it."""

    asked: AskedInquiry
    inquiry: Inquiry
    granted: Granted

    @property
    def permit_id(self) -> str:
        return self.granted.permit.permit_id

    @property
    def recorded(self) -> Recorded:
        return self.asked.recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Rogue:
    """One organisation, used against the others."""

    name: str
    network: Network
    people: People
    context: Context
    session: aiohttp.ClientSession
    _contexts: dict[tuple[str, CertificateFiles | None], ssl.SSLContext] = field(
        default_factory=dict, repr=False
    )

    @classmethod
    @asynccontextmanager
    async def of(cls, network: Network, people: People, name: str) -> AsyncIterator["Rogue"]:
        """Hold the keys of an organisation until the context ends."""
        context = (
            core_services(network).permits._context
            if name == cast.CORE
            else network.gateway(name).context
        )
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield cls(name=name, network=network, people=people, context=context, session=session)

    @property
    def member(self) -> Member:
        """Return the well-behaved half: records, inquiries, permits."""
        return Member(organisation=self.name, context=self.context)

    async def person(self, *, items: dict[str, object] | None = None) -> UnifiedNumber:
        """Return somebody whom the union and 長岡市 know, with a replica there."""
        number = await self.people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))
        await self.people.put_replica(cast.NAGAOKA, number, TAX, items or {ITEM: 3500})
        return number

    async def flag(self, number: UnifiedNumber, *, kind: str = HOLD) -> None:
        """Let 長岡市 protect this person, as its staff would."""
        context = self.network.gateway(cast.NAGAOKA).context
        effect = FlagSet(
            flag_id=new_id(),
            subject=context.vault.subject(number),
            kind=kind,
            reason="protection",
            maker="carol",
            maker_kind="staff",
        )
        draft = Draft(kind="flag-set", members={}, private={}, effects=(effect,), changes_gate=True)
        (outcome,) = await context.writer.append([draft], source="test")
        assert isinstance(outcome, Recorded)

    async def ask(self, number: UnifiedNumber | None = None, **changes: object) -> AskedInquiry:
        """Record an inquiry about this person, changed as the test says."""
        number = number or await self.person()
        return await self.member.ask(self.people.code(number, self.name), **changes)

    async def permitted(self, number: UnifiedNumber | None = None, **changes: object) -> Permitted:
        """Record an inquiry and get the core's real permit for it."""
        (one,) = await self.permits([await self.ask(number, **changes)])
        return one

    async def permits(self, asked: list[AskedInquiry]) -> list[Permitted]:
        """Get the core's real permits, all in one message."""
        inquiries = [_inquiry(one) for one in asked]
        outcomes = await ask_permits(
            self.context,
            [
                PermitWanted(recorded=one.recorded, inquiry=inquiry, code=one.code, salt=one.salt)
                for one, inquiry in zip(asked, inquiries, strict=True)
            ],
        )
        granted = [outcome for outcome in outcomes if isinstance(outcome, Granted)]
        assert len(granted) == len(asked), outcomes
        return [
            Permitted(asked=one, inquiry=inquiry, granted=permit)
            for one, inquiry, permit in zip(asked, inquiries, granted, strict=True)
        ]

    async def proven(self, *recorded: Recorded) -> Proven:
        """Return entries of ours as the statements of one message."""
        return await prove(self.context.writer, recorded)

    async def provisions_request(self, *permitted: Permitted) -> ProvisionsRequest:
        """Return the message that presents these permits honestly."""
        proven = await self.proven(*(one.recorded for one in permitted))
        tokens = list(dict.fromkeys(one.granted.token for one in permitted))
        return ProvisionsRequest(
            tokens=tokens,
            groups=proven.groups,
            items=[
                ProvisionAsked(
                    token=tokens.index(one.granted.token),
                    permit_id=one.permit_id,
                    group=proven.reference(one.recorded).group,
                    index=one.recorded.index,
                )
                for one in permitted
            ],
        )

    async def present(self, *permitted: Permitted, to: str = cast.NAGAOKA) -> Reply:
        """Present permits honestly."""
        return await self.post(to, PROVISIONS, await self.provisions_request(*permitted))

    async def post(
        self,
        to: str,
        path: str,
        body: msgspec.Struct | bytes,
        *,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> Reply:
        """Send any bytes at all to a member, over its own TLS with our certificate."""
        raw = body if isinstance(body, bytes) else encode_json(body)
        return await self.send("POST", to, path, raw, headers=headers, context=context)

    async def send(
        self,
        method: str,
        to: str,
        path: str,
        raw: bytes | None,
        *,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> Reply:
        """Send any request at all to a member."""
        url = self.context.trust.directory.organisation(to).url + path
        async with self.session.request(
            method,
            url,
            data=None if raw is None else io.BytesIO(raw),
            headers=headers or ({"Content-Type": "application/json"} if raw is not None else {}),
            ssl=context or self.client_context(to),
            allow_redirects=False,
        ) as response:
            return Reply(
                status=response.status, headers=dict(response.headers), body=await response.read()
            )

    def client_context(self, to: str, own: CertificateFiles | None = None) -> ssl.SSLContext:
        """Return TLS towards a member, with our certificate or another one."""
        trust = self.context.trust
        if (to, own) not in self._contexts:
            self._contexts[to, own] = network_client_context(
                own or trust.keys.network_certificate, trust.directory.certificates(to)
            )
        return self._contexts[to, own]


def _inquiry(asked: AskedInquiry) -> Inquiry:
    public = parse_entry(asked.recorded.entry).public
    assert isinstance(public, Inquiry)
    return public


def core_services(network: Network) -> CoreServices:
    """Return the desks of the running core."""
    (listener,) = network.parties[cast.CORE].role.listeners
    for route in listener.application.router.routes():
        endpoint = getattr(route.handler, "__self__", None)
        services = getattr(endpoint, "_services", None)
        if isinstance(services, CoreServices):
            return services
    raise AssertionError("the core has no desks")


async def left_open(network: Network, inquiry_id: str) -> InquiryRow:
    """Return the union's inquiry, which nothing has ended, and let nobody take it up again."""
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    row = (await inquire.find(inquiry_id, REGISTRATION)).row
    assert (row.state, row.reason, row.answer_leaf) == (InquiryState.OPEN, None, None)
    await inquire.withdraw(inquiry_id, REGISTRATION)
    return row


@asynccontextmanager
async def adds(network: Network, organisation: str, **kinds: int) -> AsyncIterator[None]:
    """Hold an organisation to adding just so many entries of each kind."""
    before = await _count(network, organisation, list(kinds))
    yield
    after = await _count(network, organisation, list(kinds))
    assert {kind: after[kind] - before[kind] for kind in kinds} == kinds


async def _count(network: Network, organisation: str, kinds: list[str]) -> dict[str, int]:
    database = (
        network.core_database
        if organisation == cast.CORE
        else network.gateway(organisation).context.database
    )
    async with database.read() as connection:
        rows = await connection.fetch(
            "SELECT kind, count(*) AS count FROM log_entries"
            " WHERE kind = ANY ($1::text[]) GROUP BY kind",
            kinds,
        )
    return dict.fromkeys(kinds, 0) | {row["kind"]: row["count"] for row in rows}
