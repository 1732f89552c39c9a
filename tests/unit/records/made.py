"""Entries and logs made for tests: deterministic where a key or salt is not the point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import shake_256
from types import MappingProxyType

from certs.log_keys import LogSigner, WitnessKey
from codes.canonical import instant
from gateway.records.entry import Entry, build_entry
from gateway.records.note import Checkpoint, cosign, log_origin, sign_checkpoint
from gateway.records.tiles import Extension, RightEdge

NETWORK = "testnet"
ORGANISATION = "nagaoka"
NOON = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
BODY = "1520210000000001"
OTHER_BODY = "1000000000000002"

TERMS: Mapping[str, object] = MappingProxyType(
    {
        "inquirer_body": BODY,
        "provider_body": OTHER_BODY,
        "department": "国保年金課",
        "affair": "JM01000000115000",
        "procedure": "JT01010000000117",
        "citation": "115/117/6/ロ",
        "information": {"term": "TM00000000000002", "scope": "X1", "items": ["XI01"]},
        "subject_role": "person",
        "condition": {"kind": "year", "year": 2026},
        "non_disclosure": 0,
        "law_version": "2026-06-14",
        "law_day": "2026-07-01",
    }
)
INQUIRY: Mapping[str, object] = MappingProxyType(
    {
        **TERMS,
        "legal_basis": "act19-8",
        "consent": {"state": "not-required", "ground": "XG01"},
        "provider": "gunma-union",
        "subject": "1" * 64,
        "reply_key": "2" * 64,
    }
)
PERMIT: Mapping[str, object] = MappingProxyType(
    {
        **TERMS,
        "legal_basis": "act19-8",
        "consent": {"state": "required", "date": "2026-06-30"},
        "permit_id": "a" * 32,
        "inquirer": ORGANISATION,
        "provider": "gunma-union",
        "inquiry_leaf": "3" * 64,
        "requested_at": "2026-07-01T03:00:00.000Z",
        "request_expires": "2026-07-08T03:00:00.000Z",
        "subject_p": "4" * 64,
        "directory_version": 7,
        "allow_list": "5" * 64,
    }
)
REFUSAL: Mapping[str, object] = MappingProxyType(
    {"reason": "wrong-provider", "of": "3" * 64, "counterparty": "gunma-union", "act21_2": 0}
)
PROVISION: Mapping[str, object] = MappingProxyType(
    {
        **TERMS,
        "permit_id": "a" * 32,
        "permit_leaf": "6" * 64,
        "inquiry_leaf": "3" * 64,
        "inquirer": "nagaoka",
        "outcome": "provided",
        "payload": "7" * 64,
        "requested_at": "2026-07-01T03:00:00.000Z",
        "provided_at": "2026-07-01T03:00:01.000Z",
        "subject_p": "4" * 64,
        "non_disclosure_provider": 1,
    }
)
MEMBERS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "inquiry": INQUIRY,
        "permit": PERMIT,
        "refusal": REFUSAL,
        "provision": PROVISION,
        "delivery": {
            "permit_id": "a" * 32,
            "provision_leaf": "8" * 64,
            "inquirer": "nagaoka",
            "outcome": "denied",
        },
        "receipt": {
            "inquiry_leaf": "3" * 64,
            "peer": "gunma-union",
            "answer_leaf": "8" * 64,
            "outcome": "refused",
            "reason": "wrong-provider",
        },
        "outcome": {"permit_id": "a" * 32, "party": "gunma-union", "outcome": "provided"},
        "notified": {"permit_id": "a" * 32},
        "lapsed": {"permit_id": "a" * 32},
        "delivery-stopped": {"permit_id": "a" * 32, "reason": "stopped"},
        "correction": {"of": "3" * 64},
        "directory-changed": {"version": 8, "digest": "9" * 64},
        "opened": {"key_set": "9" * 64},
    }
)

MARKED: Mapping[str, object] = MappingProxyType(
    {"of": "3" * 64, "permit_id": "a" * 32, "non_disclosure": 1}
)
"""A correction that sets its maker's mark."""


def fixed(label: str, length: int) -> bytes:
    return shake_256(label.encode()).digest(length)


def an_entry(
    kind: str = "inquiry",
    *,
    members: Mapping[str, object] | None = None,
    private: Mapping[str, object] | None = None,
    number: int = 0,
    time: datetime = NOON,
    organisation: str = ORGANISATION,
    slot: int = 0,
) -> Entry:
    return build_entry(
        kind=kind,
        members=MEMBERS.get(kind, {}) if members is None else members,
        private={} if private is None else private,
        entry_id=fixed(f"id {number}", 16).hex(),
        time=instant(time),
        organisation=organisation,
        slot=slot,
        salt=fixed(f"salt {number}", 32),
    )


@lru_cache
def a_signer(label: str = "log") -> LogSigner:
    return LogSigner.from_bytes(fixed(label, 64))


@lru_cache
def a_witness(label: str = "witness") -> WitnessKey:
    return WitnessKey.from_bytes(fixed(label, 32))


@dataclass(kw_only=True)
class MadeLog:
    """A slot's log as an honest writer makes it: one entry a minute, notes where asked."""

    slot: int = 0
    signer: LogSigner = field(default_factory=a_signer)
    organisation: str = ORGANISATION
    entries: list[Entry] = field(default_factory=list)
    state: Extension = field(default_factory=lambda: RightEdge().extend(()))
    begins: datetime = NOON

    @property
    def size(self) -> int:
        return len(self.entries)

    @property
    def origin(self) -> str:
        return log_origin(NETWORK, self.organisation, self.slot)

    def time_of(self, index: int) -> datetime:
        return self.begins + timedelta(minutes=index)

    def grow(self, count: int) -> None:
        for _ in range(count):
            index = self.size
            kind = "inquiry" if index else "opened"
            self.entries.append(
                an_entry(
                    kind,
                    number=index,
                    time=self.time_of(index),
                    slot=self.slot,
                    organisation=self.organisation,
                    private={"index": index},
                )
            )
        self.state = RightEdge().extend([entry.leaf_hash for entry in self.entries])

    def note(
        self,
        *,
        at: datetime | None = None,
        cosigners: Sequence[tuple[str, WitnessKey]] = (),
    ) -> str:
        moment = self.time_of(self.size - 1) if at is None else at
        checkpoint = Checkpoint(self.origin, self.size, self.state.root)
        note = sign_checkpoint(checkpoint, self.signer, time=int(moment.timestamp()))
        for name, key in cosigners:
            line = cosign(checkpoint, key, name=name, time=int(moment.timestamp()) + 1)
            note += line.text() + "\n"
        return note
