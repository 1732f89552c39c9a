"""Staff of the cast: accounts taken into use, sessions, and one-time passwords used once."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

import aiohttp
import msgspec

from certs.own_keys import certificate_files
from certs.passwords import TOTP_STEP_S, Totp
from certs.tls import listener_client_context
from gateway.demo import commands
from gateway.demo.processes import Running
from gateway.errors import SekishoError

ADMINISTRATOR: Final = "kanri"
_PASSWORD_BYTES: Final = 18
_GOOD: Final = 300
_TICK_S: Final = 0.01
_ON_THE_WAY_S: Final = 10
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class StaffRefusedError(SekishoError):
    """The staff listener said no; `slug` and `reason` are its own words."""

    def __init__(self, problem: Mapping[str, object]) -> None:
        super().__init__(f"staff listener: {problem.get('type')}")
        self.slug = str(problem.get("type"))
        self.reason = problem.get("reason")


@dataclass(slots=True, kw_only=True)
class Person:
    """One member of staff with both factors, and the last one-time password they used."""

    name: str
    password: str = field(repr=False)
    factor: Totp = field(repr=False)
    _last_step: int = 0

    async def credential(self) -> dict[str, str]:
        """Return a credential nobody has seen yet.

        A one-time password is good once, and a little before and after its half minute: three
        can be given at once, so a person who decides right after signing in need not wait.
        """
        now = datetime.now(UTC)
        present, into = divmod(now.timestamp(), TOTP_STEP_S)
        # The half minute before is good only if this one does not end on the way.
        first = int(present) - (1 if into < TOTP_STEP_S - _ON_THE_WAY_S else 0)
        step = max(self._last_step + 1, first)
        if step > present + 1:
            await asyncio.sleep((step - 1) * TOTP_STEP_S - now.timestamp() + _TICK_S)
        self._last_step = step
        moment = datetime.fromtimestamp(step * TOTP_STEP_S, UTC)
        return {
            "name": self.name,
            "password": self.password,
            "totp": self.factor.code(moment),
        }

    async def line(self) -> bytes:
        """Return a credential as `--credentials-fd` reads it."""
        return msgspec.json.encode(await self.credential()) + b"\n"


class StaffDesk:
    """The staff listener of one gateway, for whoever signs in."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._url = running.url("staff")
        ca = certificate_files(running.instance.keys, "staff-ca").certificate
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=listener_client_context(ca=ca)), timeout=_TIMEOUT
        )
        self._tokens: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def open(self, roles: Mapping[str, tuple[str, ...]]) -> dict[str, Person]:
        """Make the first account by command and these by its administrator; return everybody."""
        administrator = await self._first()
        people = {ADMINISTRATOR: administrator}
        for name, wanted in roles.items():
            invitation = await self.post(
                "/v1/staff", {"name": name, "roles": list(wanted)}, by=administrator
            )
            people[name] = await self._enrol(name, str(invitation["enrolment_code"]))
        return people

    async def get(self, path: str, *, by: Person) -> dict[str, object]:
        """Return the answer to a signed-in GET, or raise `StaffRefusedError`."""
        return await self._call("GET", path, None, token=await self._token(by))

    async def post(
        self, path: str, body: Mapping[str, object], *, by: Person | None = None
    ) -> dict[str, object]:
        """Return the answer to a POST, signed in unless the body proves who comes."""
        token = None if by is None else await self._token(by)
        return await self._call("POST", path, body, token=token)

    async def _first(self) -> Person:
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        made = await commands.told(
            "staff",
            "add",
            ADMINISTRATOR,
            "--first",
            *("--config", self._running.instance.config, "--credentials-fd", "0"),
            feed=msgspec.json.encode({"new_password": password}) + b"\n",
        )
        return _person(ADMINISTRATOR, password, made)

    async def _enrol(self, name: str, code: str) -> Person:
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        body = {"name": name, "enrolment_code": code, "password": password}
        return _person(name, password, await self.post("/v1/enrolments", body))

    async def _token(self, person: Person) -> str:
        if person.name not in self._tokens:
            session = await self.post("/v1/session", await person.credential())
            self._tokens[person.name] = str(session["token"])
        return self._tokens[person.name]

    async def _call(
        self, method: str, path: str, body: Mapping[str, object] | None, *, token: str | None
    ) -> dict[str, object]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self._session.request(
            method, self._url + path, json=body, headers=headers
        ) as response:
            raw = await response.read()
            answer = msgspec.json.decode(raw, type=dict[str, object]) if raw else {}
            if response.status >= _GOOD:
                raise StaffRefusedError(answer)
            return answer


def _person(name: str, password: str, made: Mapping[str, object]) -> Person:
    factor = Totp.from_base32(str(made["totp_secret"]))
    return Person(name=name, password=password, factor=factor)
