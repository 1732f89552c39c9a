"""Steps 1 to 4: the law of the day decides, down to the procedure and to the day."""

from datetime import date
from typing import Final

from gateway.client import RefusedByRuleError
from gateway.demo import asking, cast
from gateway.demo.asking import PROVIDED, REFUSED, Ask, ask, tell_answer
from gateway.demo.offices import CITY_SYSTEM, UNION_SYSTEM
from gateway.demo.publishing import publish
from gateway.demo.residents import Resident
from gateway.demo.stage import Stage
from gateway.demo.story import Expected, Scene
from gateway.wire.backoffice import Inquiry

DAY_BEFORE: Final = date(2026, 6, 13)
FIRST_DAY: Final = date(2026, 6, 14)
NARROWED: Final = "narrowed"
NOT_IN_PROCEDURE: Final = "information-not-in-procedure"
NOT_IN_ROW: Final = "information-not-in-row"
WRONG_PROVIDER: Final = "wrong-provider"
NOT_YET: Final = "not-yet-in-force"
_TERM: Final = "地方税関係情報"


async def play(stage: Stage) -> None:
    """Play steps 1 to 4."""
    people = iter(stage.people)
    await _narrowed(stage, next(people))
    await _outside_the_scope(stage, next(people))
    await _account(stage, next(people))
    await _outside_the_row(stage, next(people))
    await _old_table(stage, next(people))
    await _before_and_after(stage, next(people))


async def _narrowed(stage: Stage, person: Resident) -> None:
    title = "1 広域連合が長岡市に地方税関係情報を照会: the procedure narrows it to 市町村民税"
    with stage.story.step("1-narrowed", title, Expected(PROVIDED, NARROWED)) as scene:
        inquiry = await ask(stage.clients[UNION_SYSTEM], asking.UNION_ASKS_CITY_TAX, person, scene)
        if inquiry is None or inquiry.state != PROVIDED:
            return
        tell_answer(scene, inquiry, cast.LAW_DAY)
        is_narrower = _is_narrower(inquiry)
        scene.came_out(inquiry.state, NARROWED if is_narrower else None)
        scene.tell("why", f"{_TERM} → 市町村民税に関する情報; 道府県民税 stays at home")


async def _outside_the_scope(stage: Stage, person: Resident) -> None:
    title = "1 同じ手続で道府県民税を照会"
    with stage.story.step(
        "1-outside-the-scope", title, Expected(REFUSED, NOT_IN_PROCEDURE)
    ) as scene:
        await ask(stage.clients[UNION_SYSTEM], asking.UNION_ASKS_PREFECTURE_TAX, person, scene)
        scene.tell("why", "the procedure knows 市町村民税 alone; refused, never dropped silently")


async def _account(stage: Stage, person: Resident) -> None:
    title = "2 長岡市が内閣総理大臣に公的給付支給等口座登録簿関係情報を照会"
    with stage.story.step("2-account", title, Expected(PROVIDED)) as scene:
        inquiry = await ask(stage.clients[CITY_SYSTEM], asking.CITY_ASKS_ACCOUNT, person, scene)
        if inquiry is not None:
            tell_answer(scene, inquiry, cast.LAW_DAY)


async def _outside_the_row(stage: Stage, person: Resident) -> None:
    title = "3 長岡市が内閣総理大臣に地方税関係情報を照会"
    with stage.story.step("3-outside-the-row", title, Expected(REFUSED, NOT_IN_ROW)) as scene:
        await _refused(stage, asking.CITY_ASKS_PRIME_MINISTER_TAX, person, scene)


async def _old_table(stage: Stage, person: Resident) -> None:
    title = "3 長岡市が広域連合に保険料の徴収に関する情報を照会"
    with stage.story.step("3-old-table", title, Expected(REFUSED, WRONG_PROVIDER)) as scene:
        await _refused(stage, asking.CITY_ASKS_UNION_LEVY, person, scene)


async def _refused(stage: Stage, asked: Ask, person: Resident, scene: Scene) -> None:
    """Ask, and tell what the refusal names as nearest."""
    asked.tell(scene, person)
    try:
        inquiry = await stage.clients[CITY_SYSTEM].ask(asked.of(person))
    except RefusedByRuleError as error:
        scene.came_out(REFUSED, error.reason)
        for near in error.problem.nearest:
            scene.tell("nearest", near.note or f"{near.information}: {near.citation}")
        return
    scene.came_out(inquiry.state, inquiry.reason)


async def _before_and_after(stage: Stage, person: Resident) -> None:
    for name, day, expected in (
        ("4-day-before", DAY_BEFORE, Expected(REFUSED, NOT_YET)),
        ("4-first-day", FIRST_DAY, Expected(PROVIDED)),
    ):
        title = f"4 法令の日を{day}に: 広域連合が出入国在留管理庁長官に出入国関係情報を照会"
        with stage.story.step(name, title, expected) as scene:
            version = await publish(stage.fleet, law_day=day)
            scene.tell("law day", f"{day}, published as directory {version}, taken up by all")
            inquiry = await ask(
                stage.clients[UNION_SYSTEM], asking.UNION_ASKS_BORDER, person, scene
            )
            if inquiry is not None:
                tell_answer(scene, inquiry, day)


def _is_narrower(inquiry: Inquiry) -> bool:
    return inquiry.information.scope != inquiry.information.term
