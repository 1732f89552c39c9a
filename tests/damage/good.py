"""The bundle that every damaged one is made of: an organisation's log over a month's end.

Its keys are real and new each time; everything else is the same whenever it is made. Thirty
entries a minute apart in slot 0, from ten minutes before the month ends in Tokyo; the period asked
about is the ten minutes after it. Two of the entries are receipts of answers by `union`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType

from certs.log_keys import LogSigner, WitnessKey
from codes.canonical import b64, instant
from gateway.records.bundle import Files, SlotExport, export_slot, write_bundle
from gateway.records.entry import Entry
from gateway.records.tree import audit_path
from tests.unit.certs import networks
from tests.unit.records import made

ORGANISATION, PEER = "nagaoka", "union"
STARTS = datetime(2026, 11, 30, 14, 50, tzinfo=UTC)
LONG_AGO = datetime(2019, 5, 31, 14, 40, tzinfo=UTC)
"""When the network was made: its keys were renewed since."""
BEGINS, ENDS = STARTS + timedelta(minutes=10), STARTS + timedelta(minutes=20)
FIRST, END, SIZE = 9, 21, 30
COSIGNED = (5, 12, 15, 30)
RECEIPTS = (13, 14)
OPENED = (9, 12, *RECEIPTS)


@dataclass(frozen=True, kw_only=True)
class Log:
    """A slot of an honest writer, with what its receipts rest on."""

    network: networks.Network
    slot: int = 0
    entries: tuple[Entry, ...]
    signer: LogSigner = field(repr=False)
    sizes: tuple[int, ...] = COSIGNED
    more_notes: tuple[str, ...] = ()

    @property
    def witness(self) -> tuple[str, WitnessKey]:
        return "testnet/core/witness", self.network.keys("core").witness

    def at(self, size: int, *, entries: Sequence[Entry] | None = None) -> made.MadeLog:
        """Return the log as it was at a size, or as another one of these entries would be."""
        log = made.MadeLog(
            slot=self.slot,
            signer=self.signer,
            organisation=ORGANISATION,
            begins=STARTS,
            entries=list((self.entries if entries is None else entries)[:size]),
        )
        log.grow(0)
        return log

    def note(self, size: int, **more: object) -> str:
        """Return the cosigned checkpoint of a size, signed a second after its last entry."""
        given = {"at": STARTS + timedelta(minutes=size - 1), "cosigners": [self.witness], **more}
        return self.at(size).note(**given)  # type: ignore[arg-type]  # as its keywords

    @cached_property
    def notes(self) -> list[str]:
        return [*(self.note(size) for size in self.sizes), *self.more_notes]

    def export(self, *, first: int = FIRST, end: int = END) -> SlotExport:
        """Return the honest export of a range."""
        whole = self.at(len(self.entries))
        return export_slot(
            slot=self.slot,
            first=first,
            entries=[entry.raw for entry in self.entries[first:end]],
            leaves=[entry.leaf_hash for entry in self.entries[first:end]],
            notes=self.notes,
            node=whole.state.node,
            private={
                index: self.entries[index].private_plaintext
                for index in OPENED
                if self.slot == 0 and first <= index < end
            },
        )

    def rewritten(self, entries: Mapping[int, Entry]) -> "Log":
        """Return the log that its own signer made of other entries at these indexes."""
        listed = [entries.get(index, entry) for index, entry in enumerate(self.entries)]
        return replace(self, entries=tuple(listed))


@dataclass(frozen=True, kw_only=True)
class Good:
    """The good bundle and all it is made of."""

    network: networks.Network
    logs: tuple[Log, ...]
    peer: made.MadeLog
    peer_note: str

    @cached_property
    def exports(self) -> tuple[SlotExport, ...]:
        return tuple(log.export() for log in self.logs)

    def files(self, *exports: SlotExport, **more: object) -> Files:
        """Return a bundle in which these slots stand instead of the good ones."""
        instead = {export.slot: export for export in exports}
        slots = [instead.get(export.slot, export) for export in self.exports]
        given: dict[str, object] = {
            "network": "testnet",
            "organisation": ORGANISATION,
            "begins": instant(BEGINS),
            "ends": instant(ENDS),
            "directory": self.network.directory.raw,
            "slots": slots,
            "peer_notes": [self.peer_note],
        }
        return dict(write_bundle(**(given | more)))  # type: ignore[arg-type]  # as its keywords

    @property
    def root(self) -> bytes:
        return (self.network.path / "root" / "root.json").read_bytes()


def make() -> Good:
    """Return a good bundle under new keys."""
    network = networks.an_aged_network(LONG_AGO)
    peer = made.MadeLog(
        organisation=PEER, signer=network.keys(PEER).log, begins=STARTS + timedelta(minutes=5)
    )
    peer.grow(2)
    peer.entries += [an_answer(number) for number in range(2)]
    peer.grow(0)
    peer_note = peer.note(at=STARTS + timedelta(minutes=12))
    signer = network.keys(ORGANISATION).log
    slots = network.directory.organisation(ORGANISATION).slots
    rich = MappingProxyType(
        {
            index: a_receipt(index, peer, peer_note, answer=2 + number, exchange=number)
            for number, index in enumerate(RECEIPTS)
        }
    )
    logs = []
    for slot in range(slots):
        log = made.MadeLog(slot=slot, signer=signer, organisation=ORGANISATION, begins=STARTS)
        log.grow(SIZE)
        sizes = COSIGNED if slot == 0 else (SIZE,)
        plain = Log(
            network=network, slot=slot, entries=tuple(log.entries), signer=signer, sizes=sizes
        )
        logs.append(plain.rewritten(rich) if slot == 0 else plain)
    return Good(network=network, logs=tuple(logs), peer=peer, peer_note=peer_note)


def an_answer(exchange: int) -> Entry:
    """Return the peer's `provision` of an exchange."""
    members = {**made.PROVISION, **_exchange(exchange), "inquirer": ORGANISATION}
    return made.an_entry(
        "provision",
        members=members,
        number=200 + exchange,
        time=STARTS + timedelta(minutes=11),
        organisation=PEER,
    )


def a_receipt(
    index: int,
    peer: made.MadeLog,
    note: str,
    *,
    answer: int,
    exchange: int,
    leaf: str | None = None,
    raw: bytes | None = None,
) -> Entry:
    """Return the receipt of an exchange, with the proof of the peer's entry `answer`."""
    stated = peer.entries[answer]
    path = audit_path(peer.size, answer, peer.state.node)
    return made.an_entry(
        "receipt",
        members={
            **_exchange(exchange),
            "peer": PEER,
            "answer_leaf": leaf or stated.leaf_hash.hex(),
            "outcome": "provided",
            "payload": "7" * 64,
        },
        private={
            "answer": b64(raw or stated.raw),
            "answer_index": answer,
            "answer_path": b64(b"".join(path)),
            "answer_checkpoint": sha256(note.encode()).hexdigest(),
        },
        number=300 + index,
        time=STARTS + timedelta(minutes=index),
        organisation=ORGANISATION,
    )


def _exchange(number: int) -> dict[str, object]:
    return {"permit_id": f"{number + 1:032x}", "inquiry_leaf": f"{number + 1:064x}"}


def at(minute: int) -> datetime:
    """Return when the entry of this index was made in an honest log."""
    return STARTS + timedelta(minutes=minute)
