"""`POST /v1/resident-codes`: the resident network says whose a number is, the core makes the code.

The person is found, or met for the first time, in the secret table (令27⑤); that the organisation
holds a code is stored (令26⑥); the code itself is made when it is delivered. A person already
coded there is told as such (命令85 44②). A changed resident-record code keeps its person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from codes.canonical import b64
from codes.numbers import ResidentCode
from gateway.core.code_book import CodeBook, Met
from gateway.core.problems import item_problem
from gateway.errors import ConflictError, NotFoundError, SekishoError, UnavailableError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.storage import core_codes
from gateway.storage.core_codes import (
    ACQUIRED,
    ALREADY_ACQUIRED,
    CodeRequest,
    CoreCodeIssued,
    CorePersonMet,
)
from gateway.storage.outbox import OutboxEffect
from gateway.wire import codes as wire
from gateway.wire.codes import NumberResult, NumbersAnswer, NumberTaken, ResidentCodesRequest

DELIVERY: Final = "code-delivery"
KEEP: Final = timedelta(days=30)
ROUNDS_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Brought:
    """One acquisition number with whom it is about."""

    number: bytes = field(repr=False)
    met: Met = field(repr=False)


class ResidentCodeDesk:
    """The core's side of the resident network."""

    def __init__(self, context: Context, codes: CodeBook) -> None:
        self._context = context
        self._codes = codes

    async def answer(self, sender: str, request: ResidentCodesRequest) -> NumbersAnswer:
        """Return for each number that it was taken, or that it stands for no live request."""
        self._context.trust.require_fresh(self._context.clock.now())
        brought = [
            _Brought(
                number=bytes.fromhex(item.acquisition_number),
                met=self._codes.meet(ResidentCode.parse(item.resident_code)),
            )
            for item in request.items
        ]
        errors = await self._issue_all(sender, brought)
        return NumbersAnswer(
            results=[
                _result(one, item, errors) for one, item in zip(brought, request.items, strict=True)
            ]
        )

    async def _issue_all(
        self, sender: str, brought: Sequence[_Brought]
    ) -> dict[bytes, SekishoError]:
        errors: dict[bytes, SekishoError] = {}
        waiting: dict[bytes, _Brought] = {}
        for one in brought:
            if waiting.setdefault(one.number, one).met != one.met:
                errors[one.number] = ConflictError("acquisition number: brought for two people")
        for number in errors:
            del waiting[number]
        for _ in range(ROUNDS_MAX):
            if waiting:
                done, refused = await self._round(sender, list(waiting.values()))
                errors |= refused
                for number in (*done, *refused):
                    del waiting[number]
        if waiting:
            raise UnavailableError("resident codes: holders kept changing")
        return errors

    async def _round(
        self, sender: str, waiting: Sequence[_Brought]
    ) -> tuple[list[bytes], dict[bytes, SekishoError]]:
        """Decide once; what met another request on its way into the record stays out."""
        now = self._context.clock.now()
        async with self._context.database.read() as connection:
            requests = await core_codes.requests_by_number(
                connection, [one.number for one in waiting], now=now
            )
            people = await core_codes.people(connection, [one.met.lookup for one in waiting])
            pairs = _pairs(waiting, requests, people)
            holders = await core_codes.holders(connection, pairs)
        done: list[bytes] = []
        refused: dict[bytes, SekishoError] = {}
        drafts: list[tuple[bytes, Draft]] = []
        for one in waiting:
            request = requests.get(one.number)
            person = people.get(one.met.lookup, one.met.person)
            if request is None:
                refused[one.number] = NotFoundError("acquisition number: none that lives")
            elif request.person is None:
                is_held = (person, request.organisation) in holders
                drafts.append((one.number, _draft(request, one.met, person, is_held=is_held)))
            elif request.person == person:
                done.append(one.number)
            else:
                refused[one.number] = ConflictError("acquisition number: taken for another")
        await self._record(sender, drafts, done, refused)
        return done, refused

    async def _record(
        self,
        sender: str,
        drafts: Sequence[tuple[bytes, Draft]],
        done: list[bytes],
        refused: dict[bytes, SekishoError],
    ) -> None:
        if not drafts:
            return
        outcomes = await self._context.writer.append([draft for _, draft in drafts], source=sender)
        for (number, _), outcome in zip(drafts, outcomes, strict=True):
            if isinstance(outcome, Recorded):
                done.append(number)
            elif not isinstance(outcome, EffectRefusedError):
                refused[number] = outcome


def _pairs(
    waiting: Sequence[_Brought],
    requests: Mapping[bytes, CodeRequest],
    people: Mapping[bytes, bytes],
) -> list[tuple[bytes, str]]:
    return [
        (people.get(one.met.lookup, one.met.person), requests[one.number].organisation)
        for one in waiting
        if one.number in requests
    ]


def _draft(request: CodeRequest, met: Met, person: bytes, *, is_held: bool) -> Draft:
    state = ALREADY_ACQUIRED if is_held else ACQUIRED
    return Draft(
        kind="code-linked",
        members={},
        private={
            "organisation": request.organisation,
            "request_id": request.request_id,
            "person": b64(person),
            "state": state,
        },
        search=SearchColumns(subject=person, counterparty=request.organisation, outcome=state),
        effects=(
            CorePersonMet(lookup=met.lookup, person=person),
            CoreCodeIssued(
                organisation=request.organisation,
                request_id=request.request_id,
                person=person,
                state=state,
            ),
            OutboxEffect(
                outbox_id=f"{DELIVERY}-{request.organisation}-{request.request_id}",
                kind=DELIVERY,
                destination=request.organisation,
                body={"request_id": request.request_id},
                after_s=0.0,
                keep_s=KEEP.total_seconds(),
            ),
        ),
    )


def _result(
    one: _Brought, item: wire.ResidentCode, errors: Mapping[bytes, SekishoError]
) -> NumberResult:
    error = errors.get(one.number)
    if error is not None:
        return NumberResult(problem=item_problem(error))
    return NumberResult(result=NumberTaken(acquisition_number=item.acquisition_number))
