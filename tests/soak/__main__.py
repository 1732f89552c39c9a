"""`make soak`: processes killed and lines broken at random, and everything judged, round by round.

The same seed draws the same faults. The last line is {"rounds", "kills", "acknowledged", "lost",
"forks", "doubled", "unfinished", "reconciled"}; the exit code is 0 if nothing was lost, forked,
doubled or left unfinished, and the parties agreed after every round.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import replace
from typing import Final

from tests.soak.evidence import Books
from tests.soak.exports import unverified
from tests.soak.ground import laid
from tests.soak.report import Report
from tests.soak.rounds import Shape, Soak

LONG: Final = Shape(seconds=15.0, faults=4, askers=8, held=3, settle_s=90.0)
PATIENT: Final = replace(LONG, is_hurried=False, settle_s=240.0)
"""In every so many rounds nobody's lease is ended for them."""
PATIENT_EVERY: Final = 6
PEOPLE: Final = 100
APPROVERS: Final = 8
WORKERS: Final = 2


async def soak(minutes: float, seed: int, first: int) -> Report:
    """Play rounds until the time is up; the one that is played is played to its end."""
    until = time.monotonic() + 60 * minutes
    report, number = Report(), first
    async with laid(people=PEOPLE, approvers=APPROVERS, workers=WORKERS) as ground:
        running = Soak(ground=ground, books=Books(ground=ground), seed=seed)
        while number == first or time.monotonic() < until:
            played = await running.round(number, LONG if number % PATIENT_EVERY else PATIENT)
            print(*report.lines(played, ground), sep="\n", flush=True)
            number += 1
        for words in await unverified(ground):
            print(f"    does not verify: {words}", flush=True)
            report.lost.add(words)
    return report


def main() -> int:
    """Run for as long as it was said."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first round")
    given = parser.parse_args()
    report = asyncio.run(soak(given.minutes, given.seed, given.first))
    print(report.last_line(), flush=True)
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
