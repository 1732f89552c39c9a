"""What a round's evidence says: nothing lost, nothing forked, nothing doubled, all of it finished.

Pure: evidence in, findings out. A finding is a sentence; each counts one. Evidence is what clients
were told, what anybody ever saw of a log, and what the databases hold when all is quiet.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.flows.receipts import FETCHED
from gateway.records.entry import ParsedEntry
from gateway.records.kinds import Delivery, Inquiry, PermitGranted, Provision, Receipt
from gateway.records.reconcile import PartyRecords, reconcile
from gateway.records.tiles import RightEdge
from gateway.records.tree import EMPTY_ROOT

WITHHELD: Final = "withheld"
WITHDRAWN: Final = "withdrawn"
WAITING: Final = "waiting"
"""A hold that people have not decided on."""
ALARMS: Final = frozenset({"fork-found", "log-loss"})
"""Entries by which a party itself says that somebody's log is not what it was."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """One question under one idempotency key, and everything its client was told."""

    organisation: str
    kind: str
    key: str
    expected: str
    """How it must end."""
    ids: set[str] = field(default_factory=set)
    """The inquiry of each answer that acknowledged it: must be one."""
    state: str | None = None
    """As its client last read it; none if the gateway did not know it."""
    permit_id: str | None = None
    acknowledged: int = 0
    """Answers that said that something is done."""
    may_be_withdrawn: bool = False
    is_withdrawn: bool = False
    is_fetched: bool = False
    is_right: bool = True
    """Whether each answer said of the person what its provider was supplied with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An inquiry as its gateway keeps it."""

    inquiry_id: str
    state: str
    entry_id: str
    permit_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A checkpoint that somebody saw: signed, cosigned, stored by a peer, or shown to us."""

    organisation: str
    slot: int
    size: int
    root: bytes
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One slot as its database holds it."""

    hashes: Sequence[bytes]
    size: int
    """As the slot's own row says, like `root`."""
    root: bytes
    is_frozen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything there is to judge by."""

    asked: Sequence[Asked]
    logs: Mapping[str, Mapping[int, Log]]
    """By organisation and slot."""
    entries: Mapping[str, Sequence[ParsedEntry]]
    rows: Mapping[str, Mapping[str, Row]]
    """By organisation and inquiry."""
    sightings: Sequence[Sighting] = ()
    unsigned: Sequence[str] = ()
    """Slots without a checkpoint that both keys of their log signed."""
    remembered: Mapping[str, Mapping[int, Sequence[bytes]]] = field(default_factory=dict)
    """Leaf hashes as they stood in rounds before."""
    holds: Mapping[str, str] = field(default_factory=dict)
    """How each answer that was kept back for people stands, by permit."""
    undelivered: Mapping[str, int] = field(default_factory=dict)
    """Rows of an organisation's outbox that nobody has acknowledged."""
    refused: int = 0
    strange: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found, in words."""

    lost: Sequence[str]
    forks: Sequence[str]
    doubled: Sequence[str]
    unfinished: Sequence[str]
    differences: Sequence[str]
    fetched: int = 0
    """Answers lost on their way to a question given up, and taken in by their statements."""

    @property
    def is_settled(self) -> bool:
        """Whether waiting would change nothing for the better."""
        return not self.unfinished and not self.differences


def judge(evidence: Evidence) -> Verdict:
    """Return everything that is wrong."""
    return Verdict(
        lost=tuple(_lost(evidence)),
        forks=tuple(_forks(evidence)),
        doubled=tuple(_doubled(evidence)),
        unfinished=tuple(_unfinished(evidence)),
        differences=tuple(_reconciled(evidence)),
        fetched=_fetched(evidence),
    )


def _lost(evidence: Evidence) -> Iterator[str]:
    yield from evidence.unsigned
    yield from _gone(evidence)
    for name, entries in evidence.entries.items():
        for entry in entries:
            if entry.public.kind in ALARMS:
                yield f"{name}: {entry.public.kind}"
    yield from _unanswerable(evidence)


def _gone(evidence: Evidence) -> Iterator[str]:
    """Yield what was in a log, by anybody's word, and is not there."""
    for name, slots in evidence.remembered.items():
        for slot, before in slots.items():
            now = evidence.logs[name][slot].hashes
            for index, leaf in enumerate(before):
                if now[index : index + 1] != [leaf]:
                    yield f"{name}/{slot}: entry {index} was there and is another or none"
    for name, logs in evidence.logs.items():
        for slot, log in logs.items():
            if log.size != len(log.hashes):
                yield f"{name}/{slot}: {len(log.hashes)} entries, its row says {log.size}"
    seen = {(one.organisation, one.slot, one.size): one.by for one in evidence.sightings}
    for (name, slot, size), by in seen.items():
        if size > len(evidence.logs[name][slot].hashes):
            yield f"{name}/{slot}: {by} saw {size} entries"


def _unanswerable(evidence: Evidence) -> Iterator[str]:
    """Yield what a client was told of which there is no record."""
    recorded = _Recorded(evidence)
    for one in evidence.asked:
        for inquiry_id in one.ids:
            row = evidence.rows[one.organisation].get(inquiry_id)
            leaf = recorded.inquiries.get(row.entry_id) if row is not None else None
            if row is None or leaf is None:
                yield f"inquiry {inquiry_id}: no record of it"
            elif one.is_withdrawn and row.state != WITHDRAWN:
                yield f"inquiry {inquiry_id}: was withdrawn and is {row.state}"
            elif one.state not in (None, "open", WITHDRAWN) and not recorded.answer(leaf):
                yield f"inquiry {inquiry_id}: {one.state}, and no record of the answer"
        if not one.is_right:
            yield f"inquiry {min(one.ids, default='')}: the answer is not what was supplied"
    refusals = recorded.kinds["refusal"]
    if refusals < evidence.refused:
        yield from [f"{evidence.refused} refusals were told, {refusals} are on record"] * (
            evidence.refused - refusals
        )


