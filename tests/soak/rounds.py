"""A round: everybody works, things go wrong, all becomes quiet, and everything is judged."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from gateway.client import NotFoundError
from tests.soak.evidence import Books, hurry
from tests.soak.faults import Fault, Faults, drawn
from tests.soak.ground import Ground
from tests.soak.judge import Asked, Verdict, judge
from tests.soak.load import UNFINISHED, Load
from tests.soak.people import Approvers, reconciled

READ_S: Final = 5.0
LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How hard a round is, and how long anybody waits for its end."""

    seconds: float
    faults: int
    askers: int
    held: int
    settle_s: float
    is_hurried: bool = True
    """Whether leases of the dead are ended for them; else each lasts its two minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round as it came out."""

    number: int
    faults: list[Fault]
    kills: Counter[str]
    acknowledged: int
    verdict: Verdict
    agreed: bool
    mended: int
    recovery_s: float
    """The longest time a party took to be whole again."""
    silence_s: float
    """The longest time in which nothing was acknowledged."""
    settled_s: float

    @property
    def is_reconciled(self) -> bool:
        """Whether the three parties agree, each by its own word and by what they recorded."""
        return self.agreed and not self.verdict.differences


@dataclass(slots=True, kw_only=True)
class Soak:
    """Rounds on one ground; the books go on from round to round."""

    ground: Ground
    books: Books
    seed: int
    asked: list[Asked] = field(default_factory=list)
    refused: int = 0

    async def round(self, number: int, shape: Shape) -> Round:
        """Play one round and judge everything so far.

        Raises:
            TimeoutError: a party did not come back.
        """
        since = datetime.now(UTC)
        faults = drawn(self.seed, number, count=shape.faults, seconds=shape.seconds)
        breaking = Faults(ground=self.ground)
        load = Load(
            ground=self.ground,
            chance=random.Random(f"{self.seed}/{number}/load"),
            held_max=shape.held,
            asked=self.asked,
        )
        approvers = Approvers(ground=self.ground)
        before = load.acknowledged
        async with (
            beside(self.books.watch()),
            beside(approvers.run()),
            beside(load.run(shape.askers)) as working,
        ):
            began = time.monotonic()
            await breaking.run(faults)
            await asyncio.sleep(max(0.0, began + shape.seconds - time.monotonic()))
            load.stop()
            quiet = time.monotonic()
            verdict = await self._settled(load, working, shape)
            settled_s = time.monotonic() - quiet
        self.refused += load.refused
        found = await reconciled(self.ground, since)
        return Round(
            number=number,
            faults=faults,
            kills=breaking.kills,
            acknowledged=load.acknowledged + approvers.approvals - before,
            verdict=verdict,
            agreed=all(one["agreed"] is True for one in found.values()),
            mended=sum(int(str(one["mended"])) for one in found.values()),
            recovery_s=max(breaking.recovery_s, default=0.0),
            silence_s=load.silence_s,
            settled_s=settled_s,
        )

    async def _settled(self, load: Load, working: asyncio.Task[None], shape: Shape) -> Verdict:
        """Return the verdict when nothing is open any more, or when the time is up."""
        until = time.monotonic() + shape.settle_s
        while True:
            if shape.is_hurried:
                await hurry(self.ground)
            await self._read_open(load)
            evidence = await self.books.read(
                self.asked,
                refused=self.refused + load.refused,
                strange=load.strange,
            )
            verdict = judge(evidence)
            if (working.done() and verdict.is_settled) or time.monotonic() > until:
                return verdict
            await asyncio.sleep(LOOK_S)

    async def _read_open(self, load: Load) -> None:
        """Read how each question stands that had not ended when it was last read."""

        async def read(one: Asked) -> None:
            (inquiry_id, *_) = one.ids
            with suppress(NotFoundError):
                found = await load.until_told(
                    lambda: load.client(one.organisation).inquiry(inquiry_id)
                )
                one.state, one.permit_id = found.state, found.permit_id

        with suppress(TimeoutError):
            async with asyncio.timeout(READ_S), asyncio.TaskGroup() as group:
                for one in self.asked:
                    if one.ids and one.state in UNFINISHED:
                        group.create_task(read(one))


@asynccontextmanager
async def beside(running: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Let something run on until the context ends; what it raises ends the round."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(running)
        yield task
        task.cancel()
