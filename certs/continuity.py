"""What may change from one directory to the next (PROTOCOL §1), finding by finding."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from certs.directory import Directory
from certs.errors import DirectoryError
from certs.held_peers import HeldPeer
from certs.organisations import WITHDRAWN, Organisation


class Change(StrEnum):
    """How the next directory differs; stable slugs."""

    ROLLBACK = "rollback"
    EQUIVOCATION = "equivocation"
    ANOTHER_NETWORK = "another-network"
    ISSUED_BEFORE = "issued-before-the-last"
    ROOT_ROLLBACK = "root-rollback"
    DIRECTORY_KEY_ROLLBACK = "directory-key-rollback"
    ALLOW_LIST_ROLLBACK = "allow-list-rollback"
    ALLOW_LIST_CHANGED_IN_PLACE = "allow-list-changed-in-place"
    SUITE_LOWERED = "minimum-suite-lowered"
    ORGANISATION_DROPPED = "organisation-dropped"
    RE_ENROLLED = "re-enrolled"
    SLOTS_DROPPED = "slots-dropped"
    RETURNED = "returned-after-withdrawal"
    ORGANISATION_ADDED = "organisation-added"
    ORGANISATION_WITHDRAWN = "organisation-withdrawn"
    KEY_SET_ADDED = "key-set-added"
    ENDPOINT_MOVED = "endpoint-moved"
    BODIES_CHANGED = "bodies-changed"
    WITNESSES_CHANGED = "witnesses-changed"
    SLOTS_ADDED = "slots-added"
    LAW_DAY_MOVED = "law-day-moved"
    ALLOW_LIST_CHANGED = "allow-list-changed"


REFUSED: Final = frozenset(
    {
        Change.ROLLBACK,
        Change.EQUIVOCATION,
        Change.ANOTHER_NETWORK,
        Change.ISSUED_BEFORE,
        Change.ROOT_ROLLBACK,
        Change.DIRECTORY_KEY_ROLLBACK,
        Change.ALLOW_LIST_ROLLBACK,
        Change.ALLOW_LIST_CHANGED_IN_PLACE,
        Change.SUITE_LOWERED,
        Change.ORGANISATION_DROPPED,
        Change.RE_ENROLLED,
        Change.SLOTS_DROPPED,
        Change.RETURNED,
    }
)
"""Changes that nobody follows; all others are ordinary life."""
BREAKS: Final = frozenset({Change.RE_ENROLLED, Change.RETURNED})
"""Of those the ones that concern a single organisation's keys: see `certs.held_peers`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference between two directories, of one organisation or of the whole."""

    change: Change
    organisation: str | None = None

    @property
    def is_refused(self) -> bool:
        """Whether this change breaks continuity."""
        return self.change in REFUSED


def continuity(previous: Directory, following: Directory) -> list[Finding]:
    """Return every difference that matters, refused ones first."""
    findings = [Finding(change=change) for change in _whole(previous, following)]
    for name in sorted(previous.organisations.keys() | following.organisations.keys()):
        before, after = previous.organisations.get(name), following.organisations.get(name)
        findings += [Finding(change=c, organisation=name) for c in _of_one(before, after)]
    return sorted(findings, key=lambda finding: not finding.is_refused)


def require_continuity(
    previous: Directory, following: Directory, *, broken: Collection[str] = ()
) -> list[Finding]:
    """Return the findings if none is refused, else raise `DirectoryError` with the first's slug.

    `broken` names organisations whose break in the chain of keys the caller deals with itself.
    """
    findings = continuity(previous, following)
    for finding in findings:
        is_dealt_with = finding.change in BREAKS and finding.organisation in broken
        if finding.is_refused and not is_dealt_with:
            raise DirectoryError(finding.change.value, finding.organisation or "directory")
    return findings


def broken_chains(previous: Directory, following: Directory) -> dict[str, HeldPeer]:
    """Return every organisation of both whose keys do not continue those seen before."""
    both = previous.organisations.keys() & following.organisations.keys()
    held = (
        HeldPeer.of(previous.organisations[name], following.organisations[name]) for name in both
    )
    return {peer.organisation: peer for peer in held if peer is not None}


def _whole(previous: Directory, following: Directory) -> Iterable[Change]:
    if following.network != previous.network:
        yield Change.ANOTHER_NETWORK
    if following.version < previous.version:
        yield Change.ROLLBACK
    if following.version == previous.version and following.digest != previous.digest:
        yield Change.EQUIVOCATION
    if following.issued < previous.issued:
        yield Change.ISSUED_BEFORE
    if following.root.version < previous.root.version:
        yield Change.ROOT_ROLLBACK
    if following.directory_key.version < previous.directory_key.version:
        yield Change.DIRECTORY_KEY_ROLLBACK
    yield from _of_law(previous, following)


def _of_law(previous: Directory, following: Directory) -> Iterable[Change]:
    if following.allow_list_version < previous.allow_list_version:
        yield Change.ALLOW_LIST_ROLLBACK
    elif following.allow_list_version > previous.allow_list_version:
        yield Change.ALLOW_LIST_CHANGED
    elif following.allow_list_digest != previous.allow_list_digest:
        yield Change.ALLOW_LIST_CHANGED_IN_PLACE
    if following.law_day != previous.law_day:
        yield Change.LAW_DAY_MOVED
    if following.suite_rank < previous.suite_rank:
        yield Change.SUITE_LOWERED


def _of_one(before: Organisation | None, after: Organisation | None) -> Iterable[Change]:
    if before is None:
        yield Change.ORGANISATION_ADDED
        return
    if after is None:
        # A withdrawn organisation stays listed: its old signatures still have to verify.
        yield Change.ORGANISATION_DROPPED
        return
    yield from _of_keys(before, after)
    if after.slots != before.slots:
        yield Change.SLOTS_ADDED if after.slots > before.slots else Change.SLOTS_DROPPED
    if after.endpoints != before.endpoints:
        yield Change.ENDPOINT_MOVED
    if after.bodies != before.bodies:
        yield Change.BODIES_CHANGED
    if after.witnesses != before.witnesses:
        yield Change.WITNESSES_CHANGED


def _of_keys(before: Organisation, after: Organisation) -> Iterable[Change]:
    old = [key_set.digest for key_set in before.key_sets]
    new = [key_set.digest for key_set in after.key_sets]
    if new[: len(old)] != old:
        # The chain within one directory holds; against what was seen before it does not.
        yield Change.RE_ENROLLED
    elif len(new) > len(old):
        yield Change.KEY_SET_ADDED
    if before.status != after.status:
        withdrawn = after.status == WITHDRAWN
        yield Change.ORGANISATION_WITHDRAWN if withdrawn else Change.RETURNED