class _Recorded:
    """What the logs say about questions and answers, by leaf hash."""

    def __init__(self, evidence: Evidence) -> None:
        self.inquiries: dict[str, str] = {}
        self.kinds: Counter[str] = Counter()
        self._receipts: dict[str, list[Receipt]] = defaultdict(list)
        self._leaves: set[str] = set()
        for entries in evidence.entries.values():
            for entry in entries:
                public, leaf = entry.public, entry.leaf_hash.hex()
                self._leaves.add(leaf)
                self.kinds[public.kind] += 1
                if isinstance(public, Inquiry):
                    self.inquiries[public.id] = leaf
                elif isinstance(public, Receipt):
                    self._receipts[public.inquiry_leaf].append(public)

    def answer(self, leaf: str) -> bool:
        """Tell whether an inquiry has a receipt of something that its sender recorded."""
        return any(receipt.answer_leaf in self._leaves for receipt in self._receipts[leaf])


def _forks(evidence: Evidence) -> Iterator[str]:
    wanted: dict[tuple[str, int], dict[int, dict[bytes, str]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for one in evidence.sightings:
        wanted[one.organisation, one.slot][one.size].setdefault(one.root, one.by)
    for name, slots in evidence.logs.items():
        for slot, log in slots.items():
            wanted[name, slot][log.size].setdefault(log.root, f"{name}'s slot row")
    for (name, slot), sizes in wanted.items():
        log, edge = evidence.logs[name][slot], RightEdge()
        for size, roots in sorted(sizes.items()):
            if size > len(log.hashes):
                if len(roots) > 1:
                    yield f"{name}/{slot}: {len(roots)} roots of size {size}"
                continue
            edge = edge.extend(log.hashes[edge.size : size]).edge
            root = edge.root() if size else EMPTY_ROOT
            others = [by for other, by in roots.items() if other != root]
            if others:
                yield f"{name}/{slot}: {', '.join(others)} saw another tree of size {size}"


def _doubled(evidence: Evidence) -> Iterator[str]:
    for one in evidence.asked:
        if len(one.ids) > 1:
            yield f"key {one.key}: {len(one.ids)} inquiries"
    for name, entries in evidence.entries.items():
        counts: Counter[tuple[str, str]] = Counter()
        doubled: set[str] = set()
        for entry in entries:
            keys = _once(entry)
            counts.update(keys)
            if any(counts[key] > 1 for key in keys):
                permit_id = getattr(entry.public, "permit_id", None)
                doubled.add(f"{entry.public.kind} of permit {permit_id}")
        for what in sorted(doubled):
            yield f"{name}: more than one {what}"


def _once(entry: ParsedEntry) -> set[tuple[str, str]]:
    """Return what there may be one entry of in a log."""
    public = entry.public
    match public:
        case Provision() | PermitGranted():
            return {(public.kind, public.inquiry_leaf), (public.kind, public.permit_id)}
        case Delivery():
            return {(public.kind, public.permit_id)}
        case Receipt():
            return {(public.kind, public.answer_leaf)}
        case _:
            return set()


def _unfinished(evidence: Evidence) -> Iterator[str]:
    for one in evidence.asked:
        if not one.ids:
            yield f"key {one.key}: nobody ever answered"
        hold = evidence.holds.get(one.permit_id or "")
        is_told = one.state == WITHHELD and hold == WAITING
        wanted = {WITHDRAWN} if one.is_withdrawn else {one.expected}
        wanted |= {WITHDRAWN} if one.may_be_withdrawn else set()
        if one.ids and one.state not in wanted and not is_told:
            what = f"{one.kind} is {one.state}, must be {one.expected}"
            yield f"inquiry {min(one.ids)}: {what}; hold {hold}; {_about(evidence, one.permit_id)}"
    for name, count in evidence.undelivered.items():
        yield from [f"{name}: an outbox row that nobody acknowledged"] * count
    yield from evidence.strange


def _about(evidence: Evidence, permit_id: str | None) -> str:
    """Return what the logs hold about a permit, for whoever looks into it."""
    found = [
        f"{name} {entry.public.kind} {getattr(entry.public, 'outcome', '')}".strip()
        for name, entries in evidence.entries.items()
        for entry in entries
        if permit_id and getattr(entry.public, "permit_id", None) == permit_id
    ]
    return f"permit {permit_id}: {', '.join(found)}"


def _reconciled(evidence: Evidence) -> Iterator[str]:
    """Hold the core's, the one's and the other's records against each other (法23③)."""
    if len(evidence.entries) < 3:
        return
    parties = [
        PartyRecords(organisation=name, entries=one) for name, one in evidence.entries.items()
    ]
    for one in reconcile(parties).differences:
        about = _about(evidence, one.permit_id)
        yield f"{one.organisation}: {one.reason} {one.leaf}; {about}"


def _fetched(evidence: Evidence) -> int:
    return sum(
        isinstance(entry.public, Receipt) and entry.public.reason == FETCHED
        for entries in evidence.entries.values()
        for entry in entries
    )
