"""Residents who are plainly nobody: made from one seed, with numbers that pass every check.

Everybody of a run has the same numbers as in every other run. Each organisation knows a person
under a unified number of its own.
"""

import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from codes.numbers import MyNumber, ResidentCode, UnifiedNumber, my_number_check_digit
from gateway.demo import cast

RESIDENTS: Final = 1_000
SEED: Final = 117
_LEAD: Final = "99"
_FREE_DIGITS: Final = 9
_MINORITIES: Final = {cast.GUNMA_UNION: 100, cast.DIGITAL_AGENCY: 100, cast.IMMIGRATION: 40}
"""How many of the first residents each organisation has a code for; 長岡市 has one for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One synthetic person; `rank` counts from 1 and stands for a name."""

    rank: int
    my_number: MyNumber = field(repr=False)
    code: ResidentCode = field(repr=False)

    @property
    def name(self) -> str:
        """Return what the story calls the person."""
        return f"合成住民{self.rank:04d}"

    def unified(self, organisation: str) -> UnifiedNumber:
        """Return the number under which an organisation's back offices know the person."""
        place = sum(organisation.encode()) % 1_000
        return UnifiedNumber.parse(f"{_LEAD}{place:03d}{self.rank:010d}")


def residents(count: int = RESIDENTS) -> list[Resident]:
    """Return this many residents, always the same ones."""
    chance = random.Random(SEED)  # noqa: S311 - synthetic people, nothing secret
    digits = chance.sample(range(10**_FREE_DIGITS), 2 * count)
    return [
        Resident(rank=rank, my_number=_my_number(mine), code=_resident_code(theirs))
        for rank, (mine, theirs) in enumerate(zip(digits[::2], digits[1::2], strict=True), 1)
    ]


def known_to(organisation: str, people: Sequence[Resident]) -> Sequence[Resident]:
    """Return whom an organisation acquires codes for."""
    return people[: _MINORITIES.get(organisation, len(people))]


def write_resident_file(path: Path, people: Iterable[Resident]) -> None:
    """Write the resident network's own file, the only place where both numbers meet."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("my_number", "resident_code"))
        lines.writerows((person.my_number.text, person.code.text) for person in people)


def _my_number(drawn: int) -> MyNumber:
    eleven = f"{_LEAD}{drawn:0{_FREE_DIGITS}d}"
    return MyNumber.parse(eleven + my_number_check_digit(eleven))


def _resident_code(drawn: int) -> ResidentCode:
    return ResidentCode.parse(f"{_LEAD}{drawn:0{_FREE_DIGITS}d}")
