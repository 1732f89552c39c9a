"""Look-ups of one directory version, made once: whose certificate, key or body is this?

What is pinned depends on the moment: a key set announced for later takes the place of the one
before it when it begins, and certificates end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Self

from certs.certificates import TlsCertificate
from certs.errors import DirectoryError
from certs.keysets import SealingPublicKey
from certs.organisations import WITHDRAWN, Body, Organisation, endpoint_address


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryIndex:
    """The look-ups of a directory at one moment."""

    bodies: Mapping[str, tuple[Organisation, Body]] = field(repr=False)
    certificates: Mapping[str, Organisation] = field(repr=False)
    """Hex SHA-256 of a pinned certificate → whose it is."""
    pinned: Mapping[str, tuple[TlsCertificate, ...]] = field(repr=False)
    sealing: Mapping[tuple[str, str], SealingPublicKey] = field(repr=False)
    """Organisation and key id → the key as the organisation's newest set that lists it says."""
    turns_at: datetime | None
    """When a key set begins or something pinned ends: from then on another index holds."""

    @classmethod
    def of(cls, organisations: Mapping[str, Organisation], moment: datetime) -> Self:
        """Return the look-ups at that moment; raises `DirectoryError` for anything listed twice."""
        parties = organisations.values()
        _require_distinct(parties)
        pinned = {party.name: _pinned(party, moment) for party in parties}
        return cls(
            bodies=MappingProxyType(_index_bodies(parties)),
            certificates=MappingProxyType(
                {one.sha256: party for party in parties for one in pinned[party.name]}
            ),
            pinned=MappingProxyType(pinned),
            sealing=MappingProxyType(_index_sealing(parties)),
            turns_at=min(_turns(parties, pinned, moment), default=None),
        )


def _pinned(organisation: Organisation, moment: datetime) -> tuple[TlsCertificate, ...]:
    certificates = {
        certificate.sha256: certificate
        for key_set in organisation.key_sets_from(moment)
        for certificate in key_set.tls
        if moment < certificate.not_after
    }
    return tuple(certificates.values())


def _turns(
    organisations: Iterable[Organisation],
    pinned: Mapping[str, tuple[TlsCertificate, ...]],
    moment: datetime,
) -> Iterable[datetime]:
    for organisation in organisations:
        for key_set in organisation.key_sets_from(moment):
            yield from (edge for edge in (key_set.not_before, key_set.not_after) if edge > moment)
        yield from (one.not_after for one in pinned[organisation.name])


def _index_sealing(
    organisations: Iterable[Organisation],
) -> dict[tuple[str, str], SealingPublicKey]:
    return {
        (organisation.name, key.key_id): key
        for organisation in organisations
        for key_set in organisation.key_sets
        for key in key_set.sealing
    }


def _index_bodies(
    organisations: Iterable[Organisation],
) -> dict[str, tuple[Organisation, Body]]:
    index: dict[str, tuple[Organisation, Body]] = {}
    for organisation in organisations:
        for body in organisation.bodies:
            if body.body_code in index:
                raise DirectoryError("duplicate-body", body.body_code)
            index[body.body_code] = (organisation, body)
    for _, body in index.values():
        if body.delegated_by is None:
            continue
        delegator = index.get(body.delegated_by)
        if delegator is None or delegator[1].delegated_by is not None:
            raise DirectoryError("delegation", f"{body.body_code}: no such delegator, or a chain")
    return index


def _require_distinct(organisations: Iterable[Organisation]) -> None:
    # What one organisation lists, no other may: a shared key or address is two in one.
    owners: dict[tuple[str, object], str] = {}
    for organisation in organisations:
        for kind, mark in _marks(organisation):
            if owners.setdefault((kind, mark), organisation.name) != organisation.name:
                raise DirectoryError(f"duplicate-{kind}", organisation.name)


def _marks(organisation: Organisation) -> Iterable[tuple[str, object]]:
    if organisation.status != WITHDRAWN:
        for url in organisation.endpoints.values():
            yield "endpoint", endpoint_address(url)
    for key_set in organisation.key_sets:
        for certificate in key_set.tls:
            yield "certificate", certificate.sha256
        for sealing in key_set.sealing:
            yield "key", sealing.key_id
        yield "key", key_set.log.ed25519
        yield "key", key_set.log.mldsa44
        yield "key", key_set.witness.mldsa44
        yield "key", key_set.organisation_key.ed25519
        yield "key", key_set.organisation_key.mldsa44
