"""What an offline verifier found: faults, each with the slot and the first bad index."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong; `reason` is a stable slug, `detail` is for people.

    Reasons: bad-bundle, missing-slot; entry-changed, entry-missing, entry-inserted,
    entries-reordered, truncated, rewritten, leaf-changed, unsigned, no-checkpoint, fork;
    wrong-organisation, wrong-slot, not-opened, time-decreases, back-dated, begins-late; lost,
    loss-unproved; private-mismatch; bad-cosignature, no-log-keys; and those of `parse_entry`,
    `parse_note` and `verify_checkpoint`.
    """

    slot: int
    index: int | None
    reason: str
    detail: str = ""
