"""令26③: an inquirer shows four facts of a person and asks the provider to acquire a code.

On the inquirer's side recorded and then sent; on the provider's side opened, kept in a box for its
registry, and recorded. The facts are name, birth date, sex and address, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from certs.errors import CertsError
from certs.terms import Day
from codes.canonical import canonical_json, parse_canonical
from codes.errors import CodesError
from gateway.domain.client import Registration
from gateway.errors import NotFoundError, SekishoError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns, new_id
from gateway.flows.sealed import (
    Openers,
    SealedInvalidError,
    key_to_wire,
    sealed_to_wire,
    start_sealing,
)
from gateway.flows.vault import key_month
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.storage import code_wanted
from gateway.storage.code_wanted import PERSON, TABLE, CodeWanted, place
from gateway.wire import codes as wire

PATH: Final = "/v1/code-acquisition-requests"
PURPOSE: Final = "notice"
PERSON_BYTES_MAX: Final = 4096
KEPT: Final = timedelta(days=30)


class PersonShown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The four facts (令26③)."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    birth_date: Day
    sex: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
    address: Annotated[str, msgspec.Meta(min_length=1, max_length=400)]

    def __repr__(self) -> str:
        return "PersonShown(masked)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One request as the registry sees it."""

    request_id: str
    inquirer: str
    received_at: datetime
    person: PersonShown = field(repr=False)


class WantedCodes:
    """Both ends of asking for a code to be acquired elsewhere."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def take(
        self, sender: str, request: wire.CodeAcquisitionRequestsRequest
    ) -> list[str | SekishoError]:
        """Keep what an inquirer asks for; each request id, or why not, in the request's order."""
        now = self._context.clock.now()
        self._context.trust.require_fresh(now)
        openers = Openers(self._context.trust, request.keys, sender=sender, purpose=PURPOSE)
        taken: list[str | SekishoError] = []
        drafts: dict[str, Draft] = {}
        for item in request.items:
            try:
                person = _read(openers, item)
            except SekishoError as error:
                taken.append(error)
                continue
            taken.append(item.request_id)
            drafts.setdefault(item.request_id, self._received(sender, item, person, now))
        if drafts:
            await self._record(list(drafts.values()), source=sender)
        return taken

    async def page(self, *, before: tuple[datetime, str] | None, limit: int) -> list[Wanted]:
        """Return what was asked of us, newest first."""
        async with self._context.database.read() as connection:
            rows = await code_wanted.page(connection, before=before, limit=limit)
        return [
            Wanted(
                request_id=row.request_id,
                inquirer=row.inquirer,
                received_at=row.received_at,
                person=self._open(row),
            )
            for row in rows
        ]

    async def ask(
        self, provider: str, person: PersonShown, request_id: str | None, registration: Registration
    ) -> str:
        """Record the request, send it to the provider, and return its id.

        Asked again with the same id, the provider keeps one.

        Raises:
            NotFoundError: no such organisation.
            PeerUnavailableError and its like: nobody knows whether it has it; ask again.
        """
        now = self._context.clock.now()
        self._context.trust.require_fresh(now)
        try:
            self._context.trust.directory.organisation(provider)
        except CertsError:
            raise NotFoundError("code wanted: no such organisation") from None
        wanted_id = request_id or new_id()
        await self._record([self._asked(provider, wanted_id, registration)], source=provider)
        sealer = start_sealing(self._context.trust, PURPOSE, recipient=provider)
        sealed = sealer.seal(
            canonical_json(msgspec.to_builtins(person)),
            inquiry_leaf=bytes.fromhex(wanted_id),
            permit_id=None,
        )
        message = wire.CodeAcquisitionRequestsRequest(
            keys=[key_to_wire(sealer.header)],
            items=[wire.CodeWanted(request_id=wanted_id, person=sealed_to_wire(sealed, key=0))],
        )
        answer = await self._context.peers.post(provider, PATH, message, wire.RequestsAnswer)
        if len(answer.results) != 1:
            raise PeerProtocolError("code wanted: another number of results")
        problem = answer.results[0].problem
        if problem is not None:
            raise ItemRefusedError(problem)
        return wanted_id

    async def _record(self, drafts: Sequence[Draft], *, source: str) -> None:
        for outcome in await self._context.writer.append(drafts, source=source):
            # A refused effect means that the same request was kept before.
            if not isinstance(outcome, Recorded | EffectRefusedError):
                raise outcome

    def _received(
        self, sender: str, item: wire.CodeWanted, person: PersonShown, now: datetime
    ) -> Draft:
        box = self._context.vault.seal(
            TABLE,
            PERSON,
            key_month(now),
            place(sender, item.request_id),
            msgspec.json.encode(person),
        )
        return Draft(
            kind="code-wanted",
            members={},
            private={"request_id": item.request_id, "inquirer": sender, "side": "provider"},
            search=SearchColumns(counterparty=sender),
            effects=(
                CodeWanted(
                    request_id=item.request_id,
                    inquirer=sender,
                    key_year=key_month(now),
                    person_box=box,
                    received_at=now,
                ),
            ),
        )

    def _asked(self, provider: str, request_id: str, registration: Registration) -> Draft:
        return Draft(
            kind="code-wanted",
            members={},
            private={
                "request_id": request_id,
                "provider": provider,
                "side": "inquirer",
                "system": registration.system,
            },
            search=SearchColumns(counterparty=provider, system=registration.system),
        )

    def _open(self, row: code_wanted.WantedRow) -> PersonShown:
        raw = self._context.vault.open(
            TABLE, PERSON, row.key_year, place(row.inquirer, row.request_id), row.person_box
        )
        return msgspec.json.decode(raw, type=PersonShown)


def _read(openers: Openers, item: wire.CodeWanted) -> PersonShown:
    """Return the four facts of one item, or raise `SealedInvalidError`."""
    plaintext = openers.open(item.person, binding=bytes.fromhex(item.request_id), permit_id=None)
    try:
        return msgspec.convert(parse_canonical(plaintext, bytes_max=PERSON_BYTES_MAX), PersonShown)
    except CodesError as error:
        raise SealedInvalidError("code wanted: not canonical", reason=error.reason) from None
    except msgspec.ValidationError:
        # `from None`: the original exception may carry a fact.
        raise SealedInvalidError("code wanted: other facts", reason="other-facts") from None
