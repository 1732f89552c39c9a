"""What the operator may command about clients, over the control socket of a running gateway."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import msgspec

from certs.tokens import AssertionAlgorithm
from codes.canonical import instant, unb64
from codes.errors import CodesError
from gateway.app.roles import Command
from gateway.errors import InvalidRequestError
from gateway.flows.clients import Clients, NewClient, ProofKey
from gateway.storage.clients import ClientRow

T = TypeVar("T")

COMMANDS: Final = (
    "clients-add",
    "clients-list",
    "clients-show",
    "clients-disable",
    "clients-enable",
    "clients-rotate",
)


class _Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of what a command brings."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(masked)"


class Proof(_Arguments, frozen=True, kw_only=True):
    """A key as a command brings it: PEM, or a secret as base64url."""

    algorithm: AssertionAlgorithm
    public_key: str | None = None
    secret: str | None = None

    def read(self) -> ProofKey:
        """Return the key, or raise `InvalidRequestError`."""
        try:
            secret = unb64(self.secret) if self.secret is not None else None
        except CodesError:
            raise InvalidRequestError("proof: cannot be read") from None
        return ProofKey(algorithm=self.algorithm, public_key=self.public_key, secret=secret)


class Add(_Arguments, frozen=True, kw_only=True):
    """The arguments of `clients-add`."""

    client_id: str
    system: str
    scopes: frozenset[str]
    procedures: frozenset[str]
    information: frozenset[str]
    departments: frozenset[str]
    may_ask: bool
    may_supply: bool
    certificate_uri: str
    proof: Proof


class Named(_Arguments, frozen=True, kw_only=True):
    """The arguments of a command about one client."""

    client_id: str


class Rotate(_Arguments, frozen=True, kw_only=True):
    """The arguments of `clients-rotate`."""

    client_id: str
    proof: Proof


class Nothing(_Arguments, frozen=True, kw_only=True):
    """No arguments."""


def client_commands(clients: Clients) -> Mapping[str, Command]:
    """Return the commands by their names."""

    async def add(asked: Add) -> Mapping[str, object]:
        new = NewClient(
            client_id=asked.client_id,
            system=asked.system,
            scopes=asked.scopes,
            procedures=asked.procedures,
            information=asked.information,
            departments=asked.departments,
            may_ask=asked.may_ask,
            may_supply=asked.may_supply,
            certificate_uri=asked.certificate_uri,
            proof=asked.proof.read(),
        )
        return shown(await clients.add(new))

    async def list_all(_asked: Nothing) -> Mapping[str, object]:
        return {"clients": [shown(row) for row in await clients.all()]}

    async def show(asked: Named) -> Mapping[str, object]:
        return shown(await clients.find(asked.client_id))

    async def disable(asked: Named) -> Mapping[str, object]:
        return shown(await clients.set_enabled(asked.client_id, enabled=False))

    async def enable(asked: Named) -> Mapping[str, object]:
        return shown(await clients.set_enabled(asked.client_id, enabled=True))

    async def rotate(asked: Rotate) -> Mapping[str, object]:
        return shown(await clients.rotate(asked.client_id, asked.proof.read()))

    return {
        "clients-add": _taking(Add, add),
        "clients-list": _taking(Nothing, list_all),
        "clients-show": _taking(Named, show),
        "clients-disable": _taking(Named, disable),
        "clients-enable": _taking(Named, enable),
        "clients-rotate": _taking(Rotate, rotate),
    }


def shown(row: ClientRow) -> dict[str, object]:
    """Return a client as the operator sees it; nothing that would prove to be it."""
    return {
        "client_id": row.client_id,
        "state": row.state,
        "version": row.version,
        "system": row.system,
        "scopes": sorted(row.scopes),
        "procedures": sorted(row.procedures),
        "information": sorted(row.information),
        "departments": sorted(row.departments),
        "may_ask": row.may_ask,
        "may_supply": row.may_supply,
        "certificate_uri": row.certificate_uri,
        "algorithm": row.algorithm,
        "added_at": instant(row.added_at),
        "changed_at": instant(row.changed_at),
    }


def _taking(type_: type[T], do: Callable[[T], Awaitable[Mapping[str, object]]]) -> Command:
    """Return a command that reads its arguments strictly."""

    async def command(arguments: Mapping[str, object]) -> Mapping[str, object]:
        try:
            asked = msgspec.convert(arguments, type_)
        except msgspec.ValidationError:
            # `from None`: the original exception may carry a secret.
            raise InvalidRequestError("clients: other arguments than this command takes") from None
        return await do(asked)

    return command
