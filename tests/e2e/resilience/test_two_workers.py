"""Two workers of one organisation over one database: what must be once is once."""

import asyncio

from gateway.demo import cast
from gateway.flows.record_types import Draft, new_id
from gateway.storage.switches import SwitchSet
from tests.e2e.adversary.rogue import Permitted, Rogue
from tests.e2e.resilience.presenting import first_port, present, said, sealed_bytes, serving
from tests.e2e.resilience.scene import Scene
from tests.e2e.test_exchange import TAX


async def outcome(rogue: Rogue, permitted: Permitted, port: int) -> str:
    request = await rogue.provisions_request(permitted)
    return said(rogue, await present(rogue, request, port))[1].outcome


async def test_workers_write_slots_of_their_own_and_both_serve(scene: Scene, rogue: Rogue) -> None:
    async with scene.another_worker(cast.NAGAOKA) as other, serving(other) as port:
        slot = other.context.writer.slot
        answers = [
            said(rogue, await present(rogue, await rogue.provisions_request(one), port_))[1]
            for one, port_ in zip(
                await rogue.permits([await rogue.ask(), await rogue.ask()]),
                (first_port(scene), port),
                strict=True,
            )
        ]

    assert [answer.outcome for answer in answers] == ["provided", "provided"]
    assert answers[0].slot == scene.city.context.writer.slot
    assert answers[1].slot == slot != answers[0].slot


async def test_one_permit_at_two_workers_at_once_is_used_once_and_answered_with_one_voice(
    scene: Scene, rogue: Rogue
) -> None:
    permitted = await rogue.permitted()
    request = await rogue.provisions_request(permitted)

    async with scene.another_worker(cast.NAGAOKA) as other, serving(other) as port:
        async with scene.gate_held(cast.NAGAOKA, until_waiting=2):
            presented = [
                asyncio.create_task(present(rogue, request, one))
                for one in (first_port(scene), port)
            ]
        first, second = await asyncio.gather(*presented)

    assert said(rogue, first)[0] == said(rogue, second)[0]
    assert sealed_bytes(first) == sealed_bytes(second)
    assert await scene.count(cast.NAGAOKA, permitted.permit_id, "provision", "refusal") == [1, 0]


async def test_a_switch_thrown_at_one_worker_binds_the_other(scene: Scene, rogue: Rogue) -> None:
    before, after = await rogue.permits([await rogue.ask(), await rogue.ask()])
    switch_id = new_id()
    thrown = SwitchSet(switch_id=switch_id, by="information", value=TAX, reason="x", maker="m")

    async with scene.another_worker(cast.NAGAOKA) as other, serving(other) as port:
        remembered = await outcome(rogue, before, port)
        await scene.city.context.writer.append(
            [
                Draft(
                    kind="switch-set", members={}, private={}, effects=(thrown,), changes_gate=True
                )
            ],
            source="test",
        )
        bound = await outcome(rogue, after, port)
        async with scene.city.context.database.read() as connection:
            await connection.execute("UPDATE stop_switches SET lifted_at = now()")
            await connection.execute("SELECT gate_change()")

    assert (remembered, bound) == ("provided", "denied")


async def test_a_flag_set_at_one_worker_binds_the_other(scene: Scene, rogue: Rogue) -> None:
    number = await rogue.person()
    before, after = await rogue.permits([await rogue.ask(number), await rogue.ask(number)])

    async with scene.another_worker(cast.NAGAOKA) as other, serving(other) as port:
        remembered = await outcome(rogue, before, port)
        await scene.flag(number)
        bound = await outcome(rogue, after, port)

    assert (remembered, bound) == ("provided", "withheld")


async def test_a_flag_set_at_one_worker_while_the_other_commits_is_honoured(
    scene: Scene, rogue: Rogue
) -> None:
    number = await rogue.person()
    permitted = await rogue.permitted(number)
    request = await rogue.provisions_request(permitted)
    subject = scene.city.context.vault.subject(number)

    async with scene.another_worker(cast.NAGAOKA) as other, serving(other) as port:
        async with scene.gate_held(cast.NAGAOKA, until_waiting=1) as holder:
            presented = asyncio.create_task(present(rogue, request, port))
            await scene.waiting_for_gate(cast.NAGAOKA, 1)
            await holder.execute(
                "INSERT INTO subject_flags (flag_id, subject, kind, reason, maker, maker_kind)"
                " VALUES ($1, $2, 'automatic-answer-disabled', 'protection', 'carol', 'staff')",
                new_id(),
                subject,
            )
            await holder.execute("SELECT gate_change()")
        answer = await presented

    assert said(rogue, answer)[1].outcome == "withheld"
