"""What a soak says: lines while it runs, at last one JSON object."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.bench.machine import CpuTime, cpu_of
from gateway.demo.processes import tree
from tests.soak.ground import Ground
from tests.soak.rounds import Round

_MB: Final = 1024
_POSTGRES: Final = "postgres"


@dataclass(slots=True, kw_only=True)
class Report:
    """The counts of a run, and how CPU and memory went."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    lost: set[str] = field(default_factory=set)
    forks: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)
    """What is found again in the next round is the same finding."""
    reconciled: int = 0
    _cpu: Mapping[str, CpuTime] = field(default_factory=dict)

    def lines(self, played: Round, ground: Ground) -> list[str]:
        """Take a round in, and return what to say of it."""
        verdict = played.verdict
        self.rounds += 1
        self.kills += played.kills
        self.acknowledged += played.acknowledged
        self.lost.update(verdict.lost)
        self.forks.update(verdict.forks)
        self.doubled.update(verdict.doubled)
        self.unfinished.update(verdict.unfinished)
        self.reconciled += played.is_reconciled
        head = (
            f"round {played.number}: {', '.join(map(str, played.faults))} |"
            f" acknowledged {played.acknowledged} ({self.acknowledged}) |"
            f" recovered in {played.recovery_s:.1f} s, silent {played.silence_s:.1f} s,"
            f" quiet after {played.settled_s:.1f} s | lost {len(verdict.lost)}"
            f" forks {len(verdict.forks)} doubled {len(verdict.doubled)}"
            f" unfinished {len(verdict.unfinished)}"
            f" {'agreed' if played.is_reconciled else 'NOT AGREED'}"
            f" (mended {played.mended}, fetched {verdict.fetched})"
        )
        return [
            head,
            self._machine(ground),
            *_findings(verdict.lost, "lost"),
            *_findings(verdict.forks, "fork"),
            *_findings(verdict.doubled, "doubled"),
            *_findings(verdict.unfinished, "unfinished"),
            *_findings(verdict.differences, "differs"),
        ]

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, forked, doubled or left unfinished, and all agreed."""
        bad = self.lost | self.forks | self.doubled | self.unfinished
        return self.rounds > 0 and not bad and self.reconciled == self.rounds

    def last_line(self) -> str:
        """Return the run as one JSON object."""
        return json.dumps(
            {
                "rounds": self.rounds,
                "kills": self.kills.total(),
                "acknowledged": self.acknowledged,
                "lost": len(self.lost),
                "forks": len(self.forks),
                "doubled": len(self.doubled),
                "unfinished": len(self.unfinished),
                "reconciled": self.reconciled,
            }
        )

    def _machine(self, ground: Ground) -> str:
        """Return the CPU used in a round and the memory held at its end, by party.

        Memory is proportional (PSS): Python's, and PostgreSQL's with its shared buffers.
        """
        cpu = cpu_of({name: running.pid for name, running in ground.parties.running.items()})
        told = []
        for name, used in cpu.items():
            new_s = _since(used, self._cpu.get(name))
            python, postgres = _memory_mb(tree([ground.party(name).pid]))
            told.append(f"{name} {new_s:.1f} s CPU {python:.0f}+{postgres:.0f} MB")
        self._cpu = cpu
        return f"    {'; '.join(told)}"


def _since(used: CpuTime, before: CpuTime | None) -> float:
    """Return the CPU seconds used since; what was killed meanwhile began to count anew."""
    if before is None:
        return used.total_s
    pairs = ((used.python_s, before.python_s), (used.postgres_s, before.postgres_s))
    return sum(now - then if now >= then else now for now, then in pairs)


def _findings(found: Sequence[str], name: str) -> list[str]:
    return [f"    {name}: {one}" for one in found]


def _memory_mb(pids: Sequence[int]) -> tuple[float, float]:
    """Return what the processes hold that are Python's, and what those of PostgreSQL do."""
    held = {True: 0, False: 0}
    for pid in pids:
        with suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
            pss = next(line for line in text.splitlines() if line.startswith("Pss:"))
            held[name.startswith(_POSTGRES)] += int(pss.split()[1])
    return held[False] / _MB, held[True] / _MB
