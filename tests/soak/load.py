"""What is asked for while things go wrong, and everything that was acknowledged to who asked.

Nothing is given up: what nobody answered is asked again under the same key until somebody does.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from gateway.client import BackofficeClient, ClientError, RefusedByRuleError
from gateway.client.errors import (
    GatewayBusyError,
    GatewayRefusedError,
    GatewayUnreachableError,
    NotFoundError,
    ProblemError,
)
from gateway.demo import cast
from gateway.demo.asking import UNION_ASKS_CITY_TAX, UNION_ASKS_PREFECTURE_TAX, Ask
from gateway.demo.offices import CITY_SYSTEM, UNION_SYSTEM
from gateway.demo.replicas import tax_items
from gateway.demo.residents import Resident
from gateway.wire.backoffice import Inquiry, NewInquiry
from tests.soak.ground import CITY, UNION, Ground
from tests.soak.judge import Asked

T = TypeVar("T")

NOT_NOW: Final = (GatewayBusyError, GatewayUnreachableError)
AGAIN_S: Final = 0.2
WAIT_S: Final = 2
CITY_ASKS_UNION_BENEFITS: Final = Ask(
    inquirer=CITY,
    inquirer_body=cast.NAGAOKA_MAYOR,
    inquirer_title="長岡市（長岡市長）",
    provider_body=cast.UNION_HEAD,
    provider_title="群馬県後期高齢者医療広域連合",
    information="XTM0000000000008",
    ground="42の項 第44条第1号イ",
    procedure="XP04401010240527",
)
UNFINISHED: Final = frozenset({None, "open", "withheld"})
_ENDS: Final = {
    "answered": "provided",
    "held": "provided",
    "nothing": "no-information",
    "benefits": "no-information",
    "stranger": "refused",
}
"""What must come of each kind of question; `unlawful` is refused where it is asked."""
_SHARES: Final = {"answered": 60, "nothing": 10, "benefits": 10, "stranger": 10, "unlawful": 10}
_WITHDRAWN: Final = 0.08
_ASKED_TWICE: Final = 0.2
_FETCHED: Final = 0.3


@dataclass(slots=True, kw_only=True)
class Load:
    """Back-office systems of both cities at work; `held_max` questions end with people."""

    ground: Ground
    chance: random.Random
    held_max: int
    pause_s: float = 0.05
    asked: list[Asked] = field(default_factory=list)
    refused: int = 0
    """Questions that the law does not allow, and were told so."""
    strange: list[str] = field(default_factory=list)
    """Answers that no caller may get, whatever goes wrong behind them."""
    silence_s: float = 0.0
    _held: int = 0
    _last_at: float = field(default_factory=time.monotonic)
    _is_over: bool = False

    async def run(self, askers: int) -> None:
        """Ask until `stop`; return when everything that was begun is acknowledged."""
        async with asyncio.TaskGroup() as group:
            for _ in range(askers):
                group.create_task(self._ask_on())

    def stop(self) -> None:
        """Begin nothing new."""
        self._is_over = True

    @property
    def acknowledged(self) -> int:
        """How many calls were answered with a success, or with a lawful refusal."""
        return self.refused + sum(one.acknowledged for one in self.asked)

    async def _ask_on(self) -> None:
        while not self._is_over:
            try:
                await self._ask_one()
            except ProblemError as error:
                self.strange.append(f"to a lawful question: {error}")
            await asyncio.sleep(self.pause_s * self.chance.random())

    async def _ask_one(self) -> None:
        kind = self._kind()
        organisation = CITY if kind == "benefits" else UNION
        client = self.client(organisation)
        person, question = self._question(kind)
        if kind == "unlawful":
            await self._unlawful(client, question)
            return
        one = Asked(
            organisation=organisation,
            kind=kind,
            key=self.chance.randbytes(16).hex(),
            expected=_ENDS[kind],
        )
        self.asked.append(one)
        begun = await self._begun(client, question, one)
        if self.chance.random() < _ASKED_TWICE:
            begun = await self._begun(client, question, one)
        if kind == "answered" and self.chance.random() < _WITHDRAWN:
            await self._withdraw(client, one, begun.id)
        elif begun.state not in UNFINISHED:
            await self.ended(one, begun)
            one.is_right = one.is_right and _is_right(person, kind, begun)

    def client(self, organisation: str) -> BackofficeClient:
        return self.ground.clients[CITY_SYSTEM if organisation == CITY else UNION_SYSTEM]

    def _kind(self) -> str:
        if self._held < self.held_max:
            self._held += 1
            return "held"
        return self.chance.choices(list(_SHARES), list(_SHARES.values()))[0]

    def _question(self, kind: str) -> tuple[Resident, NewInquiry]:
        groups = self.ground.groups
        group = {
            "held": groups.guarded,
            "nothing": groups.bare,
            "stranger": groups.strangers,
        }.get(kind, groups.known)
        person = self.chance.choice(group)
        ask = {"benefits": CITY_ASKS_UNION_BENEFITS, "unlawful": UNION_ASKS_PREFECTURE_TAX}.get(
            kind, UNION_ASKS_CITY_TAX
        )
        return person, ask.of(person)

    async def _unlawful(self, client: BackofficeClient, question: NewInquiry) -> None:
        try:
            await self.until_told(lambda: client.ask(question))
        except RefusedByRuleError:
            self.refused += 1
        else:
            self.strange.append("an unlawful question was taken")

    async def _begun(self, client: BackofficeClient, question: NewInquiry, one: Asked) -> Inquiry:
        begun = await self.until_told(
            lambda: client.ask(question, wait_s=WAIT_S, idempotency_key=one.key)
        )
        one.ids.add(begun.id)
        one.acknowledged += 1
        return begun

    async def _withdraw(self, client: BackofficeClient, one: Asked, inquiry_id: str) -> None:
        """Take it back, if it has no answer yet; who is too late gets the answer."""
        one.may_be_withdrawn = True  # also where the first answer that said so was lost
        try:
            await self.until_told(lambda: client.withdraw(inquiry_id))
        except GatewayRefusedError:
            return
        one.is_withdrawn = True
        one.acknowledged += 1

    async def ended(self, one: Asked, inquiry: Inquiry) -> None:
        """Take note of an end, and sometimes say that the result is kept."""
        one.state, one.permit_id = inquiry.state, inquiry.permit_id
        if inquiry.result is None or one.is_fetched or self.chance.random() > _FETCHED:
            return
        await self.until_told(lambda: self.client(one.organisation).acknowledge(inquiry.id))
        one.is_fetched = True
        one.acknowledged += 1

    async def until_told(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what somebody answers in the end; what is no answer is asked again."""
        while True:
            try:
                answer = await call()
            except NOT_NOW as error:
                if isinstance(error, GatewayBusyError) and error.type == "internal-error":
                    self.strange.append(str(error))
                await asyncio.sleep(AGAIN_S)
            except (RefusedByRuleError, GatewayRefusedError, NotFoundError):
                self._heard()
                raise
            except ClientError as error:
                self.strange.append(str(error))
                await asyncio.sleep(AGAIN_S)
            else:
                self._heard()
                return answer

    def _heard(self) -> None:
        now = time.monotonic()
        self.silence_s = max(self.silence_s, now - self._last_at)
        self._last_at = now


def _is_right(person: Resident, kind: str, inquiry: Inquiry) -> bool:
    """Tell whether an answer says of this person what the city supplied."""
    if kind != "answered":
        return inquiry.result is None
    if inquiry.result is None or len(inquiry.result.records) != 1:
        return False
    given = msgspec.to_builtins(inquiry.result.records[0].items)
    supplied = tax_items(person)
    return bool(given) and all(supplied.get(name) == value for name, value in given.items())
