"""What a term is: how long one kind of data is kept, from when, why, and who ends it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from gateway.storage.retention import Rows

OFTEN: Final = timedelta(seconds=15)
MINUTE: Final = timedelta(minutes=1)
TEN_MINUTES: Final = timedelta(minutes=10)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
AT_ONCE: Final = timedelta(0)


class Ender(StrEnum):
    """Who ends what a term is about."""

    JOB = "the retention job deletes the rows"
    FLOW = "the retention job, with an entry or by a rule of its own"
    DAYS = "the retention job drops the day"
    FILES = "the retention job removes the files"
    PEOPLE = "two people, then the retention job"
    OWNER = "whoever keeps it: it lives as long as what it stands for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """How long one kind of data is kept: what is counted, from when, on which ground.

    `rows` counts what is due (and is what the job deletes where `ender` says so); a row is due
    `after` its start. `days` names the tables cut by day.
    """

    name: str
    what: str
    tables: tuple[str, ...]
    kept: str
    ground: str
    ender: Ender
    every: timedelta = TEN_MINUTES
    rows: tuple[Rows, ...] = ()
    after: timedelta = AT_ONCE
    days: tuple[str, ...] = ()
