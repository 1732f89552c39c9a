"""The registry acquires network codes: recorded first, numbered by the core, linked when delivered.

The acquisition number stands in one row, in a box, until the code is linked; it never enters an
entry or a log line, and goes with the entry that says the code is linked (法21の2③).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from codes.numbers import AcquisitionNumber, UnifiedNumber
from gateway.domain.client import Registration
from gateway.errors import ConflictError, SekishoError, UnavailableError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns, new_id
from gateway.flows.vault import key_month
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.storage import code_acquisitions, network_codes
from gateway.storage.code_acquisitions import (
    ACQUISITION,
    LAPSED,
    NUMBER,
    REQUESTED,
    TABLE,
    AcquisitionBegun,
    AcquisitionEnded,
    AcquisitionRow,
)
from gateway.wire.codes import CodeAsked, CodeRequestsAnswer, CodeRequestsRequest

PATH: Final = "/v1/code-requests"
NUMBER_LIFE: Final = timedelta(days=7)
KEPT_AFTER_END: Final = timedelta(days=30)
ROUNDS_MAX: Final = 3
STALE_AT_ONCE: Final = 256
SOURCE: Final = "code-acquisitions"
NONE: Final = "none"


class OtherClientsError(ConflictError):
    """Another client is acquiring this person's code."""

    problem = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquired:
    """How one person's acquisition stands, as the registry is told."""

    state: str
    request_id: str | None = None
    number: AcquisitionNumber | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """One of the people asked for."""

    unified_number: UnifiedNumber
    subject: bytes = field(repr=False)


