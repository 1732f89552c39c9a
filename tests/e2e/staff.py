"""People of the organisations: accounts made and used over the staff listener, as the CLI does."""

import asyncio
import contextlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from certs.own_keys import certificate_files
from certs.passwords import TOTP_STEP_S, Totp
from certs.tls import listener_client_context
from gateway.cli.main import build_app, call
from gateway.cli.staff_client import Answer, StaffClient
from gateway.demo import cast
from tests.e2e.parties import Network
from tests.tools.ports import HOST

PASSWORD = "correct horse battery"
SLOW_S = 5


def staff_ca(network: Network, organisation: str) -> Path:
    """The CA of an organisation's staff listener."""
    keys = network.parties[organisation].settings.network.keys_dir
    return certificate_files(keys, "staff-ca").certificate


def staff_client(network: Network, organisation: str) -> StaffClient:
    """A client of an organisation's staff listener that nobody has signed in with."""
    listeners = network.parties[organisation].listeners
    port = next(one.address[1] for one in listeners if one._spec.name == "staff")
    tls = listener_client_context(ca=staff_ca(network, organisation))
    return StaffClient(f"https://{HOST}:{port}", tls)


@dataclass
class Person:
    """Somebody with an account and an authenticator, which waits for nobody.

    A step is used once: codes come from the steps around now, each a step later than the last.
    """

    name: str
    staff_id: str
    factor: Totp
    client: StaffClient
    password: str = PASSWORD
    last_step: int = 0

    def credential(self) -> dict[str, str]:
        return {"name": self.name, "password": self.password, "totp": self.code()}

    def code(self) -> str:
        now = int(datetime.now(UTC).timestamp())
        # A step that is about to be too old when it arrives is left out.
        step = max((now + SLOW_S) // TOTP_STEP_S - 1, self.last_step + 1)
        assert step <= now // TOTP_STEP_S + 1, "codes are good around now; another has to wait"
        self.last_step = step
        return self.factor.code(datetime.fromtimestamp(step * TOTP_STEP_S, UTC))

    async def sign_in(self) -> "Person":
        answer = await self.call("POST", "/v1/session", self.credential())
        assert answer.status == 201, answer.body
        self.client.token = str(answer.body["token"])
        return self

    async def call(self, method: str, path: str, body: object = None) -> Answer:
        return await asyncio.to_thread(self.client.ask, method, path, body)

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def post(self, path: str, body: object = None) -> Answer:
        return await self.call("POST", path, body)


async def fresh(network: Network, person: Person, at: str = cast.NAGAOKA) -> dict[str, str]:
    """A credential whose step counts as unused: the test does not wait half a minute."""
    is_core = at == cast.CORE
    database = network.core_database if is_core else network.gateway(at).context.database
    async with database.read() as connection:
        await connection.execute("UPDATE staff_credentials SET last_step = 0")
    person.last_step = 0
    return person.credential()


async def first_account(network: Network, organisation: str, name: str = "root") -> Person:
    """The administrator whom the operator makes over the control socket."""
    command = network.parties[organisation].role.commands["staff-add"]
    made = await command({"name": name, "password": PASSWORD})
    return Person(
        name=name,
        staff_id=str(made["staff_id"]),
        factor=Totp.from_base32(str(made["totp_secret"])),
        client=staff_client(network, organisation),
    )


async def a_person(administrator: Person, name: str, *roles: str) -> Person:
    """Somebody with these roles, made by a signed-in administrator and enrolled by themselves."""
    made = await administrator.post("/v1/staff", {"name": name, "roles": list(roles)})
    assert made.status == 201, made.body
    client = StaffClient(administrator.client.url, administrator.client.tls)
    enrolled = await asyncio.to_thread(
        client.ask,
        "POST",
        "/v1/enrolments",
        {
            "name": name,
            "enrolment_code": made.body["enrolment_code"],
            "password": PASSWORD,
        },
    )
    assert enrolled.status == 201, enrolled.body
    return Person(
        name=name,
        staff_id=str(made.body["staff_id"]),
        factor=Totp.from_base32(str(enrolled.body["totp_secret"])),
        client=client,
    )


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def run_cli(
    network: Network, organisation: str, *arguments: str, lines: Sequence[dict[str, str]] = ()
) -> Ran:
    """Run one command against a staff listener, as a script would."""
    return await run_plain(network, organisation, *arguments, "--json", lines=lines)


async def run_plain(
    network: Network, organisation: str, *arguments: str, lines: Sequence[dict[str, str]] = ()
) -> Ran:
    """Run one command against a staff listener, printing what a person reads."""
    url, ca = staff_client(network, organisation).url, staff_ca(network, organisation)
    given, giving = os.pipe()
    os.write(giving, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    os.close(giving)
    reach = ("--url", url, "--ca", str(ca), "--credentials-fd", str(given))
    return await _run(*arguments, *reach)


async def run_offline(*arguments: str) -> Ran:
    """Run one command that needs no credentials, as a script would."""
    return await _run(*arguments, "--json")


async def _run(*arguments: str) -> Ran:
    out = io.StringIO()

    def run() -> int:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            return call(build_app(), list(arguments))

    return Ran(await asyncio.to_thread(run), out.getvalue())
