"""Inquirer to core: inquiries that wait together ask for their permits together (PROTOCOL §3, 2).

The core's answer is believed only as a statement of the core's own log that speaks of exactly
our inquiry; the token is carried on unopened, because it is addressed to the provider.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from certs.sealing import pack_code
from certs.terms import differing_terms
from gateway.flows.context import Context
from gateway.flows.proofs import prove
from gateway.flows.record_types import Recorded
from gateway.flows.sealed import key_to_wire, sealed_to_wire, start_sealing
from gateway.flows.statements import Statement, StatementInvalidError, received_or_fetched
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.records.kinds import Inquiry, PermitGranted, Refusal
from gateway.wire.network import (
    PermitAnswer,
    PermitAsked,
    PermitsAnswer,
    PermitsRequest,
)

PATH: Final = "/v1/permits"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitWanted:
    """One recorded inquiry; code and salt open its `subject` to the core alone."""

    recorded: Recorded
    inquiry: Inquiry
    code: bytes = field(repr=False)
    salt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPermit:
    """The core's permit as a statement: what every answer is held against."""

    permit: PermitGranted
    statement: Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted(HeldPermit):
    """The core's permit with the token that the provider checks."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedByCore:
    """The core's refusal, which is a statement as well."""

    refusal: Refusal
    statement: Statement


PermitOutcome: TypeAlias = Granted | RefusedByCore


async def ask_permits(
    context: Context, wanted: Sequence[PermitWanted]
) -> list[PermitOutcome | Exception]:
    """Return the core's answer to each inquiry, in order; raises what `Peers.post` raises."""
    core = context.trust.core
    sealer = start_sealing(context.trust, "code-to-core", recipient=core)
    proven = await prove(context.writer, [item.recorded for item in wanted])
    items = []
    for item in wanted:
        sealed = sealer.seal(
            pack_code(item.salt, item.code), inquiry_leaf=item.recorded.leaf_hash, permit_id=None
        )
        place = proven.reference(item.recorded)
        items.append(
            PermitAsked(group=place.group, index=place.index, code=sealed_to_wire(sealed, key=0))
        )
    request = PermitsRequest(groups=proven.groups, keys=[key_to_wire(sealer.header)], items=items)
    answer = await context.peers.post(core, PATH, request, PermitsAnswer)
    return await _read(context, wanted, answer)


async def _read(
    context: Context, wanted: Sequence[PermitWanted], answer: PermitsAnswer
) -> list[PermitOutcome | Exception]:
    if len(answer.results) != len(wanted):
        raise PeerProtocolError("permits: another number of results")
    statements = await received_or_fetched(context.trust, answer.groups, sender=context.trust.core)
    outcomes: list[PermitOutcome | Exception] = []
    for item, result in zip(wanted, answer.results, strict=True):
        if result.problem is not None:
            outcomes.append(ItemRefusedError(result.problem))
        elif result.result is None:
            outcomes.append(PeerProtocolError("permits: neither result nor problem"))
        else:
            try:
                statement = statements.at(result.result.group, result.result.index)
                outcomes.append(_outcome(context, item, answer, result.result, statement))
            except (StatementInvalidError, PeerProtocolError) as error:
                outcomes.append(error)
    return outcomes


def _outcome(
    context: Context,
    wanted: PermitWanted,
    answer: PermitsAnswer,
    result: PermitAnswer,
    statement: Statement,
) -> PermitOutcome:
    public = statement.entry.public
    leaf = wanted.recorded.leaf_hash.hex()
    if isinstance(public, Refusal):
        if public.of != leaf:
            raise StatementInvalidError("refusal: of another inquiry", reason="other-inquiry")
        return RefusedByCore(refusal=public, statement=statement)
    held = held_permit(context, statement, leaf=leaf, inquiry=wanted.inquiry)
    if result.permit_id != held.permit.permit_id or result.token is None:
        raise PeerProtocolError("permits: permit without its token or id")
    if result.token >= len(answer.tokens):
        raise PeerProtocolError("permits: no such token")
    return Granted(token=answer.tokens[result.token], permit=held.permit, statement=held.statement)


def held_permit(
    context: Context, statement: Statement, *, leaf: str, inquiry: Inquiry
) -> HeldPermit:
    """Return the core's statement if it permits exactly this inquiry of ours (leaf hash in hex).

    Raises `StatementInvalidError`.
    """
    public = statement.entry.public
    if not isinstance(public, PermitGranted):
        raise StatementInvalidError("permit: another kind", reason="other-kind")
    if public.inquiry_leaf != leaf:
        raise StatementInvalidError("permit: of another inquiry", reason="other-inquiry")
    if public.inquirer != context.trust.organisation or public.provider != inquiry.provider:
        raise StatementInvalidError("permit: other parties", reason="other-parties")
    is_same_ground = (public.legal_basis, public.consent) == (
        inquiry.legal_basis,
        inquiry.consent,
    )
    if differing_terms(public, inquiry) or not is_same_ground:
        raise StatementInvalidError("permit: other terms", reason="other-terms")
    return HeldPermit(permit=public, statement=statement)
