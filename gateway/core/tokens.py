"""Permit tokens of one answer: up to 64 permits of one inquirer to one provider in each.

Made after commit; codes are sealed with one key agreement a provider (PROTOCOL §3).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from certs.permits import PERMITS_MAX, Permit, PermitSigner, PermitToken, SealedCode
from certs.sealing import MessageSealer, pack_code
from certs.terms import TERMS
from codes.canonical import b64, instant
from gateway.core.code_book import CodeBook
from gateway.core.day_book import PermitSecret
from gateway.flows.sealed import start_sealing
from gateway.flows.trust import Trust
from gateway.records.kinds import Inquiry
from gateway.storage.core_inquiries import Permitted

PURPOSE: Final = "code-in-permit"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenItem:
    """One permit that goes into a token: when the token begins, and what the permit says."""

    begins: datetime
    inquiry: Inquiry
    permitted: Permitted
    secret: PermitSecret = field(repr=False)
    permit_leaf: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of one answer and in which of them each permit stands."""

    texts: list[str] = field(repr=False)
    places: dict[str, int]


def make_tokens(trust: Trust, codes: CodeBook, items: Sequence[TokenItem]) -> Tokens:
    """Return the tokens of these permits, one key agreement a provider; raises `CertsError`."""
    groups: dict[tuple[str, str, datetime], dict[str, TokenItem]] = defaultdict(dict)
    for item in items:
        key = (item.permitted.inquirer, item.permitted.provider, item.begins)
        groups[key][item.permitted.permit_id] = item
    sealers: dict[str, MessageSealer] = {}
    texts: list[str] = []
    places: dict[str, int] = {}
    for (inquirer, provider, begins), members in groups.items():
        sealer = sealers.get(provider)
        if sealer is None:
            sealer = sealers[provider] = start_sealing(trust, PURPOSE, recipient=provider)
        signer = _signer(trust, begins)
        for some in _parts(list(members.values())):
            places |= {item.permitted.permit_id: len(texts) for item in some}
            token = PermitToken.granted(
                [_permit(item, codes, sealer) for item in some],
                issuer=trust.organisation,
                inquirer=inquirer,
                provider=provider,
                directory_version=trust.directory.version,
                allow_list=trust.directory.allow_list_digest,
                keys=[sealer.header],
                now=begins,
            )
            texts.append(signer.issue(token))
    return Tokens(texts=texts, places=places)


def _parts(items: list[TokenItem]) -> list[list[TokenItem]]:
    return [items[start : start + PERMITS_MAX] for start in range(0, len(items), PERMITS_MAX)]


def _signer(trust: Trust, begins: datetime) -> PermitSigner:
    # A token says in whole seconds when it was issued, and is verified by the keys of that second.
    issued = begins.replace(microsecond=0)
    key = trust.keys.permit_key_at(trust.directory.core.permit_keys, issued)
    return PermitSigner(key.key, kid=key.kid)


def _permit(item: TokenItem, codes: CodeBook, sealer: MessageSealer) -> Permit:
    permitted, inquiry = item.permitted, item.inquiry
    code = codes.code_of(item.secret.person, permitted.provider)
    sealed = sealer.seal(
        pack_code(item.secret.salt, code.raw),
        inquiry_leaf=permitted.inquiry_leaf,
        permit_id=permitted.permit_id,
    )
    return Permit(
        **{name: getattr(inquiry, name) for name in TERMS},
        permit_id=permitted.permit_id,
        permit_leaf=item.permit_leaf.hex(),
        inquiry_leaf=permitted.inquiry_leaf.hex(),
        requested_at=instant(permitted.requested_at),
        request_expires=instant(permitted.request_expires),
        subject_p=permitted.subject_p.hex(),
        code=SealedCode(key=0, n=sealed.n, ct=b64(sealed.ct)),
    )
