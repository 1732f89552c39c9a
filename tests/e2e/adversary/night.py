"""The parties around a midnight in Japan, with a clock that stands still until it is moved.

The midnight lies behind us, because certificates are judged by OpenSSL's own clock. The grant of
市町村民税 to the union ends with the day before it. Nothing is fetched or told by the clock.
"""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import msgspec

from codes.canonical import TOKYO, tokyo_day
from gateway.demo import cast
from policies.allow_list import AllowList
from policies.facts import load_shipped
from tests.conftest import NewDatabase
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.parties import Network, whole_network
from tests.e2e.people import People

GRANT = "G115.2"
SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class StillClock:
    """Shows what it is set to."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return time.monotonic()

    def ahead_of(self, _: datetime) -> timedelta:
        """No real clock shows what a test sets: there is nothing to compare."""
        return timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """The parties around midnight."""

    midnight: datetime
    clock: StillClock
    network: Network
    union: Rogue
    core: Rogue

    def before(self) -> None:
        """Make it 23:59:59."""
        self.clock.moment = self.midnight - SECOND

    def after(self) -> None:
        """Make it 00:00:00."""
        self.clock.moment = self.midnight


@asynccontextmanager
async def around_midnight(new_database: NewDatabase) -> AsyncIterator[Night]:
    """Let the parties live around a midnight, only their clock moved by the test."""
    midnight = datetime.now(TOKYO).replace(hour=0, minute=0, second=0, microsecond=0)
    clock = StillClock((midnight - timedelta(hours=1)).astimezone(UTC))
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(
            whole_network(
                new_database,
                clock=clock,
                law_day=None,
                allow_list=ending_with(tokyo_day(clock.now())),
                gateways=(cast.GUNMA_UNION, cast.NAGAOKA),
                runs=lambda party, task: (party, task) == (cast.CORE, "publication"),
            )
        )
        for party in network.parties.values():
            if party.gateway is not None:
                # What the core's answers are dated with is the real clock.
                party.gateway.context.trust.compare_clocks = (  # type: ignore[method-assign]
                    lambda *_: None
                )
        people = People(network, network.key_stores[cast.CORE])
        union = await stack.enter_async_context(Rogue.of(network, people, cast.GUNMA_UNION))
        core = await stack.enter_async_context(Rogue.of(network, people, cast.CORE))
        yield Night(
            midnight=midnight.astimezone(UTC), clock=clock, network=network, union=union, core=core
        )


def ending_with(day: date) -> AllowList:
    """Return the real table, but for one grant that ends with this day."""
    facts, real = load_shipped(), cast.allow_list()
    grants = tuple(
        msgspec.structs.replace(grant, to=day) if grant.id == GRANT and grant.to is None else grant
        for grant in facts.grants
    )
    assert grants != facts.grants
    return AllowList.build(
        msgspec.structs.replace(facts, grants=grants),
        version=real.version,
        assessments=real.assessments,
    )
