"""Which mark of 法23② stands for an exchange: what was recorded, and what was set or lifted later.

Pure. A party's entries of one exchange repeat its mark, and its corrections change it for all of
them. Where two say different things at one time, the stricter one counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.records.corrections import INQUIRERS_MARK, PROVIDERS_MARK
from gateway.records.kinds import Correction, Provision, Public
from policies.release import Flag

MARKS: Final = (INQUIRERS_MARK, PROVIDERS_MARK)
_FLAGS: Final = "flags"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkSaid:
    """A mark and when it was said (an instant as entries write it, so that texts compare)."""

    time: str
    mark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCorrection:
    """One correction of ours with what it says; `time` is that of its entry."""

    entry_id: str
    corrected_id: str
    permit_id: str | None
    time: str
    members: Mapping[str, object] = field(repr=False)

    def mark(self, name: str) -> tuple[MarkSaid, ...]:
        """Return what it says of a mark, if it does."""
        mark = self.members.get(name)
        return (MarkSaid(time=self.time, mark=mark),) if isinstance(mark, int) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersCorrection:
    """One correction that another party told us of; `entry_id` is our entry about it.

    What it says stays with them, but for their own mark.
    """

    entry_id: str
    party: str
    permit_id: str
    time: str
    """When they corrected."""
    non_disclosure: int | None

    def mark(self) -> tuple[MarkSaid, ...]:
        """Return their mark, if they changed it."""
        if self.non_disclosure is None:
            return ()
        return (MarkSaid(time=self.time, mark=self.non_disclosure),)


def mark_said(
    public: Public, private: Mapping[str, object] | None, name: str
) -> tuple[MarkSaid, ...]:
    """Return what one of our entries says of a mark; nothing where it does not show it.

    A correction shows its maker's, which is either: what it changed stands in its private part. A
    withheld answer shows none on the wire, since that would tell why it is held; the flag that
    would have set it stands in the private part.
    """
    if isinstance(public, Correction):
        return ()
    mark: int | None = getattr(public, name, None)
    if name == PROVIDERS_MARK and isinstance(public, Provision) and private is not None:
        flags = private.get(_FLAGS)
        if isinstance(flags, list) and Flag.RECORD_NOT_DISCLOSED.value in flags:
            mark = 1
    return () if mark is None else (MarkSaid(time=public.time, mark=mark),)


def standing_mark(said: Iterable[MarkSaid], corrected: Iterable[MarkSaid]) -> int:
    """Return the mark that stands: the last correction's, or a later entry's if that is stricter.

    Without a correction it is the strictest of all entries.
    """
    corrections = list(corrected)
    last = max((one.time for one in corrections), default="")
    marks = [one.mark for one in corrections if one.time == last]
    marks += [one.mark for one in said if one.time > last]
    return max(marks, default=0)
