"""Network codes: what a registry does."""

from collections.abc import Sequence

from gateway.client.calls import Calls
from gateway.wire.acquisitions import (
    AcquisitionPage,
    Acquisitions,
    CodeChange,
    CodeHandOver,
    CodesLookup,
    CodeStandings,
    CodesWantedPage,
    CodeWantedSent,
    NewAcquisitions,
    NewCodeWanted,
    PersonFacts,
)


class CodeCalls(Calls):
    """What the registry does."""

    async def acquire(self, unified_numbers: Sequence[str]) -> Acquisitions:
        """Begin to acquire codes for up to 256 people; asked again, the same numbers come back."""
        asked = NewAcquisitions(unified_numbers=list(unified_numbers))
        return (await self._post("/v1/code-acquisitions", asked, is_safe=True)).read(Acquisitions)

    async def acquisitions(
        self, *, state: str | None = None, after: str | None = None, limit: int | None = None
    ) -> AcquisitionPage:
        """Return a page of this client's acquisitions, newest first, without the people."""
        answer = await self._get("/v1/code-acquisitions", state=state, after=after, limit=limit)
        return answer.read(AcquisitionPage)

    async def code_standings(self, unified_numbers: Sequence[str]) -> CodeStandings:
        """Return how the codes of up to 256 people stand."""
        asked = CodesLookup(unified_numbers=list(unified_numbers))
        answer = await self._post("/v1/code-acquisitions:lookup", asked, is_safe=True)
        return answer.read(CodeStandings)

    async def suspend_code(self, unified_number: str, *, reason: str) -> None:
        """Let nobody use a person's code from now on."""
        change = CodeChange(unified_number=unified_number, reason=reason)
        await self._post("/v1/network-codes:suspend", change, is_safe=True)

    async def resume_code(self, unified_number: str, *, reason: str) -> None:
        """Let a suspended code be used again."""
        change = CodeChange(unified_number=unified_number, reason=reason)
        await self._post("/v1/network-codes:resume", change, is_safe=True)

    async def move_code(self, unified_number: str, to_number: str, *, reason: str) -> None:
        """Let another unified number have a person's code."""
        change = CodeHandOver(
            unified_number=unified_number, to_unified_number=to_number, reason=reason
        )
        await self._post("/v1/network-codes:move", change)

    async def want_code(self, provider: str, person: PersonFacts, *, request_id: str) -> str:
        """Ask another organisation to acquire a code for a person; `request_id` makes it one."""
        asked = NewCodeWanted(provider=provider, person=person, id=request_id)
        answer = await self._post("/v1/codes-wanted", asked, is_safe=True)
        return answer.read(CodeWantedSent).id

    async def wanted_codes(
        self, *, after: str | None = None, limit: int | None = None
    ) -> CodesWantedPage:
        """Return a page of the people whom other organisations want a code for."""
        answer = await self._get("/v1/codes-wanted", after=after, limit=limit)
        return answer.read(CodesWantedPage)
