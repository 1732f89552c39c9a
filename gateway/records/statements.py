"""Statements: public entries with proof that their sender recorded them (PROTOCOL §2).

Equal or refuse: the organisation of the TLS certificate (given by the caller), the sender named
in the entry, the checkpoint's origin and the owner of the log keys are one, or nothing is.
"""

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self, TypeAlias

from certs.errors import CertsError
from gateway.records.entry import ParsedEntry, parse_entry
from gateway.records.errors import RecordsError
from gateway.records.kinds import SLOTS_MAX
from gateway.records.note import (
    LogKeys,
    VerifiedCheckpoint,
    claimed_time,
    log_origin,
    parse_note,
    verify_checkpoint,
)
from gateway.records.tree import NodeSource, audit_paths, multiproof, root_from_multiproof

GROUP_ENTRIES_MAX: Final = 256
VERIFIED_NOTES_MAX: Final = 4096

KeysAt: TypeAlias = Callable[[datetime], LogKeys]
"""The log keys that the directory gives to the organisation at an instant."""


class VerifiedNotes(dict[str, VerifiedCheckpoint]):
    """Checkpoints verified before, by their whole note; the oldest go beyond the limit."""

    def __init__(self, limit: int = VERIFIED_NOTES_MAX) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, note: str, verified: VerifiedCheckpoint) -> None:
        super().__setitem__(note, verified)
        if len(self) > self._limit:
            del self[next(iter(self))]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementGroup:
    """Entries of one slot under one checkpoint with one multiproof."""

    checkpoint: str = field(repr=False)
    indexes: tuple[int, ...]
    entries: tuple[bytes, ...] = field(repr=False)
    hashes: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def build(
        cls, *, checkpoint: str, size: int, entries: Mapping[int, bytes], node: NodeSource
    ) -> Self:
        """Return the group of these entries (by index) under a note of this size.

        Raises:
            RecordsError: bad-size, bad-index, or what `node` raises.
        """
        indexes = tuple(sorted(entries))
        return cls(
            checkpoint=checkpoint,
            indexes=indexes,
            entries=tuple(entries[index] for index in indexes),
            hashes=tuple(multiproof(size, indexes, node)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One entry that its sender provably recorded and signed."""

    entry: ParsedEntry
    index: int
    checkpoint: VerifiedCheckpoint
    note: str = field(repr=False)
    _paths: "_Paths" = field(repr=False, compare=False)

    def audit_path(self) -> list[bytes]:
        """Return the audit path of this entry, leaf to root, derived from the multiproof."""
        return self._paths.of(self.index)


def verify_group(
    group: StatementGroup,
    *,
    organisation: str,
    network: str,
    log_keys: KeysAt,
    slots: int = SLOTS_MAX,
    verified: MutableMapping[str, VerifiedCheckpoint] | None = None,
) -> list[Statement]:
    """Return the statements of a group in its order, or refuse them all.

    `organisation` is the one whose certificate the caller authenticated; `slots` is the number
    the directory gives it; `verified` remembers notes, so that a second look costs no signature.

    Raises:
        RecordsError: bad-group, wrong-organisation, wrong-slot, wrong-origin, no-log-keys,
            not-included, or as `parse_entry`, `verify_checkpoint` and `root_from_multiproof`.
    """
    if not 0 < len(group.entries) <= GROUP_ENTRIES_MAX:
        raise RecordsError("bad-group")
    entries = [parse_entry(raw) for raw in group.entries]
    slot = _slot_of(entries, organisation)
    if slot >= slots:
        raise RecordsError("wrong-slot")
    origin = log_origin(network, organisation, slot)
    checkpoint = _verified(group.checkpoint, origin, log_keys, verified)
    paths = _Paths(
        checkpoint.checkpoint.size,
        group.indexes,
        [entry.leaf_hash for entry in entries],
        group.hashes,
    )
    if paths.root() != checkpoint.checkpoint.root:
        raise RecordsError("not-included")
    return [
        Statement(
            entry=entry, index=index, checkpoint=checkpoint, note=group.checkpoint, _paths=paths
        )
        for index, entry in zip(group.indexes, entries, strict=True)
    ]


def posix_instant(time: int) -> datetime:
    """Return the UTC instant of a POSIX second, or raise bad-time if no calendar holds it."""
    try:
        return datetime.fromtimestamp(time, UTC)
    except (OverflowError, ValueError, OSError):
        raise RecordsError("bad-time") from None


class _Paths:
    """The paths of one group, derived when the first is asked for."""

    __slots__ = ("_hashes", "_indexes", "_leaves", "_paths", "_size")

    def __init__(
        self, size: int, indexes: tuple[int, ...], leaves: list[bytes], hashes: tuple[bytes, ...]
    ) -> None:
        self._size = size
        self._indexes = indexes
        self._leaves = leaves
        self._hashes = hashes
        self._paths: dict[int, list[bytes]] = {}

    def root(self) -> bytes:
        """Return the root that leaves and hashes lead to."""
        return root_from_multiproof(self._size, self._indexes, self._leaves, self._hashes)

    def of(self, index: int) -> list[bytes]:
        """Return one leaf's path."""
        if not self._paths:
            paths = audit_paths(self._size, self._indexes, self._leaves, self._hashes)
            self._paths = dict(zip(self._indexes, paths, strict=True))
        return self._paths[index]


def _slot_of(entries: Iterable[ParsedEntry], organisation: str) -> int:
    """Return the one slot of entries that all name the sender."""
    slots = set()
    for entry in entries:
        if entry.public.organisation != organisation:
            raise RecordsError("wrong-organisation")
        slots.add(entry.public.slot)
    if len(slots) != 1:
        raise RecordsError("wrong-slot")
    return slots.pop()


def _verified(
    note: str,
    origin: str,
    log_keys: KeysAt,
    verified: MutableMapping[str, VerifiedCheckpoint] | None,
) -> VerifiedCheckpoint:
    known = verified.get(note) if verified is not None else None
    if known is not None:
        if known.checkpoint.origin != origin:
            raise RecordsError("wrong-origin")
        keys = _keys_at(log_keys, known.time)
        # A key that the directory has taken back since must not live on in the cache.
        if known.keys == (keys.ed25519, keys.mldsa44):
            return known
    parsed = parse_note(note)
    if parsed.checkpoint.origin != origin:
        raise RecordsError("wrong-origin")
    keys = _keys_at(log_keys, claimed_time(parsed))
    fresh = verify_checkpoint(parsed, origin=origin, keys=keys)
    if verified is not None:
        verified[note] = fresh
    return fresh


def _keys_at(log_keys: KeysAt, time: int) -> LogKeys:
    try:
        return log_keys(posix_instant(time))
    except CertsError:
        raise RecordsError("no-log-keys") from None
