"""Step 5: a protected person; the answer waits until two people have approved exactly it."""

from typing import Final

from gateway.client import BackofficeClient
from gateway.demo import asking, cast
from gateway.demo.asking import PROVIDED, WITHHELD, ask, tell_answer
from gateway.demo.offices import CITY_SYSTEM, UNION_SYSTEM
from gateway.demo.people import Person
from gateway.demo.stage import APPROVERS, PROTECTED, Stage
from gateway.demo.story import Expected, Scene
from gateway.wire.backoffice import Inquiry

DELIVERED: Final = "delivered"
PROTECTION: Final = "dv-protection"
_DELIVERY_S: Final = 20.0


async def play(stage: Stage) -> None:
    """Play step 5 with the resident after those of the steps before."""
    person = stage.people[PROTECTED]
    staff = stage.staff[cast.NAGAOKA]
    await stage.clients[CITY_SYSTEM].set_flag(
        person.unified(cast.NAGAOKA).text, "automatic-answer-disabled", reason=PROTECTION
    )
    client = stage.clients[UNION_SYSTEM]
    title = "5 広域連合が照会: 長岡市 protects this person (DV等支援措置)"
    with stage.story.step("5-withheld", title, Expected(WITHHELD)) as scene:
        inquiry = await ask(client, asking.UNION_ASKS_CITY_TAX, person, scene)
        scene.tell("why", "no automatic answer; the inquirer hears no reason")
    if inquiry is None:
        return
    hold_id, digest = await _preview(stage, inquiry, staff[APPROVERS[0]])
    with stage.story.step(
        "5-one-approval", "5 the first of two people approves", Expected(WITHHELD)
    ) as scene:
        await _approve(stage, hold_id, digest, staff[APPROVERS[0]], scene)
        now = await client.inquiry(inquiry.id)
        scene.came_out(now.state, now.reason)
    with stage.story.step(
        "5-two-approvals", "5 a second person approves the same bytes", Expected(DELIVERED)
    ) as scene:
        await _approve(stage, hold_id, digest, staff[APPROVERS[1]], scene)
        await _delivered(client, inquiry, scene)


async def _preview(stage: Stage, inquiry: Inquiry, person: Person) -> tuple[str, str]:
    """Return the hold of an inquiry and the digest of what would go out."""
    page = await stage.desks[cast.NAGAOKA].get("/v1/holds?state=waiting", by=person)
    holds = page["holds"]
    if not isinstance(holds, list):
        raise TypeError("holds: a list")
    hold_id = next(str(one["id"]) for one in holds if one["permit_id"] == inquiry.permit_id)
    preview = await stage.desks[cast.NAGAOKA].get(f"/v1/holds/{hold_id}", by=person)
    return hold_id, str(preview["digest"])


async def _approve(stage: Stage, hold_id: str, digest: str, person: Person, scene: Scene) -> None:
    body = {"credential": await person.credential(), "digest": digest}
    decision = await stage.desks[cast.NAGAOKA].post(f"/v1/holds/{hold_id}/approvals", body)
    scene.tell("who", f"{person.name}, with password and one-time password at this moment")
    scene.tell("approvals", f"{decision['approvals']} of {decision['approvals_needed']}")


async def _delivered(client: BackofficeClient, inquiry: Inquiry, scene: Scene) -> None:
    ended = await client.wait(inquiry.id, timeout_s=_DELIVERY_S)
    if ended.state == PROVIDED and ended.result is not None:
        scene.came_out(DELIVERED)
        tell_answer(scene, ended, cast.LAW_DAY)
    else:
        scene.came_out(ended.state, ended.reason)
