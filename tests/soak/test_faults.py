"""What is drawn can be drawn again; what a road does to what goes over it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.demo.instances import HOST
from tests.soak.faults import KILLS, drawn
from tests.soak.roads import Road, opened
from tests.tools.ports import free_ports


def test_a_seed_and_a_number_are_always_the_same_faults() -> None:
    rounds = [drawn(1, number, count=4, seconds=10) for number in range(50)]

    assert rounds == [drawn(1, number, count=4, seconds=10) for number in range(50)]
    assert rounds != [drawn(2, number, count=4, seconds=10) for number in range(50)]


def test_every_round_kills_somebody_and_its_faults_come_in_order() -> None:
    for number in range(200):
        faults = drawn(3, number, count=2, seconds=10)

        assert any(fault.what in KILLS for fault in faults)
        assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)
        assert all(0 < fault.at_s < 10 for fault in faults)


@asynccontextmanager
async def road_to_an_echo() -> AsyncIterator[Road]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()

    port, target = free_ports(2)
    server = await asyncio.start_server(echo, HOST, target)
    road = Road(port=port, target=target)
    async with server, opened(road):
        yield road


class Caller:
    """One connection over a road."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def hears(self) -> bytes:
        """Return what comes back; nothing if the connection breaks."""
        with suppress(ConnectionError):
            self._writer.write(b"hallo\n")
            async with asyncio.timeout(5):
                return await self._reader.readline()
        return b""


@asynccontextmanager
async def calling(road: Road) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection(HOST, road.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()


async def test_a_road_carries_until_it_is_cut_and_again_when_it_is_healed() -> None:
    async with road_to_an_echo() as road, calling(road) as before:
        first = await before.hears()
        road.cut()
        broken = await before.hears()
        async with calling(road) as during:
            refused = await during.hears()
        road.heal()
        async with calling(road) as after:
            healed = await after.hears()

    assert (first, broken, refused, healed) == (b"hallo\n", b"", b"", b"hallo\n")


async def test_what_is_open_loses_its_answer_and_what_comes_next_does_not() -> None:
    async with road_to_an_echo() as road, calling(road) as first:
        await first.hears()
        road.lose_answers()
        async with calling(road) as second:
            heard = await first.hears(), await second.hears()

    assert heard == (b"", b"hallo\n")


async def test_a_delayed_road_takes_its_time_both_ways() -> None:
    loop = asyncio.get_running_loop()
    async with road_to_an_echo() as road, calling(road) as caller:
        road.delay(0.05)
        began = loop.time()
        heard = await caller.hears()

    assert heard == b"hallo\n"
    assert loop.time() - began >= 0.1
