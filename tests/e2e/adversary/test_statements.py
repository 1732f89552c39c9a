"""Statements with one thing changed: nothing of such a message is believed, or recorded."""

import random
from base64 import b64decode
from collections.abc import Callable, Iterator

import msgspec
import pytest

from codes.canonical import b64, unb64
from gateway.demo import cast
from gateway.records.entry import build_entry
from gateway.records.note import Checkpoint, log_origin, sign_checkpoint
from gateway.records.tree import Frontier, leaf_hash
from gateway.wire.network import Group, ProvisionsRequest
from tests.e2e.adversary.liars import members_of
from tests.e2e.adversary.rogue import PROVISIONS, Permitted, Rogue, adds
from tests.e2e.parties import Network

SEED = 20261123
POSITIONS = 40


@pytest.fixture(scope="module")
async def permitted(union: Rogue) -> Permitted:
    """Return one permit that no attack of this module uses up, in a log with some depth."""
    for _ in range(3):
        await union.member.record("rules-changed", {})
    return await union.permitted()


@pytest.fixture(autouse=True)
async def nothing_is_recorded(network: Network) -> object:
    """Hold every test of this module to leaving no entry at the provider."""
    async with adds(network, cast.NAGAOKA, provision=0, refusal=0):
        yield


async def refused(union: Rogue, request: ProvisionsRequest) -> tuple[int, str, str | None]:
    reply = await union.post(cast.NAGAOKA, PROVISIONS, request)
    return reply.refusal


async def with_group(union: Rogue, permitted: Permitted, **changes: object) -> ProvisionsRequest:
    request = await union.provisions_request(permitted)
    group = msgspec.structs.replace(request.groups[0], **changes)
    return msgspec.structs.replace(request, groups=[group])


def flipped(raw: bytes) -> Iterator[bytes]:
    """Yield copies with one bit changed, at places all over."""
    chosen = random.Random(SEED)
    for _ in range(POSITIONS):
        spot = chosen.randrange(len(raw))
        yield raw[:spot] + bytes([raw[spot] ^ (1 << chosen.randrange(8))]) + raw[spot + 1 :]


async def test_one_changed_bit_anywhere_in_an_entry_is_refused(
    union: Rogue, permitted: Permitted
) -> None:
    for entry in flipped(permitted.recorded.entry):
        request = await with_group(union, permitted, entries=[b64(entry)])
        assert (await refused(union, request))[:2] == (422, "statement-invalid")


async def test_one_changed_bit_anywhere_in_a_proof_is_refused(
    union: Rogue, permitted: Permitted
) -> None:
    (group,) = (await union.provisions_request(permitted)).groups
    assert group.hashes

    for place, node in enumerate(group.hashes):
        for changed in list(flipped(unb64(node)))[:5]:
            hashes = [*group.hashes[:place], b64(changed), *group.hashes[place + 1 :]]
            request = await with_group(union, permitted, hashes=hashes)
            assert await refused(union, request) == (422, "statement-invalid", "not-included")


async def test_one_changed_character_anywhere_in_a_note_is_refused(
    union: Rogue, permitted: Permitted
) -> None:
    (group,) = (await union.provisions_request(permitted)).groups
    note = group.checkpoint
    chosen = random.Random(SEED)
    # All of the text and of the lines' beginnings, and samples of the long signature.
    spots = {*range(note.index("\n\n") + 60), *chosen.sample(range(len(note)), POSITIONS)}

    for spot in sorted(spots):
        other = "A" if note[spot] != "A" else "B"
        changed = note[:spot] + other + note[spot + 1 :]
        request = await with_group(union, permitted, checkpoint=changed)
        assert (await refused(union, request))[:2] == (422, "statement-invalid"), spot


@pytest.mark.parametrize("line", [-1, -2])
async def test_a_note_without_either_log_line_is_refused(
    union: Rogue, permitted: Permitted, line: int
) -> None:
    (group,) = (await union.provisions_request(permitted)).groups
    lines = group.checkpoint.removesuffix("\n").split("\n")
    del lines[line]
    request = await with_group(union, permitted, checkpoint="\n".join(lines) + "\n")

    assert await refused(union, request) == (422, "statement-invalid", "log-line-missing")


async def test_either_log_line_twice_is_refused(union: Rogue, permitted: Permitted) -> None:
    (group,) = (await union.provisions_request(permitted)).groups
    lines = group.checkpoint.removesuffix("\n").split("\n")

    for line in (-1, -2):
        twice = [*lines[:-2], lines[line], lines[line]]
        request = await with_group(union, permitted, checkpoint="\n".join(twice) + "\n")
        assert (await refused(union, request))[:2] == (422, "statement-invalid")


