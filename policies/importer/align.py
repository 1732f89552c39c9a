"""Which procedure of one text is which of the next: an id of its own survives renumbering."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from difflib import SequenceMatcher
from typing import Final

from policies.importer.places import FoundProcedure
from policies.importer.report import Findings, Kind
from policies.importer.text import item_order, strip_brackets

LIKENESS_MIN: Final = 0.72

_CROSS_REFERENCE: Final = re.compile(r"第[一二三四五六七八九十百]+号")
_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class Track:
    """One procedure through the texts: its stretches in the order of time."""

    stretches: list[FoundProcedure] = field(default_factory=list)

    @property
    def begins(self) -> date:
        """Return its first day."""
        return self.stretches[0].paragraph.from_

    @property
    def ends(self) -> date | None:
        """Return its last day, None while it stands."""
        return self.stretches[-1].paragraph.to


def align(
    found: Iterable[FoundProcedure],
    reviewed: Mapping[tuple[str, date, str], bool],
    findings: Findings,
) -> tuple[Track, ...]:
    """Return the procedures through all texts; likenesses that a person should see are noted."""
    by_paragraph: dict[tuple[str, str], list[FoundProcedure]] = defaultdict(list)
    for procedure in found:
        paragraph = procedure.paragraph
        by_paragraph[paragraph.article, paragraph.paragraph].append(procedure)
    tracks: list[Track] = []
    for name in sorted(by_paragraph, key=lambda key: (item_order(key[0]), item_order(key[1]))):
        tracks.extend(_aligned(by_paragraph[name], reviewed, findings))
    return tuple(_moved(tracks))


def _aligned(
    found: Sequence[FoundProcedure],
    reviewed: Mapping[tuple[str, date, str], bool],
    findings: Findings,
) -> list[Track]:
    tracks: list[Track] = []
    days = sorted({procedure.paragraph.from_ for procedure in found})
    for day in days:
        fresh = [procedure for procedure in found if procedure.paragraph.from_ == day]
        waiting = [track for track in tracks if track.ends == day - _DAY]
        for same in (_same_text, _same_bare_text):
            waiting, fresh = _paired(waiting, fresh, same)
        fresh = _alike(waiting, fresh, reviewed, findings)
        tracks.extend(Track(stretches=[procedure]) for procedure in fresh)
    return tracks


def _paired(
    waiting: Sequence[Track],
    fresh: Sequence[FoundProcedure],
    same: Callable[[FoundProcedure, FoundProcedure], bool],
) -> tuple[list[Track], list[FoundProcedure]]:
    """Continue tracks by procedures that are the same; return what is left of both."""
    left = list(waiting)
    unpaired: list[FoundProcedure] = []
    for procedure in fresh:
        match = next((track for track in left if same(track.stretches[-1], procedure)), None)
        if match is None:
            unpaired.append(procedure)
        else:
            match.stretches.append(procedure)
            left.remove(match)
    return left, unpaired


def _alike(
    waiting: Sequence[Track],
    fresh: Sequence[FoundProcedure],
    reviewed: Mapping[tuple[str, date, str], bool],
    findings: Findings,
) -> list[FoundProcedure]:
    """Continue tracks by what is most like them, best first; what nobody reviewed is noted."""
    left, unpaired = list(waiting), list(fresh)
    scored = sorted(
        (
            (_likeness(track.stretches[-1], procedure), -at, -number)
            for at, track in enumerate(waiting)
            for number, procedure in enumerate(fresh)
        ),
        reverse=True,
    )
    for score, at, number in scored:
        track, procedure = waiting[-at], fresh[-number]
        if score < LIKENESS_MIN or track not in left or procedure not in unpaired:
            continue
        paragraph = procedure.paragraph
        verdict = reviewed.get((paragraph.article, paragraph.from_, procedure.item))
        if verdict is False:
            continue
        if verdict is None:
            place = f"{paragraph.place} 第{procedure.item}号"
            before = track.stretches[-1].item
            findings.add(Kind.ALIGNMENT_DOUBTFUL, place, f"was 第{before}号, {score:.2f} alike")
        track.stretches.append(procedure)
        left.remove(track)
        unpaired.remove(procedure)
    return unpaired


def _moved(tracks: Sequence[Track]) -> list[Track]:
    """Join a procedure that ended in one article to the same one that began in another next day."""
    joined: list[Track] = []
    for track in sorted(tracks, key=lambda found: found.begins):
        before = next(
            (
                other
                for other in joined
                if other.ends == track.begins - _DAY
                and _same_bare_text(other.stretches[-1], track.stretches[0])
            ),
            None,
        )
        if before is None:
            joined.append(track)
        else:
            before.stretches.extend(track.stretches)
    return joined


def _same_text(one: FoundProcedure, other: FoundProcedure) -> bool:
    return one.affair == other.affair


def _same_bare_text(one: FoundProcedure, other: FoundProcedure) -> bool:
    return _bare(one.affair) == _bare(other.affair)


def _bare(affair: str) -> str:
    return _CROSS_REFERENCE.sub("第〇号", strip_brackets(affair))


def _likeness(track: FoundProcedure, procedure: FoundProcedure) -> float:
    return SequenceMatcher(None, _bare(track.affair), _bare(procedure.affair)).ratio()
