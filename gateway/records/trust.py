"""Whom an offline verifier believes about a log: its keys, slots, witnesses and peers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Self, TypeAlias

from certs.directory import Directory
from certs.errors import DirectoryError
from gateway.records.note import CosignatureKey, LogKeys, witness_name
from gateway.records.statements import KeysAt

WitnessKeyAt: TypeAlias = Callable[[datetime], CosignatureKey]
PeerKeysAt: TypeAlias = Callable[[str, datetime], LogKeys]
NamedAt: TypeAlias = Callable[[datetime], frozenset[str]]


def _knows_nobody(name: str, moment: datetime) -> LogKeys:
    raise DirectoryError("unknown-organisation", f"{name}, {moment}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTrust:
    """The keys of one organisation's log and of its witnesses, each for an instant."""

    network: str
    organisation: str
    slots: int
    log_keys: KeysAt = field(repr=False)
    witnesses: Mapping[str, WitnessKeyAt] = field(repr=False)
    """Keys by the name that stands on the cosignature line."""
    named: NamedAt = field(repr=False)
    """Those of them that were this log's witnesses at an instant: more than half are enough."""
    peer_keys: PeerKeysAt = field(default=_knows_nobody, repr=False)
    """Log keys of any organisation: of those whose answers this one's receipts hold."""

    @classmethod
    def of(
        cls,
        directory: Directory,
        organisation: str,
        *,
        older: Sequence[Directory] = (),
        witness_keys: Mapping[str, CosignatureKey] = MappingProxyType({}),
    ) -> Self:
        """Return what the directory says about an organisation's log, or raise `CertsError`.

        `older` are earlier versions that the auditor kept: they tell who was a witness in their
        time. `witness_keys`, by the name on the line, are those the auditor got by hand: if there
        are any, they stand alone, and the directory's witnesses prove nothing.
        """
        entry = directory.organisation(organisation)
        versions = sorted((*older, directory), key=lambda version: version.version)
        given = {name: partial(_always, key) for name, key in witness_keys.items()}
        listed = {
            witness_name(directory.network, name): partial(directory.witness_key_at, name)
            for version in versions
            for name in _witnesses(version, organisation)
        }
        by_hand = frozenset(given)
        return cls(
            network=directory.network,
            organisation=organisation,
            slots=entry.slots,
            log_keys=partial(directory.log_keys_at, organisation),
            witnesses=given or listed,
            named=(lambda _: by_hand) if given else partial(_named, versions, organisation),
            peer_keys=directory.log_keys_at,
        )


def _named(versions: Sequence[Directory], organisation: str, moment: datetime) -> frozenset[str]:
    """Return the witnesses by the newest version from before, else by the oldest there is."""
    then = [version for version in versions if version.issued <= moment] or versions[:1]
    names = _witnesses(then[-1], organisation)
    return frozenset(witness_name(then[-1].network, name) for name in names)


def _witnesses(directory: Directory, organisation: str) -> Sequence[str]:
    """Return whom a version names; nobody before the organisation was enrolled."""
    entry = directory.organisations.get(organisation)
    return () if entry is None else entry.witnesses


def _always(key: CosignatureKey, _moment: datetime) -> CosignatureKey:
    return key
