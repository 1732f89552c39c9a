"""Peers whose chain of key sets broke: under the keys they had before, until somebody looks.

A directory that lists other key sets than were seen before, or an organisation again that had
withdrawn, may be a re-enrolment after a fire, or a core that lists its own keys as somebody's.
Nothing in the directory tells the two apart, so people do (PROTOCOL §1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from certs.errors import DirectoryError
from certs.keysets import KEY_SETS_MAX, KeySet, read_chain
from certs.members import read_list, read_members, read_name, read_text
from certs.names import DIGEST, NAME
from certs.organisations import STATUSES, WITHDRAWN, Organisation
from codes.canonical import canonical_json, parse_canonical
from codes.errors import CodesError

HELD_BYTES_MAX: Final = 64 * 1024 * 1024
HELD_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPeer:
    """The keys a peer had before its chain broke, and what the directory now claims of it."""

    organisation: str
    status: str
    key_sets: tuple[KeySet, ...] = field(repr=False)
    documents: tuple[object, ...] = field(repr=False, compare=False)
    claimed: str | None
    """Digest of the first key set that does not continue what was seen; what is to be confirmed.

    None if key sets were only left out: that is no enrolment, and nothing to confirm.
    """

    @classmethod
    def of(cls, before: Organisation, after: Organisation) -> Self | None:
        """Return what is held of a peer, none if what it lists now continues what was seen."""
        old = [key_set.digest for key_set in before.key_sets]
        new = [key_set.digest for key_set in after.key_sets]
        has_returned = before.status == WITHDRAWN != after.status
        if new[: len(old)] == old and not has_returned:
            return None
        other = [listed for known, listed in zip(old, new, strict=False) if known != listed]
        left_out = None if len(new) < len(old) else new[-1]
        return cls(
            organisation=before.name,
            status=before.status,
            key_sets=before.key_sets,
            documents=before.key_set_documents,
            claimed=other[0] if other else left_out,
        )

    def shown_in(self, listed: Organisation) -> Organisation:
        """Return the peer as a directory lists it, but under the keys it had before."""
        return replace(
            listed,
            status=self.status,
            key_sets=self.key_sets,
            key_set_documents=self.documents,
        )

    def to_json(self) -> dict[str, object]:
        """Return the peer as JSON members."""
        members: dict[str, object] = {
            "organisation": self.organisation,
            "status": self.status,
            "key_sets": list(self.documents),
        }
        return members if self.claimed is None else {**members, "claimed": self.claimed}

    @classmethod
    def from_json(cls, value: object, *, network: str) -> Self:
        """Return the peer written by `to_json`, its chain verified, or raise a `CertsError`."""
        members = read_members(
            value,
            required={"organisation", "status", "key_sets"},
            optional={"claimed"},
            where="held peer",
        )
        organisation = read_name(members, "organisation", NAME)
        documents = read_list(members, "key_sets", longest=KEY_SETS_MAX)
        status = read_text(members, "status")
        if status not in STATUSES:
            raise DirectoryError("unknown-status", "held peer")
        return cls(
            organisation=organisation,
            status=status,
            key_sets=read_chain(documents, network=network, organisation=organisation),
            documents=tuple(documents),
            claimed=read_name(members, "claimed", DIGEST) if "claimed" in members else None,
        )


def write_held(held: Mapping[str, HeldPeer]) -> bytes:
    """Return held peers as one document."""
    peers = [held[name].to_json() for name in sorted(held)]
    return canonical_json({"peers": peers}, bytes_max=HELD_BYTES_MAX)


def read_held(raw: bytes, *, network: str) -> dict[str, HeldPeer]:
    """Return the peers written by `write_held`, or raise a `CertsError`."""
    try:
        value = parse_canonical(raw, bytes_max=HELD_BYTES_MAX)
    except CodesError as error:
        raise DirectoryError(error.reason, "held peers") from error
    members = read_members(value, required={"peers"}, where="held peers")
    peers = [
        HeldPeer.from_json(part, network=network)
        for part in read_list(members, "peers", longest=HELD_MAX)
    ]
    names = [peer.organisation for peer in peers]
    if names != sorted(set(names)):
        raise DirectoryError("peers-order", "held peers: once each, by name")
    return {peer.organisation: peer for peer in peers}
