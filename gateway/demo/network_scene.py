"""Step 6: a captured permit in other hands, and an answer that was lost on the road.

長岡市 asks デジタル庁 while a relay stands on the road. The first message is copied and presented
by the union with its own certificate; then it goes on, its answer is lost, and 長岡市 asks again.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import msgspec

from certs.own_keys import PrivateKeySet
from certs.publish import read_directory
from gateway.demo import asking, cast
from gateway.demo.asking import PROVIDED, REFUSED
from gateway.demo.instances import HOST, free_ports
from gateway.demo.offices import CITY_SYSTEM
from gateway.demo.publishing import publish
from gateway.demo.relay import PROVISIONS, Answer, Post, Relay, Watch, relayed
from gateway.demo.stage import ON_THE_ROAD, Stage
from gateway.demo.story import Expected
from gateway.wire.network import ProvisionsAnswer, ProvisionsRequest
from gateway.wire.problems import Problem

SAME_BYTES: Final = "same-bytes"
OTHER_BYTES: Final = "other-bytes"
PROVIDER: Final = cast.DIGITAL_AGENCY
THIEF: Final = cast.GUNMA_UNION
_OK: Final = 200


@dataclass(slots=True, kw_only=True)
class Captured:
    """What went over the road."""

    request: bytes = field(default=b"", repr=False)
    stolen: Answer | None = field(default=None, repr=False)
    provisions: int | None = None
    """Provision entries of the permit at the provider after it was presented by the thief."""
    answers: list[Answer] = field(default_factory=list, repr=False)
    is_tried: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def permit_id(self) -> str:
        """Return the permit that was presented."""
        return msgspec.json.decode(self.request, type=ProvisionsRequest).items[0].permit_id


async def play(stage: Stage) -> None:
    """Play step 6; the road to the provider is the direct one again afterwards."""
    provider = stage.fleet[PROVIDER]
    port = free_ports([PROVIDER])[PROVIDER]
    relay = _relay(stage)
    async with relayed(relay, port):
        await publish(
            stage.fleet,
            law_day=cast.LAW_DAY,
            endpoints=[(PROVIDER, f"https://{HOST}:{port}")],
        )
        await _play(stage, relay)
        await publish(stage.fleet, endpoints=[(PROVIDER, provider.url("network"))])


async def _play(stage: Stage, relay: Relay) -> None:
    captured = Captured()
    relay.watch(_watcher(stage, captured))
    asked, person = asking.CITY_ASKS_ACCOUNT, stage.people[ON_THE_ROAD]
    title = "6 広域連合 presents a permit it captured between 長岡市 and デジタル庁"
    asking_task = asyncio.create_task(
        stage.clients[CITY_SYSTEM].ask(asked.of(person), wait_s=asking.WAIT_S)
    )
    with stage.story.step(
        "6-captured-permit", title, Expected(REFUSED, "wrong-organisation")
    ) as scene:
        asked.tell(scene, person)
        async with asyncio.timeout(asking.WAIT_S):
            await captured.is_tried.wait()
        refused = _refusal(captured.stolen)
        if refused is None:
            scene.came_out(PROVIDED)
        else:
            scene.came_out(REFUSED, refused.reason or refused.type)
        scene.tell("provision entries at デジタル庁", str(captured.provisions))
        if captured.provisions:
            scene.came_out("recorded")
    with stage.story.step(
        "6-lost-answer", "6 the answer is lost on the road; 長岡市 asks again", Expected(SAME_BYTES)
    ) as scene:
        inquiry = await asking_task
        relay.watch(None)
        scene.tell("answers on the road", str(len(captured.answers)))
        scene.tell("長岡市 has", inquiry.state)
        is_same = len(set(map(_essence, captured.answers))) == 1 and len(captured.answers) > 1
        provisions = await stage.count_provisions(PROVIDER, captured.permit_id)
        scene.tell("provision entries at デジタル庁", str(provisions))
        if inquiry.state == PROVIDED and provisions == 1:
            scene.came_out(SAME_BYTES if is_same else OTHER_BYTES)


def _watcher(stage: Stage, captured: Captured) -> Watch:
    async def watch(sender: str, body: bytes, post: Post) -> Answer | None:
        is_first = not captured.request
        if is_first:
            captured.request = body
            captured.stolen = await post(THIEF, PROVISIONS, body)
            captured.provisions = await stage.count_provisions(PROVIDER, captured.permit_id)
            captured.is_tried.set()
        answer = await post(sender, PROVISIONS, body)
        captured.answers.append(answer)
        return None if is_first else answer

    return watch


def _relay(stage: Stage) -> Relay:
    fleet = stage.fleet
    return Relay(
        PROVIDER,
        fleet[PROVIDER].url("network"),
        certificates={
            name: PrivateKeySet.load(running.instance.keys).network_certificate
            for name, running in fleet.running.items()
        },
        directory=read_directory(fleet[cast.CORE].instance.keys),
    )


def _refusal(answer: Answer | None) -> Problem | None:
    """Return why a message was refused, as a whole or in its one item."""
    if answer is None:
        return None
    if answer.status != _OK:
        return msgspec.json.decode(answer.body, type=Problem)
    return msgspec.json.decode(answer.body, type=ProvisionsAnswer).results[0].problem


def _essence(answer: Answer) -> tuple[object, ...]:
    """Return what must be the same for ever: entry, sealed item and sealed message key."""
    read = msgspec.json.decode(answer.body, type=ProvisionsAnswer)
    result = read.results[0].result
    if result is None or result.sealed is None:
        return (answer.status,)
    group = read.groups[result.group]
    key = read.keys[result.sealed.key]
    entry = group.entries[group.indexes.index(result.index)]
    return entry, result.sealed.n, result.sealed.ct, key.message_id, key.key_id, key.enc
