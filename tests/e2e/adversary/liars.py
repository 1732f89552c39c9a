"""Parties that answer with their own keys and log, and not the truth."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from certs.sealing import MessageSealer, pack_answer
from codes.canonical import b64, canonical_json, unb64
from gateway.demo import cast
from gateway.flows.provide import ProvisionsReply
from gateway.flows.sealed import key_to_wire, sealed_to_wire
from gateway.records.entry import payload_commitment
from gateway.records.kinds import COMMON
from gateway.wire.network import Key, ProvisionAnswer, Sealed
from tests.e2e.adversary.rogue import ITEM, TAX, Permitted, Rogue
from tests.e2e.parties import Network

Lie = Callable[[ProvisionsReply], Awaitable[ProvisionsReply]]
SALT = bytes(range(32))


@contextmanager
def lying_provider(network: Network, lie: Lie) -> Iterator[None]:
    """Let 長岡市 do all it has to, and answer something else."""
    provide = network.gateway(cast.NAGAOKA).flows.provide
    honest = provide.take

    async def take(sender: str, request: Any) -> ProvisionsReply:
        return await lie(await honest(sender, request))

    provide.take = take  # type: ignore[method-assign]  # the liar stands in the honest one's place
    try:
        yield
    finally:
        del provide.take


def members_of(entry: bytes) -> dict[str, Any]:
    """Return what an entry says beside the common members."""
    members: dict[str, Any] = json.loads(entry)
    return {name: value for name, value in members.items() if name not in COMMON}


def answer_of(reply: ProvisionsReply) -> ProvisionAnswer:
    """Return the one answer of a reply."""
    (answer,) = reply.results
    assert isinstance(answer, ProvisionAnswer)
    return answer


async def stated(
    nagaoka: Rogue,
    reply: ProvisionsReply,
    *,
    kind: str = "provision",
    sealed: Sealed | None = None,
    keys: list[Key] | None = None,
    **changes: Any,
) -> ProvisionsReply:
    """Return a reply whose statement says this instead, recorded and signed like any other.

    A change to None leaves the member out; without `sealed` nothing sealed comes along.
    """
    honest = members_of(unb64(reply.groups[0].entries[0]))
    members = {name: value for name, value in (honest | changes).items() if value is not None}
    recorded = await nagaoka.member.record(kind, members)
    proven = await nagaoka.proven(recorded)
    place = proven.reference(recorded)
    return ProvisionsReply(
        groups=proven.groups,
        keys=reply.keys if keys is None else keys,
        results=[ProvisionAnswer(group=place.group, index=place.index, sealed=sealed)],
    )


async def paid_out(
    nagaoka: Rogue,
    reply: ProvisionsReply,
    permitted: Permitted,
    payload: bytes,
    *,
    committed: bytes | None = None,
    public_key: bytes | None = None,
    packed: bytes | None = None,
    **changes: Any,
) -> ProvisionsReply:
    """Return a reply that provides these bytes, sealed by the provider's own hand."""
    trust = nagaoka.context.trust
    key_id = permitted.inquiry.reply_key
    sealer = MessageSealer.start(
        "answer",
        network=trust.network,
        sender=trust.organisation,
        recipient=cast.GUNMA_UNION,
        public_key=public_key or trust.directory.sealing_key(cast.GUNMA_UNION, key_id).public,
    )
    item = sealer.seal(
        packed if packed is not None else pack_answer(SALT, payload),
        inquiry_leaf=permitted.recorded.leaf_hash,
        permit_id=permitted.permit_id,
    )
    return await stated(
        nagaoka,
        reply,
        payload=payload_commitment(SALT, committed if committed is not None else payload).hex(),
        sealed=sealed_to_wire(item, key=0),
        keys=[key_to_wire(sealer.header)],
        **changes,
    )


def payload(permitted: Permitted, **changes: Any) -> bytes:
    """Return what an honest provider would seal, changed as the test says."""
    information = permitted.inquiry.information
    document: dict[str, Any] = {
        "term": TAX,
        "scope": information.scope,
        "records": [{"key": "a", "items": {ITEM: 3500}}],
    }
    return canonical_json(document | changes)


def flip(text: str, place: int) -> str:
    """Return base64url with one bit of what it says changed."""
    raw = bytearray(unb64(text))
    raw[place] ^= 1
    return b64(bytes(raw))


def one_sealed(reply: ProvisionsReply, **changes: Any) -> ProvisionsReply:
    """Return the reply with its one sealed item changed."""
    answer = answer_of(reply)
    assert answer.sealed is not None
    sealed = msgspec.structs.replace(answer.sealed, **changes)
    return ProvisionsReply(
        groups=reply.groups,
        keys=reply.keys,
        results=[msgspec.structs.replace(answer, sealed=sealed)],
    )


def one_key(reply: ProvisionsReply, **changes: Any) -> ProvisionsReply:
    """Return the reply with the header of its message key changed."""
    return ProvisionsReply(
        groups=reply.groups,
        keys=[msgspec.structs.replace(reply.keys[0], **changes)],
        results=reply.results,
    )
