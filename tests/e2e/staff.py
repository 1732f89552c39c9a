"""People of the organisations: accounts made and used over the staff listener, as the CLI does."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from certs.own_keys import certificate_files
from certs.passwords import TOTP_STEP_S, Totp
from certs.tls import listener_client_context
from gateway.cli.staff_client import Answer, StaffClient
from tests.e2e.parties import HOST, Network

PASSWORD = "correct horse battery"
SLOW_S = 5


def staff_tls(network: Network, organisation: str) -> ssl.SSLContext:
    """Trust the organisation's staff CA and nobody else."""
    keys = network.parties[organisation].settings.network.keys_dir
    return listener_client_context(ca=certificate_files(keys, "staff-ca").certificate)


def staff_client(network: Network, organisation: str) -> StaffClient:
    """A client of an organisation's staff listener that nobody has signed in with."""
    listeners = network.parties[organisation].listeners
    port = next(one.address[1] for one in listeners if one._spec.name == "staff")
    return StaffClient(f"https://{HOST}:{port}", staff_tls(network, organisation))


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
