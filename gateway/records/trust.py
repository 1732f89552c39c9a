"""Whom an offline verifier believes about a log: its keys, slots, witnesses and peers."""

from collections.abc import Callable, Mapping
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
    cosigners_min: int = 1
    """How many witnesses must have signed before a checkpoint counts as cosigned."""
    peer_keys: PeerKeysAt = field(default=_knows_nobody, repr=False)
    """Log keys of any organisation: of those whose answers this one's receipts hold."""

    @classmethod
    def of(
        cls,
        directory: Directory,
        organisation: str,
        *,
        witness_keys: Mapping[str, CosignatureKey] = MappingProxyType({}),
    ) -> Self:
        """Return what the directory says about an organisation's log, or raise `CertsError`.

        `witness_keys`, by the name on the line, are those the auditor got by hand: if there are
        any, they stand alone, and the directory's witnesses prove nothing.
        """
        entry = directory.organisation(organisation)
        listed = {
            witness_name(directory.network, name): partial(directory.witness_key_at, name)
            for name in entry.witnesses
        }
        given = {name: partial(_always, key) for name, key in witness_keys.items()}
        return cls(
            network=directory.network,
            organisation=organisation,
            slots=entry.slots,
            log_keys=partial(directory.log_keys_at, organisation),
            witnesses=given or listed,
            peer_keys=directory.log_keys_at,
        )


def _always(key: CosignatureKey, _moment: datetime) -> CosignatureKey:
    return key
