"""Who takes part in an acquisition: a gateway that takes codes, a registry, the residents' file."""

import asyncio
import secrets
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from certs.own_keys import certificate_files, load_ca
from certs.sealing import unpack_code
from certs.tls import listener_client_context
from codes.numbers import my_number_check_digit
from gateway.app.resident_role import LOAD_COMMAND
from gateway.app.roles import RoleApp
from gateway.core.resident_routes import registry_uri
from gateway.demo import cast
from gateway.flows.sealed import Openers
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.codes import (
    CodeAsked,
    CodeDeliveriesRequest,
    CodeRequestsAnswer,
    CodeRequestsRequest,
    Lookup,
    LookupsRequest,
    NumbersAnswer,
    RequestResult,
    RequestsAnswer,
    RequestTaken,
    ResidentCode,
    ResidentCodesRequest,
)
from gateway.wire.problems import Problem
from tests.integration.core.conftest import Core
from tests.integration.core.world import Member, World


def a_my_number() -> str:
    digits = f"{secrets.randbelow(10**11):011d}"
    return digits + my_number_check_digit(digits)


@dataclass(kw_only=True)
class Gateway:
    """The union's gateway as far as it takes codes in."""

    member: Member
    codes: dict[str, tuple[str, bytes | None]] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)

    async def take(self, body: CodeDeliveriesRequest) -> RequestsAnswer:
        """Open and keep what the core delivers."""
        openers = Openers(
            self.member.context.trust, body.keys, sender=cast.CORE, purpose="code-delivery"
        )
        for item in body.items:
            code = None
            if item.code is not None:
                plaintext = openers.open(
                    item.code, binding=bytes.fromhex(item.request_id), permit_id=None
                )
                _, code = unpack_code(plaintext)
            self.codes[item.request_id] = (item.state, code)
        return RequestsAnswer(results=[self._result(item.request_id) for item in body.items])

    def _result(self, request_id: str) -> RequestResult:
        if request_id not in self.problems:
            return RequestResult(result=RequestTaken(request_id=request_id))
        return RequestResult(problem=self.problems[request_id])

    async def code(self, request_id: str) -> tuple[str, bytes | None]:
        async with asyncio.timeout(10):
            while request_id not in self.codes:
                await asyncio.sleep(0.05)
        return self.codes[request_id]


async def load(role: RoleApp, people: dict[str, str]) -> dict[str, object]:
    """Load residents as the command line would, over the control socket."""
    lines = [[number, code] for number, code in people.items()]
    return dict(await role.commands[LOAD_COMMAND]({"residents": lines}))


async def numbers(member: Member, *request_ids: str) -> CodeRequestsAnswer:
    request = CodeRequestsRequest(items=[CodeAsked(request_id=one) for one in request_ids])
    return await member.context.peers.post("core", "/v1/code-requests", request, CodeRequestsAnswer)


async def number_of(member: Member, request_id: str) -> str:
    (result,) = (await numbers(member, request_id)).results
    assert result.result is not None, result.problem
    return result.result.acquisition_number


async def bring(network: Member, *brought: tuple[str, str]) -> list[str]:
    """Tell the core whose these numbers are; return what it made of each."""
    request = ResidentCodesRequest(
        items=[
            ResidentCode(acquisition_number=number, resident_code=code) for number, code in brought
        ]
    )
    answer = await network.context.peers.post("core", "/v1/resident-codes", request, NumbersAnswer)
    return [one.problem.type if one.problem else "taken" for one in answer.results]


@dataclass(frozen=True, kw_only=True)
class Registry:
    """One organisation's registry, by the certificate the resident network gave it."""

    url: str
    tls: ssl.SSLContext

    async def look_up(self, *brought: tuple[str, str]) -> tuple[int, NumbersAnswer | Problem]:
        request = LookupsRequest(
            items=[Lookup(acquisition_number=number, my_number=mine) for number, mine in brought]
        )
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self.url}/v1/lookups",
                data=encode_json(request),
                headers={"Content-Type": "application/json"},
                ssl=self.tls,
            ) as response,
        ):
            raw = await response.read()
            if response.status == 200:
                return response.status, decode_json(raw, NumbersAnswer)
            return response.status, decode_json(raw, Problem)


def a_registry(
    world: World, folder: Path, *, organisation: str, role: str = "registry"
) -> Registry:
    keys = world.keys(cast.RESIDENT_NETWORK)
    uri = registry_uri(cast.NETWORK, organisation).replace(":registry", f":{role}")
    issued = load_ca(keys, "backoffice").issue_client("registry", uri=uri, now=datetime.now(UTC))
    files = certificate_files(folder, "registry")
    files.store(issued.certificate, issued.key)
    return Registry(
        url=f"https://127.0.0.1:{world.ports[cast.RESIDENT_NETWORK]}",
        tls=listener_client_context(
            ca=certificate_files(keys, "backoffice-ca").certificate, own=files
        ),
    )


async def forgotten(core: Core, number: str) -> None:
    """Wait until the core has no trace of an acquisition number."""
    async with asyncio.timeout(10), core.database.read() as connection:
        while await connection.fetchval(
            "SELECT true FROM core_code_requests WHERE number = $1", bytes.fromhex(number)
        ):
            await asyncio.sleep(0.05)
        traces = await connection.fetchval(
            "SELECT count(*) FROM log_entries WHERE position($1 in leaf) > 0", number.encode()
        )
    assert traces == 0