class AcquireCodes:
    """The registry's side of code acquisition in one gateway."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def begin(
        self, numbers: Sequence[UnifiedNumber], registration: Registration
    ) -> list[Acquired | SekishoError]:
        """Return for each number its acquisition, begun now where there was none.

        Asked again while it is open, the same acquisition and number come back.

        Raises:
            StaleDirectoryError, UnavailableError: nothing new was begun, or nobody knows its
                number yet; asking again is safe.
        """
        self._context.trust.require_fresh(self._context.clock.now())
        people = {
            number.text: _Person(unified_number=number, subject=self._subject(number))
            for number in numbers
        }
        found = await self._settled(list(people.values()), registration)
        return [found[people[number.text].subject] for number in numbers]

    async def page(
        self,
        registration: Registration,
        *,
        before: tuple[datetime, str] | None,
        state: str | None,
        limit: int,
    ) -> list[AcquisitionRow]:
        """Return the client's acquisitions, newest first."""
        async with self._context.database.read() as connection:
            return await code_acquisitions.page(
                connection, registration.client_id, before=before, state=state, limit=limit
            )

    async def standings(self, numbers: Sequence[UnifiedNumber]) -> list[str]:
        """Return how each person's code stands (FGU-06)."""
        subjects = [self._subject(number) for number in numbers]
        async with self._context.database.read() as connection:
            states = await network_codes.states_of(connection, subjects)
            latest = await code_acquisitions.latest_of(connection, subjects)
        return [
            states.get(subject) or (latest[subject].state if subject in latest else NONE)
            for subject in subjects
        ]

    async def end_stale(self) -> None:
        """End acquisitions whose number the core no longer takes, each with an entry."""
        now = self._context.clock.now()
        async with self._context.database.read() as connection:
            stale = await code_acquisitions.stale(
                connection, before=now - NUMBER_LIFE, limit=STALE_AT_ONCE
            )
        drafts = [
            Draft(
                kind="code-changed",
                members={},
                private={"request_id": row.request_id, "change": LAPSED},
                search=SearchColumns(outcome=LAPSED),
                effects=(AcquisitionEnded(request_id=row.request_id, state=LAPSED),),
            )
            for row in stale
        ]
        if drafts:
            await self._context.writer.append(drafts, source=SOURCE)

    async def _settled(
        self, people: Sequence[_Person], registration: Registration
    ) -> dict[bytes, Acquired | SekishoError]:
        """Return where everybody stands, after beginning what was not begun."""
        for _ in range(ROUNDS_MAX):
            subjects = [person.subject for person in people]
            async with self._context.database.read() as connection:
                states = await network_codes.states_of(connection, subjects)
                latest = await code_acquisitions.latest_of(connection, subjects)
            is_open = {subject: row for subject, row in latest.items() if row.state == REQUESTED}
            new = [
                person
                for person in people
                if person.subject not in states and person.subject not in is_open
            ]
            if not new:
                return await self._told(people, states, is_open, registration)
            await self._record(new, registration)
        raise UnavailableError("code acquisitions: others kept ending them")

    async def _record(self, people: Sequence[_Person], registration: Registration) -> None:
        """Record new acquisitions; one that somebody else began meanwhile drops out."""
        now = self._context.clock.now()
        drafts = [self._draft(person, registration, now) for person in people]
        for outcome in await self._context.writer.append(drafts, source=registration.client_id):
            if not isinstance(outcome, Recorded | EffectRefusedError):
                raise outcome

    def _draft(self, person: _Person, registration: Registration, now: datetime) -> Draft:
        request_id, text = new_id(), person.unified_number.text
        return Draft(
            kind="code-requested",
            members={},
            private={
                "request_id": request_id,
                "unified_number": text,
                "system": registration.system,
            },
            search=SearchColumns(system=registration.system),
            effects=(
                AcquisitionBegun(
                    request_id=request_id,
                    client_id=registration.client_id,
                    subject=person.subject,
                    number_box=self._context.vault.seal(
                        TABLE, NUMBER, key_month(now), request_id, text.encode("ascii")
                    ),
                    key_year=key_month(now),
                    requested_at=now,
                ),
            ),
        )

    async def _told(
        self,
        people: Sequence[_Person],
        states: Mapping[bytes, str],
        is_open: Mapping[bytes, AcquisitionRow],
        registration: Registration,
    ) -> dict[bytes, Acquired | SekishoError]:
        own = [row for row in is_open.values() if row.client_id == registration.client_id]
        numbers = await self._numbers(own)
        told: dict[bytes, Acquired | SekishoError] = {}
        for person in people:
            row = is_open.get(person.subject)
            if row is None:
                told[person.subject] = Acquired(state=states[person.subject])
            elif row.request_id not in numbers:
                told[person.subject] = OtherClientsError("code acquisition: another client's")
            else:
                told[person.subject] = _acquired(row, numbers[row.request_id])
        return told

    async def _numbers(
        self, rows: Sequence[AcquisitionRow]
    ) -> dict[str, AcquisitionNumber | SekishoError]:
        """Return the acquisition numbers of open acquisitions, asking the core where need be."""
        numbers: dict[str, AcquisitionNumber | SekishoError] = {
            row.request_id: self._open_number(row, row.acquisition_box)
            for row in rows
            if row.acquisition_box is not None
        }
        missing = [row for row in rows if row.acquisition_box is None]
        if missing:
            asked = await self._ask_core([row.request_id for row in missing])
            boxes = {
                row.request_id: self._context.vault.seal(
                    TABLE, ACQUISITION, row.key_year, row.request_id, number.text.encode("ascii")
                )
                for row in missing
                if isinstance(number := asked[row.request_id], AcquisitionNumber)
            }
            async with self._context.database.read() as connection:
                await code_acquisitions.keep_numbers(connection, boxes)
            numbers |= asked
        return numbers

    async def _ask_core(
        self, request_ids: Sequence[str]
    ) -> dict[str, AcquisitionNumber | SekishoError]:
        message = CodeRequestsRequest(
            items=[CodeAsked(request_id=request_id) for request_id in request_ids]
        )
        answer = await self._context.peers.post(
            self._context.trust.core, PATH, message, CodeRequestsAnswer
        )
        if len(answer.results) != len(request_ids):
            raise PeerProtocolError("code requests: another number of results")
        numbers: dict[str, AcquisitionNumber | SekishoError] = {}
        for request_id, result in zip(request_ids, answer.results, strict=True):
            if result.result is not None and result.result.request_id == request_id:
                numbers[request_id] = AcquisitionNumber.parse(result.result.acquisition_number)
            elif result.problem is not None:
                numbers[request_id] = ItemRefusedError(result.problem)
            else:
                numbers[request_id] = PeerProtocolError("code requests: neither result nor problem")
        return numbers

    def _open_number(self, row: AcquisitionRow, box: bytes) -> AcquisitionNumber:
        raw = self._context.vault.open(TABLE, ACQUISITION, row.key_year, row.request_id, box)
        return AcquisitionNumber.parse(raw.decode("ascii"))

    def _subject(self, number: UnifiedNumber) -> bytes:
        return self._context.vault.subject(number)


def _acquired(
    row: AcquisitionRow, number: AcquisitionNumber | SekishoError
) -> Acquired | SekishoError:
    if isinstance(number, SekishoError):
        return number
    return Acquired(state=row.state, request_id=row.request_id, number=number)
