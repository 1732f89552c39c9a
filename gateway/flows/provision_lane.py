"""Inquirer to provider: permits presented together, answers checked one by one (PROTOCOL §3, 3).

An answer counts only as a statement of the provider's own log about exactly our inquiry, permit
and person; only then is it opened, and only what its commitment names is believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from certs.errors import SealingError
from certs.sealing import unpack_answer
from certs.terms import TERMS, Information
from gateway.domain.payload import PayloadError, require_asked
from gateway.flows.context import Context
from gateway.flows.permit_lane import Granted, HeldPermit
from gateway.flows.proofs import Proven, prove
from gateway.flows.record_types import Recorded
from gateway.flows.sealed import Openers, SealedInvalidError
from gateway.flows.statements import (
    Statement,
    StatementInvalidError,
    Statements,
    received_or_fetched,
)
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.records.entry import payload_commitment
from gateway.records.kinds import Delivery, Inquiry, Provision
from gateway.wire.network import (
    ProvisionAnswer,
    ProvisionAsked,
    ProvisionsAnswer,
    ProvisionsRequest,
    Sealed,
)

PATH: Final = "/v1/provisions"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionWanted:
    """One permitted inquiry on its way to the provider."""

    recorded: Recorded
    inquiry: Inquiry
    granted: Granted


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """The provider's statement and, when something was provided, the opened payload."""

    statement: Statement
    answer: Provision | Delivery
    payload: bytes | None = field(default=None, repr=False)


async def ask_provisions(
    context: Context, wanted: Sequence[ProvisionWanted]
) -> list[Provided | Exception]:
    """Return the answer to each permit, in order; raises what `Peers.post` raises.

    All items go to one provider; their tokens are at most 16.
    """
    provider = wanted[0].inquiry.provider
    tokens = list(dict.fromkeys(item.granted.token for item in wanted))
    proven = await prove(context.writer, [item.recorded for item in wanted])
    request = ProvisionsRequest(
        tokens=tokens,
        groups=proven.groups,
        items=[_asked(item, tokens, proven) for item in wanted],
    )
    answer = await context.peers.post(provider, PATH, request, ProvisionsAnswer)
    if len(answer.results) != len(wanted):
        raise PeerProtocolError("provisions: another number of results")
    openers = Openers(context.trust, answer.keys, sender=provider, purpose="answer")
    statements = await received_or_fetched(context.trust, answer.groups, sender=provider)
    outcomes: list[Provided | Exception] = []
    for item, result in zip(wanted, answer.results, strict=True):
        if result.problem is not None:
            outcomes.append(ItemRefusedError(result.problem))
        elif result.result is None:
            outcomes.append(PeerProtocolError("provisions: neither result nor problem"))
        else:
            outcomes.append(_checked(item, result.result, statements, openers))
    return outcomes


def _asked(wanted: ProvisionWanted, tokens: Sequence[str], proven: Proven) -> ProvisionAsked:
    place = proven.reference(wanted.recorded)
    return ProvisionAsked(
        token=tokens.index(wanted.granted.token),
        permit_id=wanted.granted.permit.permit_id,
        group=place.group,
        index=place.index,
    )


def _checked(
    wanted: ProvisionWanted, result: ProvisionAnswer, statements: Statements, openers: Openers
) -> Provided | Exception:
    try:
        statement = statements.at(result.group, result.index)
        public = statement.entry.public
        if not isinstance(public, Provision):
            raise StatementInvalidError("provision: another kind", reason="other-kind")  # noqa: TRY301
        check_provision(
            public, wanted.granted, leaf=wanted.recorded.leaf_hash.hex(), inquiry=wanted.inquiry
        )
        payload = opened_payload(
            public,
            result.sealed,
            openers,
            inquiry_leaf=wanted.recorded.leaf_hash,
            permit_id=public.permit_id,
            asked=wanted.inquiry,
        )
    except (StatementInvalidError, SealedInvalidError) as error:
        return error
    return Provided(statement=statement, answer=public, payload=payload)


