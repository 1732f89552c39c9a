"""The city's staff: they let held answers go, two by two, and hold records against the core's."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp

from codes.canonical import instant
from gateway.demo.people import Person, StaffDesk, StaffRefusedError
from tests.soak.ground import CITY, GATEWAYS, OFFICER, Ground

AGAIN_S: Final = 0.3
_PAUSE_S: Final = 0.2
_SETTLED: Final = frozenset({"hold-closed", "already-approved", "same-approver", "not-found"})


@dataclass(slots=True, kw_only=True)
class Approvers:
    """Pairs of people, each pair at its own answers."""

    ground: Ground
    approvals: int = 0
    """Decisions that were acknowledged."""

    async def run(self) -> None:
        """Let everything go that waits, until cancelled."""
        names = sorted(name for name in self.ground.staff[CITY] if name.startswith("shonin"))
        pairs = list(zip(names[::2], names[1::2], strict=True))
        async with asyncio.TaskGroup() as group:
            for place, pair in enumerate(pairs):
                group.create_task(self._run(place, len(pairs), pair))

    async def _run(self, place: int, pairs: int, names: tuple[str, str]) -> None:
        people = [self.ground.staff[CITY][name] for name in names]
        while True:
            for hold_id, approvals in await self._waiting(people[0]):
                if int(hold_id, 16) % pairs == place:
                    await self._approve(hold_id, people[approvals])
            await asyncio.sleep(_PAUSE_S)

    async def _waiting(self, person: Person) -> list[tuple[str, int]]:
        """Return what waits, and how many have approved each already."""
        page = await _told(self._desk, "GET", "/v1/holds?state=waiting", by=person)
        holds = page.get("holds")
        found = holds if isinstance(holds, list) else []
        return [(str(one["id"]), int(one["approvals"])) for one in found]

    async def _approve(self, hold_id: str, person: Person) -> None:
        preview = await _told(self._desk, "GET", f"/v1/holds/{hold_id}", by=person)
        if "digest" not in preview:
            return
        # A credential is spent by being shown, whatever becomes of the answer.
        body = {"credential": await person.credential(), "digest": preview["digest"]}
        try:
            await self._desk.post(f"/v1/holds/{hold_id}/approvals", body)
        except (StaffRefusedError, aiohttp.ClientError, TimeoutError):
            return  # whether that was done shows in how many have approved
        self.approvals += 1

    @property
    def _desk(self) -> StaffDesk:
        return self.ground.desks[CITY]


async def reconciled(ground: Ground, since: datetime) -> Mapping[str, Mapping[str, object]]:
    """Return what `/v1/reconciliations` of each gateway says about what was asked since then."""
    period = {"begins": instant(since), "ends": instant(datetime.now(UTC))}
    return {
        name: await _told(
            ground.desks[name],
            "POST",
            "/v1/reconciliations",
            by=ground.staff[name][OFFICER],
            body=period,
        )
        for name in GATEWAYS
    }


async def _told(
    desk: StaffDesk,
    method: str,
    path: str,
    *,
    by: Person,
    body: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return the answer that comes in the end, nothing where the question has settled itself."""
    while True:
        try:
            if method == "GET":
                return await desk.get(path, by=by)
            return await desk.post(path, body or {}, by=by)
        except StaffRefusedError as refused:
            if refused.slug in _SETTLED:
                return {}
        except (aiohttp.ClientError, TimeoutError):
            pass
        await asyncio.sleep(AGAIN_S)
