"""The floor: the cryptography of one exchange that nobody can leave out, each part by itself.

Every part is timed alone in thread time with our own code paths, and counted as often as each
party needs it in one exchange: for every item, or for every message that its items share.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from certs.boxes import Box, SecretKey, blind_index
from certs.log_keys import LogSigner
from certs.sealing import (
    MessageSealer,
    SealingPrivateKey,
    open_message,
    pack_answer,
    pack_code,
    unpack_answer,
)
from codes.network_code import CodeColumn, NetworkCode, OrganisationCodes
from gateway.bench.permits import SignedPermits
from gateway.records.entry import payload_commitment, private_commitment, subject_commitment
from gateway.records.note import Checkpoint, sign_checkpoint, verify_checkpoint
from gateway.records.tiles import RightEdge
from gateway.records.tree import leaf_hash

ORIGIN: Final = "bench/party/log/0"
PAYLOAD_BYTES: Final = 600
ENTRY_BYTES: Final = 1_600
PRIVATE_BYTES: Final = 400
_NAMES: Final = {"network": "bench", "recipient": "recipient"}
_LOOP_S: Final = 0.01

INQUIRER: Final = "inquirer"
CORE: Final = "core"
PROVIDER: Final = "provider"
PARTIES: Final = (INQUIRER, CORE, PROVIDER)

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Often:
    """How often each party does something in one exchange."""

    inquirer: int = 0
    core: int = 0
    provider: int = 0

    def of(self, parties: Collection[str]) -> int:
        """Return how often these parties do it together."""
        counts = {INQUIRER: self.inquirer, CORE: self.core, PROVIDER: self.provider}
        return sum(counts[party] for party in parties)


NEVER: Final = Often()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One kind of work: how often an item and how often a message of an exchange needs it."""

    name: str
    work: Work = field(repr=False)
    items: Often = NEVER
    messages: Often = NEVER

    def us_an_exchange(self, us: float, batch: int, parties: Collection[str]) -> float:
        """Return the part's microseconds in one exchange, at `us` a time."""
        return us * (self.items.of(parties) + self.messages.of(parties) / batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What was measured: microseconds of each part a time, and an exchange's sum by round."""

    batch: int
    parts_us: Mapping[str, float]
    rounds_ms: Sequence[float]

    @property
    def ms(self) -> float:
        """Return the median of the rounds, in thread milliseconds an exchange."""
        return sorted(self.rounds_ms)[len(self.rounds_ms) // 2]


def measure_floor(*, batch: int, seconds: float, parties: Collection[str] = PARTIES) -> Floor:
    """Return the floor of these parties in an exchange whose messages hold `batch` items.

    Measures rounds of all parts for about so many seconds, at least three rounds.
    """
    parts = make_parts(batch)
    until = time.monotonic() + seconds
    rounds: list[float] = []
    taken: dict[str, list[float]] = {part.name: [] for part in parts}
    while len(rounds) < 3 or time.monotonic() < until:  # noqa: PLR2004 - for a median
        total = 0.0
        for part in parts:
            us = thread_us(part.work)
            taken[part.name].append(us)
            total += part.us_an_exchange(us, batch, parties)
        rounds.append(total / 1000)
    return Floor(
        batch=batch,
        parts_us={name: sorted(times)[len(times) // 2] for name, times in taken.items()},
        rounds_ms=rounds,
    )


def thread_us(work: Work) -> float:
    """Return the thread time of one call in microseconds, over as many as fit in 10 ms."""
    calls, used = 0, 0
    began = time.thread_time_ns()
    while used < _LOOP_S * 1e9:
        work()
        calls += 1
        used = time.thread_time_ns() - began
    return used / calls / 1000


def make_parts(batch: int) -> list[Part]:
    """Return the parts of one exchange with `batch` items in every message."""
    return [*_log_parts(batch), *_sealing_parts(), *_storage_parts(), *_permit_parts()]


def _log_parts(batch: int) -> list[Part]:
    """Six batches of entries: inquiry, permit, provision, receipt, and two outcomes."""
    signer = LogSigner.generate()
    checkpoint = Checkpoint(ORIGIN, 1_000_000, hashlib.sha256(b"root").digest())
    note = sign_checkpoint(checkpoint, signer, time=1)
    keys = signer.public
    entry, private = secrets.token_bytes(ENTRY_BYTES), secrets.token_bytes(PRIVATE_BYTES)
    leaves = [secrets.token_bytes(32) for _ in range(batch)]
    edge = RightEdge.load(0, ()).extend(leaves).edge
    return [
        # One for each batch that is committed.
        Part(
            name="sign_checkpoint",
            work=lambda: sign_checkpoint(checkpoint, signer, time=1),
            messages=Often(inquirer=2, core=3, provider=1),
        ),
        # Inquiry at core and provider, permit at the inquirer, provision at the inquirer, both
        # parties' outcomes at the core.
        Part(
            name="verify_checkpoint",
            work=lambda: verify_checkpoint(note, origin=ORIGIN, keys=keys),
            messages=Often(inquirer=2, core=3, provider=1),
        ),
        Part(
            name="merkle_extend",
            work=lambda: edge.extend(leaves),
            messages=Often(inquirer=2, core=3, provider=1),
        ),
        # Six entries are hashed when written and six when received.
        Part(
            name="leaf_hash",
            work=lambda: leaf_hash(entry),
            items=Often(inquirer=4, core=6, provider=2),
        ),
        Part(
            name="private_commitment",
            work=lambda: private_commitment(private),
            items=Often(inquirer=2, core=3, provider=1),
        ),
    ]


def _sealing_parts() -> list[Part]:
    """Four sealed messages: code to core, code in permit, notice, answer; each also opened."""
    key = SealingPrivateKey.generate()
    permit_id, leaf = secrets.token_hex(16), secrets.token_bytes(32)
    salt, payload = secrets.token_bytes(32), secrets.token_bytes(PAYLOAD_BYTES)
    code = pack_code(salt, secrets.token_bytes(32))
    answer = pack_answer(salt, payload)

    def start() -> MessageSealer:
        return MessageSealer.start("answer", sender="sender", public_key=key.public, **_NAMES)

    sealer = start()
    opener = open_message(key, sealer.header, purpose="answer", **_NAMES)
    sealed_code = sealer.seal(code, inquiry_leaf=leaf, permit_id=permit_id)
    sealed_answer = sealer.seal(answer, inquiry_leaf=leaf, permit_id=permit_id)
    return [
        Part(name="hpke_seal", work=start, messages=Often(inquirer=1, core=2, provider=1)),
        Part(
            name="hpke_open",
            work=lambda: open_message(key, sealer.header, purpose="answer", **_NAMES),
            messages=Often(inquirer=1, core=1, provider=2),
        ),
        Part(
            name="seal_code",
            work=lambda: sealer.seal(code, inquiry_leaf=leaf, permit_id=permit_id),
            items=Often(inquirer=1, core=2),
        ),
        Part(
            name="open_code",
            work=lambda: opener.open(
                sealed_code.n, sealed_code.ct, inquiry_leaf=leaf, permit_id=permit_id
            ),
            items=Often(core=1, provider=2),
        ),
        Part(
            name="seal_answer",
            work=lambda: sealer.seal(
                pack_answer(salt, payload), inquiry_leaf=leaf, permit_id=permit_id
            ),
            items=Often(provider=1),
        ),
        Part(
            name="open_answer",
            work=lambda: unpack_answer(
                opener.open(
                    sealed_answer.n, sealed_answer.ct, inquiry_leaf=leaf, permit_id=permit_id
                )
            ),
            items=Often(inquirer=1),
        ),
    ]


def _storage_parts() -> list[Part]:
    """What lies encrypted: private parts, details, result, kept answer, replica; codes; indexes."""
    key = SecretKey("bench", secrets.token_bytes(32))
    box, ad = Box(key), b"organisation/table/column/row"
    private = secrets.token_bytes(PRIVATE_BYTES)
    sealed = box.seal(private, ad)
    salt, code = secrets.token_bytes(32), NetworkCode(secrets.token_bytes(32))
    column = CodeColumn(secrets.token_bytes(64), organisation="bench", column="code")
    stored = column.encrypt(code)
    codes = OrganisationCodes(secrets.token_bytes(64), "bench")
    issued = codes.code(secrets.token_bytes(16))
    payload = secrets.token_bytes(PAYLOAD_BYTES)
    return [
        # Six private parts, the inquirer's details and result, the provider's kept answer.
        Part(
            name="box_seal",
            work=lambda: box.seal(private, ad),
            items=Often(inquirer=4, core=3, provider=2),
        ),
        # The replica, and the result when it is handed over.
        Part(
            name="box_open", work=lambda: box.open(sealed, ad), items=Often(inquirer=1, provider=1)
        ),
        # One subject for each entry that is about somebody.
        Part(
            name="blind_index",
            work=lambda: blind_index(key, "subject", code.raw),
            items=Often(inquirer=2, core=3, provider=1),
        ),
        # The inquirer's own code; the provider's look-up of whose it is.
        Part(
            name="code_at_rest",
            work=lambda: column.decrypt(stored),
            items=Often(inquirer=1, provider=1),
        ),
        # The core reads the inquirer's code and makes the provider's.
        Part(name="translate_code", work=lambda: codes.internal_id(issued), items=Often(core=2)),
        Part(name="make_code", work=lambda: codes.code(b"\0" * 16), items=Often(core=2)),
        # Made and checked: inquirer and core, core and provider.
        Part(
            name="subject_commitment",
            work=lambda: subject_commitment(salt, code.raw),
            items=Often(inquirer=1, core=2, provider=1),
        ),
        Part(
            name="payload_commitment",
            work=lambda: payload_commitment(salt, payload),
            items=Often(inquirer=1, provider=1),
        ),
    ]


def _permit_parts() -> list[Part]:
    # A token of one permit: signature and check, with as little JSON around them as may be.
    permits = SignedPermits.make(1, now=datetime.now(UTC))
    return [
        Part(name="sign_permits", work=permits.issue, messages=Often(core=1)),
        Part(name="verify_permits", work=permits.verify, messages=Often(provider=1)),
    ]