def check_provision(public: Provision, held: HeldPermit, *, leaf: str, inquiry: Inquiry) -> None:
    """Return quietly if this answers exactly the inquiry of that leaf hash (hex) under the permit.

    Raises `StatementInvalidError`.
    """
    permit = held.permit
    if public.inquiry_leaf != leaf:
        raise StatementInvalidError("provision: another inquiry", reason="other-inquiry")
    if public.permit_id != permit.permit_id:
        raise StatementInvalidError("provision: another permit", reason="other-permit")
    if public.permit_leaf != held.statement.entry.leaf_hash.hex():
        raise StatementInvalidError("provision: another permit entry", reason="other-permit")
    if public.subject_p != permit.subject_p:
        raise StatementInvalidError("provision: another person", reason="other-person")
    if public.inquirer != permit.inquirer or public.requested_at != permit.requested_at:
        raise StatementInvalidError("provision: another exchange", reason="other-parties")
    require_same_terms(public, inquiry)


def check_delivery(
    public: Delivery, held: HeldPermit, *, provision_leaf: str, leaf: str, inquiry: Inquiry
) -> None:
    """Return quietly if this delivers exactly that provision; raises as `check_provision`."""
    permit = held.permit
    if public.permit_id != permit.permit_id:
        raise StatementInvalidError("delivery: another permit", reason="other-permit")
    if public.provision_leaf != provision_leaf:
        raise StatementInvalidError("delivery: another provision", reason="other-provision")
    if public.inquiry_leaf not in {None, leaf}:
        raise StatementInvalidError("delivery: another inquiry", reason="other-inquiry")
    if public.inquirer != permit.inquirer:
        raise StatementInvalidError("delivery: another inquirer", reason="other-parties")
    if public.subject_p not in {None, permit.subject_p}:
        raise StatementInvalidError("delivery: another person", reason="other-person")
    require_same_terms(public, inquiry)


def require_same_terms(answer: Provision | Delivery, inquiry: Inquiry) -> None:
    """Return quietly if what the answer repeats of the inquiry is what was asked (法23①).

    Its items may be fewer. Raises `StatementInvalidError`.
    """
    for name in TERMS:
        given, asked = getattr(answer, name), getattr(inquiry, name)
        if isinstance(given, Information):
            _require_within(given, inquiry.information)
        elif given not in {None, asked}:
            raise StatementInvalidError(f"answer: another {name}", reason="other-terms")


def _require_within(given: Information, asked: Information) -> None:
    if given == asked:
        return
    if (given.term, given.scope) != (asked.term, asked.scope):
        raise StatementInvalidError("answer: another information", reason="other-information")
    if not set(given.items) <= set(asked.items):
        raise StatementInvalidError("answer: items not asked for", reason="other-information")


def opened_payload(
    public: Provision | Delivery,
    sealed: Sealed | None,
    openers: Openers,
    *,
    inquiry_leaf: bytes,
    permit_id: str,
    asked: Inquiry,
) -> bytes | None:
    """Return the payload whose commitment the statement carries, or None if it provides nothing.

    Raises `StatementInvalidError` when there is one without the other, when they differ, or when
    the payload gives anything that was not asked for.
    """
    if (public.payload is None) != (sealed is None):
        raise StatementInvalidError("answer: sealed without payload", reason="payload-missing")
    if sealed is None:
        return None
    packed = openers.open(sealed, binding=inquiry_leaf, permit_id=permit_id, key_id=asked.reply_key)
    try:
        salt, payload = unpack_answer(packed)
    except SealingError as error:
        raise StatementInvalidError("answer: not packed", reason=error.reason) from None
    if payload_commitment(salt, payload).hex() != public.payload:
        raise StatementInvalidError("answer: another payload", reason="other-payload")
    given = public.information or asked.information
    try:
        require_asked(payload, term=given.term, scope=given.scope, items=given.items)
    except PayloadError as error:
        raise StatementInvalidError("answer: not what was asked", reason=error.reason) from None
    return payload