CHANGES: dict[str, Callable[[Group], dict[str, object]]] = {
    "no hashes": lambda _: {"hashes": []},
    "a hash too many": lambda group: {"hashes": [*group.hashes, group.hashes[0]]},
    "a hash too few": lambda group: {"hashes": group.hashes[:-1]},
    "a hash of another length": lambda group: {"hashes": [group.hashes[0][:-2], *group.hashes[1:]]},
    "hashes turned round": lambda group: {"hashes": group.hashes[::-1]},
    "the index before": lambda group: {"indexes": [group.indexes[0] - 1]},
    "an index far out": lambda _: {"indexes": [2**53 - 1]},
    "more indexes than entries": lambda group: {"indexes": [0, group.indexes[0]]},
    "one entry at two places": lambda group: {
        "indexes": [group.indexes[0] - 1, group.indexes[0]],
        "entries": group.entries * 2,
    },
    "one entry twice at its place": lambda group: {
        "indexes": group.indexes * 2,
        "entries": group.entries * 2,
    },
    "an empty note": lambda _: {"checkpoint": ""},
    "no entry but a blank": lambda _: {"entries": [b64(b" ")]},
    "an entry with a blank behind": lambda group: {
        "entries": [b64(unb64(group.entries[0]) + b" ")]
    },
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_group_that_does_not_add_up_is_refused(
    union: Rogue, permitted: Permitted, what: str
) -> None:
    (group,) = (await union.provisions_request(permitted)).groups
    request = await with_group(union, permitted, **CHANGES[what](group))

    assert (await refused(union, request))[:2] == (422, "statement-invalid")


async def test_a_note_of_another_slot_of_ones_own_is_refused(
    union: Rogue, permitted: Permitted
) -> None:
    """Size and root are true and signed by the right keys, for another stream."""
    slot = permitted.recorded.slot
    request = await signed_by(
        union, permitted, log_origin(cast.NETWORK, union.name, (slot + 1) % 8), union
    )

    assert await refused(union, request) == (422, "statement-invalid", "wrong-origin")


async def test_a_note_in_another_organisations_name_is_refused(
    union: Rogue, permitted: Permitted
) -> None:
    request = await signed_by(
        union, permitted, log_origin(cast.NETWORK, cast.IMMIGRATION, permitted.recorded.slot), union
    )

    assert await refused(union, request) == (422, "statement-invalid", "wrong-origin")


async def test_a_note_signed_by_another_organisation_is_refused(
    union: Rogue, immigration: Rogue, permitted: Permitted
) -> None:
    request = await signed_by(
        union,
        permitted,
        log_origin(cast.NETWORK, union.name, permitted.recorded.slot),
        immigration,
    )

    assert (await refused(union, request))[:2] == (422, "statement-invalid")


@pytest.mark.parametrize("slots", [(8,), (0, 1)])
async def test_a_stream_beside_those_of_the_directory_is_refused(
    union: Rogue, permitted: Permitted, slots: tuple[int, ...]
) -> None:
    """A ninth slot, or two slots in one tree: signed by the right keys, shown to nobody else."""
    entries = [_entry_of(union, permitted, slot) for slot in slots]
    frontier = Frontier().extend([leaf_hash(entry) for entry in entries])
    note = sign_checkpoint(
        Checkpoint(log_origin(cast.NETWORK, union.name, slots[0]), len(slots), frontier.root()),
        union.context.trust.keys.log,
        time=int(union.context.clock.now().timestamp()),
    )
    request = await with_group(
        union,
        permitted,
        checkpoint=note,
        indexes=list(range(len(slots))),
        entries=[b64(entry) for entry in entries],
        hashes=[],
    )

    assert await refused(union, request) == (422, "statement-invalid", "wrong-slot")


async def test_a_root_that_was_never_committed_is_believed_but_proves_nothing_else(
    union: Rogue, permitted: Permitted
) -> None:
    """Who signs two roots of one size forks its own log; the entry must be under this one."""
    (group,) = (await union.provisions_request(permitted)).groups
    origin = log_origin(cast.NETWORK, union.name, permitted.recorded.slot)
    note = sign_checkpoint(
        Checkpoint(origin, _size_of(group), bytes(32)),
        union.context.trust.keys.log,
        time=int(union.context.clock.now().timestamp()),
    )
    request = await with_group(union, permitted, checkpoint=note)

    assert await refused(union, request) == (422, "statement-invalid", "not-included")


async def test_statements_of_two_organisations_do_not_mix(
    union: Rogue, immigration: Rogue, permitted: Permitted
) -> None:
    """The second group is perfectly good, and somebody else's."""
    request = await union.provisions_request(permitted)
    foreign = await immigration.proven(await immigration.member.record("rules-changed", {}))
    mixed = msgspec.structs.replace(request, groups=[*request.groups, *foreign.groups])

    assert await refused(union, mixed) == (422, "statement-invalid", "wrong-organisation")


async def test_noise_is_counted_and_folded_into_one_entry_a_kind(
    network: Network, union: Rogue, permitted: Permitted
) -> None:
    events = network.gateway(cast.NAGAOKA).flows.events
    await events.turn()

    for _ in range(3):
        await refused(union, await with_group(union, permitted, checkpoint=""))
    async with adds(network, cast.NAGAOKA, **{"security-events": 1}):
        await events.turn()
    async with adds(network, cast.NAGAOKA, **{"security-events": 0}):
        await events.turn()


async def signed_by(
    union: Rogue, permitted: Permitted, origin: str, signer: Rogue
) -> ProvisionsRequest:
    """Return the true tree under a note of another name or of other keys."""
    (group,) = (await union.provisions_request(permitted)).groups
    root = _root_of(group)
    note = sign_checkpoint(
        Checkpoint(origin, _size_of(group), root),
        signer.context.trust.keys.log,
        time=int(union.context.clock.now().timestamp()),
    )
    return await with_group(union, permitted, checkpoint=note)


def _entry_of(union: Rogue, permitted: Permitted, slot: int) -> bytes:
    """Return the inquiry once more, as an entry of another slot."""
    return build_entry(
        kind="inquiry",
        members=members_of(permitted.recorded.entry),
        private={},
        entry_id="ab" * 16,
        time=permitted.recorded.time,
        organisation=union.name,
        slot=slot,
        salt=bytes(32),
    ).raw


def _size_of(group: Group) -> int:
    return int(group.checkpoint.split("\n")[1])


def _root_of(group: Group) -> bytes:
    return b64decode(group.checkpoint.split("\n")[2])
