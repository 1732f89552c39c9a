"""The operator registers back-office systems; every change is an entry before it counts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from certs.errors import CertsError
from certs.tokens import AssertionAlgorithm, ClientKey
from gateway.domain.client import ANY
from gateway.domain.scopes import SCOPES
from gateway.errors import ConflictError, InvalidRequestError, NotFoundError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.storage import clients
from gateway.storage.clients import (
    DISABLED,
    ENABLED,
    SECRET,
    TABLE,
    ClientAdded,
    ClientChanged,
    ClientRow,
)
from gateway.storage.effects import Effect

CLIENTS_MAX: Final = 1000
NAMES_MAX: Final = 512
SOURCE: Final = "operator"
_CLIENT_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_SYSTEM: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,62}", re.ASCII)
_DEPARTMENT: Final = re.compile(r"[0-9A-Za-z-]{1,20}", re.ASCII)
_URI: Final = re.compile(r"urn:[!-~]{1,250}", re.ASCII)


class ClientExistsError(ConflictError):
    """A client of this id, or of this certificate, is registered already."""

    problem = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofKey:
    """By what a client proves who it is: a public key, or (HS256) a secret both know."""

    algorithm: AssertionAlgorithm
    public_key: str | None = None
    secret: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient:
    """A back-office system as the operator registers it."""

    client_id: str
    system: str
    scopes: frozenset[str]
    procedures: frozenset[str]
    information: frozenset[str]
    departments: frozenset[str]
    may_ask: bool
    may_supply: bool
    certificate_uri: str
    proof: ProofKey


class Clients:
    """The register of one gateway's clients."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def add(self, new: NewClient) -> ClientRow:
        """Register a client.

        Raises:
            InvalidRequestError: a name, scope, procedure or term that there is not, a key that
                does not fit.
            ClientExistsError: the id or the certificate is another's.
        """
        self._check(new)
        year = self._context.clock.now().year
        effect = ClientAdded(
            client_id=new.client_id,
            state=ENABLED,
            system=new.system,
            scopes=tuple(sorted(new.scopes)),
            procedures=tuple(sorted(new.procedures)),
            information=tuple(sorted(new.information)),
            departments=tuple(sorted(new.departments)),
            may_ask=new.may_ask,
            may_supply=new.may_supply,
            certificate_uri=new.certificate_uri,
            algorithm=new.proof.algorithm.value,
            public_key=new.proof.public_key,
            secret_box=self._secret_box(new.client_id, new.proof, year),
            key_year=year,
        )
        private: dict[str, object] = {
            "client_id": new.client_id,
            "system": new.system,
            "scopes": list(effect.scopes),
            "procedures": list(effect.procedures),
            "information": list(effect.information),
            "departments": list(effect.departments),
            "may_ask": int(new.may_ask),
            "may_supply": int(new.may_supply),
            "certificate_uri": new.certificate_uri,
            "algorithm": effect.algorithm,
        }
        if not await self._record("client-added", private, new.system, effect):
            raise ClientExistsError("client: id or certificate taken")
        return await self.find(new.client_id)

    async def find(self, client_id: str) -> ClientRow:
        """Return a client, or raise `NotFoundError`."""
        async with self._context.database.read() as connection:
            found = await clients.find(connection, [client_id])
        if client_id not in found:
            raise NotFoundError("client: none of this id")
        return found[client_id]

    async def all(self) -> list[ClientRow]:
        """Return every client, by id."""
        async with self._context.database.read() as connection:
            return await clients.list_all(connection, limit=CLIENTS_MAX)

    async def set_enabled(self, client_id: str, *, enabled: bool) -> ClientRow:
        """Let a client in, or keep it out; its tokens end with the change."""
        row = await self.find(client_id)
        if row.is_enabled == enabled:
            return row
        effect = ClientChanged(
            client_id=client_id,
            version=row.version,
            state=ENABLED if enabled else DISABLED,
            algorithm=row.algorithm,
            public_key=row.public_key,
            secret_box=row.secret_box,
            key_year=row.key_year,
        )
        return await self._change(row, "enabled" if enabled else "disabled", effect)

    async def rotate(self, client_id: str, proof: ProofKey) -> ClientRow:
        """Give a client another key; the one before and its tokens end at once."""
        row = await self.find(client_id)
        _check_proof(proof)
        year = self._context.clock.now().year
        effect = ClientChanged(
            client_id=client_id,
            version=row.version,
            state=row.state,
            algorithm=proof.algorithm.value,
            public_key=proof.public_key,
            secret_box=self._secret_box(client_id, proof, year),
            key_year=year,
        )
        return await self._change(row, "key-changed", effect)

    async def _change(self, row: ClientRow, change: str, effect: ClientChanged) -> ClientRow:
        private: dict[str, object] = {
            "client_id": row.client_id,
            "change": change,
            "algorithm": effect.algorithm,
        }
        if not await self._record("client-changed", private, row.system, effect):
            raise ConflictError("client: somebody else changed it")
        return await self.find(row.client_id)

    async def _record(
        self, kind: str, private: dict[str, object], system: str, effect: Effect
    ) -> bool:
        draft = Draft(
            kind=kind,
            members={},
            private=private,
            search=SearchColumns(system=system),
            effects=(effect,),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if isinstance(outcome, EffectRefusedError):
            return False
        if not isinstance(outcome, Recorded):
            raise outcome
        return True

    def _secret_box(self, client_id: str, proof: ProofKey, year: int) -> bytes | None:
        if proof.secret is None:
            return None
        return self._context.vault.seal(TABLE, SECRET, year, client_id, proof.secret)

    def _check(self, new: NewClient) -> None:
        if not _CLIENT_ID.fullmatch(new.client_id):
            raise InvalidRequestError("client id: [a-z0-9][a-z0-9-]{0,62}")
        if not _SYSTEM.fullmatch(new.system):
            raise InvalidRequestError("system: letters, digits, . _ - and at most 63 of them")
        if not _URI.fullmatch(new.certificate_uri):
            raise InvalidRequestError("certificate URI: urn:…")
        law = self._context.trust.law
        _check_names("scope", new.scopes, SCOPES, may_be_any=False)
        _check_names("procedure", new.procedures, law.procedures, may_be_any=True)
        _check_names("information", new.information, law.terms, may_be_any=True)
        for department in new.departments - {ANY}:
            if not _DEPARTMENT.fullmatch(department):
                raise InvalidRequestError("department: letters, digits, - and at most 20 of them")
        _check_proof(new.proof)


def _check_names(
    what: str, given: frozenset[str], known: Iterable[str], *, may_be_any: bool
) -> None:
    if len(given) > NAMES_MAX:
        raise InvalidRequestError(f"{what}: at most {NAMES_MAX}")
    unknown = given - set(known) - ({ANY} if may_be_any else set())
    if unknown:
        raise InvalidRequestError(f"{what}: there is no {min(unknown)}")


def _check_proof(proof: ProofKey) -> None:
    """Refuse a key that no assertion could be verified with."""
    if (proof.public_key is None) == (proof.secret is None):
        raise InvalidRequestError("proof: a public key or a secret")
    try:
        if proof.secret is not None:
            if proof.algorithm is not AssertionAlgorithm.HS256:
                raise InvalidRequestError("proof: a secret is for HS256")
            ClientKey.from_secret(proof.secret)
        elif proof.public_key is not None:
            ClientKey.from_pem(proof.algorithm, proof.public_key.encode())
    except CertsError as error:
        raise InvalidRequestError(f"proof: {error.reason}") from None
