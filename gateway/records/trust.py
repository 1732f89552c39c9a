"""Whom an offline verifier believes about one log: its keys, its slots, its witnesses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Self, TypeAlias

from certs.directory import Directory
from gateway.records.note import CosignatureKey, witness_name
from gateway.records.statements import KeysAt

WitnessKeyAt: TypeAlias = Callable[[datetime], CosignatureKey]


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

    @classmethod
    def of(cls, directory: Directory, organisation: str) -> Self:
        """Return what the directory says about an organisation's log, or raise `CertsError`."""
        entry = directory.organisation(organisation)
        return cls(
            network=directory.network,
            organisation=organisation,
            slots=entry.slots,
            log_keys=partial(directory.log_keys_at, organisation),
            witnesses={
                witness_name(directory.network, name): partial(directory.witness_key_at, name)
                for name in entry.witnesses
            },
        )
