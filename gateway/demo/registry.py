"""The unified address registry (統合宛名システム) as far as codes need one.

It alone knows My Numbers and unified numbers together, and it alone brings an acquisition number
to the resident network (令27①). Both sides are kept in memory; a number is forgotten once brought.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp
import msgspec

from certs.own_keys import certificate_files
from certs.tls import listener_client_context
from codes.numbers import MyNumber, UnifiedNumber
from gateway.client import BackofficeClient
from gateway.errors import NotFoundError, UnavailableError
from gateway.wire.acquisitions import Acquisitions, CodesLookup, CodeStandings, NewAcquisitions
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.codes import Lookup, LookupsRequest, NumbersAnswer
from gateway.wire.fields import ITEMS_MAX

T = TypeVar("T")

ACQUISITIONS_PATH: Final = "/v1/code-acquisitions"
STANDINGS_PATH: Final = "/v1/code-acquisitions:lookup"
LOOKUPS_PATH: Final = "/v1/lookups"
REQUESTED: Final = "requested"
POLL_S: Final = 0.1
ANSWER_S: Final = 30.0
_JSON: Final = {"Content-Type": "application/json"}


def registry_tls(folder: Path) -> ssl.SSLContext:
    """Return the TLS of a registry from what `sekisho resident-network issue-registry` wrote."""
    return listener_client_context(
        ca=certificate_files(folder, "resident-network-ca").certificate,
        own=certificate_files(folder, "registry"),
    )


class Registry:
    """One organisation's registry; use it as an async context manager."""

    def __init__(
        self,
        gateway: BackofficeClient,
        *,
        residents_url: str,
        tls: ssl.SSLContext,
        people: Mapping[UnifiedNumber, MyNumber],
    ) -> None:
        self._gateway = gateway
        self._url = residents_url
        self._tls = tls
        self._people = dict(people)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=4),
            timeout=aiohttp.ClientTimeout(total=ANSWER_S),
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def acquire(
        self, numbers: Sequence[UnifiedNumber], *, timeout_s: float
    ) -> dict[UnifiedNumber, str]:
        """Acquire codes for these people; return how each one's code stands in the end.

        Raises `NotFoundError` for somebody the registry does not know, `UnavailableError` when
        the resident network refuses or the time is up.
        """
        if unknown := [number for number in numbers if number not in self._people]:
            raise NotFoundError(f"registry: {len(unknown)} unknown people")
        for start in range(0, len(numbers), ITEMS_MAX):
            await self._bring(numbers[start : start + ITEMS_MAX])
        return await self._standings(numbers, timeout_s=timeout_s)

    async def _bring(self, numbers: Sequence[UnifiedNumber]) -> None:
        """Get acquisition numbers for some people and bring them to the resident network."""
        asked = NewAcquisitions(unified_numbers=[number.text for number in numbers])
        answer = await self._call(ACQUISITIONS_PATH, asked, Acquisitions)
        brought = [
            Lookup(acquisition_number=one.acquisition_number, my_number=self._people[number].text)
            for number, one in zip(numbers, answer.acquisitions, strict=True)
            if one.acquisition_number is not None
        ]
        if brought:
            await self._look_up(LookupsRequest(items=brought))

    async def _look_up(self, request: LookupsRequest) -> None:
        if self._session is None:
            raise RuntimeError("registry: not entered")
        async with self._session.post(
            self._url + LOOKUPS_PATH, data=encode_json(request), headers=_JSON
        ) as response:
            raw = await response.read()
            if response.status != 200:  # noqa: PLR2004 - HTTP's own word for done
                raise UnavailableError(f"resident network: status {response.status}")
        refused = [
            result.problem.type
            for result in decode_json(raw, NumbersAnswer).results
            if result.problem is not None
        ]
        if refused:
            raise UnavailableError(f"resident network: {len(refused)} refused: {refused[0]}")

    async def _standings(
        self, numbers: Sequence[UnifiedNumber], *, timeout_s: float
    ) -> dict[UnifiedNumber, str]:
        """Wait until nobody's code is still on its way."""
        found: dict[UnifiedNumber, str] = {}
        try:
            async with asyncio.timeout(timeout_s):
                for start in range(0, len(numbers), ITEMS_MAX):
                    found |= await self._settled(numbers[start : start + ITEMS_MAX])
        except TimeoutError:
            raise UnavailableError("registry: codes are still on their way") from None
        return found

    async def _settled(self, numbers: Sequence[UnifiedNumber]) -> dict[UnifiedNumber, str]:
        while True:
            states = await self._states(numbers)
            if REQUESTED not in states.values():
                return states
            await asyncio.sleep(POLL_S)

    async def _states(self, numbers: Sequence[UnifiedNumber]) -> dict[UnifiedNumber, str]:
        asked = CodesLookup(unified_numbers=[number.text for number in numbers])
        answer = await self._call(STANDINGS_PATH, asked, CodeStandings)
        return {number: str(one.state) for number, one in zip(numbers, answer.people, strict=True)}

    async def _call(self, path: str, message: msgspec.Struct, type_: type[T]) -> T:
        answer = await self._gateway.transport.call("POST", path, body=encode_json(message))
        return answer.read(type_)
