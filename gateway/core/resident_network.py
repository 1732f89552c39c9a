"""The stand-in for the resident network: from a My Number to a resident-record code (令27①–③).

My Numbers are stored as a keyed one-way function, resident-record codes in boxes; acquisition
numbers are not stored at all: they pass through and are gone. The core hears a changed
resident-record code before it counts here (住基法30の9の2②).
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from codes.errors import CodesError
from codes.numbers import MyNumber, ResidentCode
from gateway.core.problems import item_problem
from gateway.errors import ConflictError, InvalidRequestError, NotFoundError, SekishoError
from gateway.flows.context import Context
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.storage import core_residents
from gateway.storage.core_residents import Resident
from gateway.wire import code_changes, codes
from gateway.wire.fields import ITEMS_MAX

INDEX_KEY: Final = "resident-numbers"
TABLE: Final = "resident_people"
COLUMN: Final = "code"
CODES_PATH: Final = "/v1/resident-codes"
CHANGES_PATH: Final = "/v1/resident-code-changes"
LOAD_MAX: Final = ITEMS_MAX
_INDEX_LABEL: Final = b"sekisho/my-number-index/v1\0"


class MyNumberMalformedError(InvalidRequestError):
    """The check digit says that this is nobody's My Number."""

    problem = "invalid-request"


class UnknownMyNumberError(NotFoundError):
    """The resident network knows nobody by this My Number."""

    problem = "not-found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One line of the resident network's own file."""

    my_number: MyNumber = field(repr=False)
    resident_code: ResidentCode = field(repr=False)


class ResidentNetwork:
    """Who has which resident-record code, and the ways to say so to the core."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._index_key: Final = context.vault.keys.secret(INDEX_KEY).raw

    async def look_up(self, request: codes.LookupsRequest) -> codes.NumbersAnswer:
        """Tell the core whose these acquisition numbers are; one answer for each item.

        Raises `PeerUnavailableError` and its like: nobody knows what the core took; asking again
        is safe.
        """
        self._context.trust.require_fresh(self._context.clock.now())
        read = _my_numbers(request.items)
        found = await self._find([number for number in read if isinstance(number, MyNumber)])
        told = await self._tell(
            {
                item.acquisition_number: found[number.text]
                for item, number in zip(request.items, read, strict=True)
                if isinstance(number, MyNumber) and number.text in found
            }
        )
        return codes.NumbersAnswer(
            results=[
                _result(item, number, told)
                for item, number in zip(request.items, read, strict=True)
            ]
        )

    async def load(self, people: Sequence[Person]) -> int:
        """Keep these people and return how many had another resident-record code before."""
        known = await self._find([person.my_number for person in people])
        changed = [
            (known[person.my_number.text], person.resident_code)
            for person in people
            if known.get(person.my_number.text, person.resident_code) != person.resident_code
        ]
        for start in range(0, len(changed), LOAD_MAX):
            await self._tell_changes(changed[start : start + LOAD_MAX])
        year = self._context.clock.now().year
        async with self._context.database.read() as connection:
            await core_residents.store(
                connection, [self._row(person, year) for person in _last(people)]
            )
        return len(changed)

    async def _find(self, numbers: Sequence[MyNumber]) -> dict[str, ResidentCode]:
        indexes = {self._index(number): number.text for number in numbers}
        async with self._context.database.read() as connection:
            rows = await core_residents.find(connection, list(indexes))
        return {indexes[index]: self._open(row) for index, row in rows.items()}

    async def _tell(self, wanted: Mapping[str, ResidentCode]) -> dict[str, codes.NumberResult]:
        if not wanted:
            return {}
        message = codes.ResidentCodesRequest(
            items=[
                codes.ResidentCode(acquisition_number=number, resident_code=code.text)
                for number, code in wanted.items()
            ]
        )
        answer = await self._context.peers.post(
            self._context.trust.core, CODES_PATH, message, codes.NumbersAnswer
        )
        if len(answer.results) != len(wanted):
            raise PeerProtocolError("resident codes: another number of results")
        return dict(zip(wanted, answer.results, strict=True))

    async def _tell_changes(self, changed: Sequence[tuple[ResidentCode, ResidentCode]]) -> None:
        message = code_changes.ResidentCodeChangesRequest(
            items=[
                code_changes.ResidentCodeChange(previous=before.text, current=after.text)
                for before, after in changed
            ]
        )
        answer = await self._context.peers.post(
            self._context.trust.core,
            CHANGES_PATH,
            message,
            code_changes.ResidentCodeChangesAnswer,
        )
        for result in answer.results:
            if result.problem is not None:
                raise ItemRefusedError(result.problem)

    def _row(self, person: Person, year: int) -> Resident:
        index = self._index(person.my_number)
        box = self._context.vault.seal(
            TABLE, COLUMN, year, index.hex(), person.resident_code.text.encode("ascii")
        )
        return Resident(number=index, key_year=year, code_box=box)

    def _open(self, row: Resident) -> ResidentCode:
        raw = self._context.vault.open(TABLE, COLUMN, row.key_year, row.number.hex(), row.code_box)
        return ResidentCode.parse(raw.decode("ascii"))

    def _index(self, number: MyNumber) -> bytes:
        message = _INDEX_LABEL + number.text.encode("ascii")
        return hmac.digest(self._index_key, message, hashlib.sha256)


def read_people(lines: Sequence[tuple[str, str]]) -> list[Person]:
    """Return the people of lines (My Number, resident-record code), or raise `CodesError`."""
    return [
        Person(my_number=MyNumber.parse(number), resident_code=ResidentCode.parse(code))
        for number, code in lines
    ]


def _last(people: Sequence[Person]) -> list[Person]:
    """Return each person once, as the last line says."""
    return list({person.my_number.text: person for person in people}.values())


def _my_numbers(items: Sequence[codes.Lookup]) -> list[MyNumber | SekishoError]:
    """Return each item's My Number; an acquisition number speaks of one person only."""
    first: dict[str, str] = {}
    return [
        _my_number(item)
        if first.setdefault(item.acquisition_number, item.my_number) == item.my_number
        else ConflictError("lookup: one acquisition number, two people")
        for item in items
    ]


def _my_number(item: codes.Lookup) -> MyNumber | SekishoError:
    try:
        return MyNumber.parse(item.my_number)
    except CodesError:
        return MyNumberMalformedError("lookup: check digit")


def _result(
    item: codes.Lookup,
    number: MyNumber | SekishoError,
    told: Mapping[str, codes.NumberResult],
) -> codes.NumberResult:
    if isinstance(number, SekishoError):
        return codes.NumberResult(problem=item_problem(number))
    result = told.get(item.acquisition_number)
    if result is None:
        return codes.NumberResult(problem=item_problem(UnknownMyNumberError("lookup: nobody")))
    return result
