"""What the machine did and can do: CPU of process trees, a loop to compare, the disk sync."""

import hashlib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.demo.processes import tree

POSTGRES: Final = "postgres"
PYTHON: Final = "python"
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_CALIBRATION_ROUNDS: Final = 20_000
_SYNCS: Final = 50
_BLOCK: Final = b"\0" * 4096
# Fields of /proc/<pid>/stat after the name: own time and that of children waited for.
_CPU_FIELDS: Final = slice(11, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTime:
    """CPU seconds of one instance since its processes began."""

    python_s: float
    postgres_s: float

    @property
    def total_s(self) -> float:
        """Return both together."""
        return self.python_s + self.postgres_s

    def since(self, before: "CpuTime") -> "CpuTime":
        """Return what was used after `before` was taken."""
        return CpuTime(
            python_s=self.python_s - before.python_s,
            postgres_s=self.postgres_s - before.postgres_s,
        )

    def plus(self, other: "CpuTime") -> "CpuTime":
        """Return both added up."""
        return CpuTime(
            python_s=self.python_s + other.python_s,
            postgres_s=self.postgres_s + other.postgres_s,
        )


def cpu_of(pids: Mapping[str, int]) -> dict[str, CpuTime]:
    """Return the CPU time of each name's process and of everything that came from it."""
    return {name: _cpu_of_tree(tree([pid])) for name, pid in pids.items()}


def calibration_ms() -> float:
    """Return the thread time of a fixed loop: how fast one core is just now."""
    began = time.thread_time()
    digest = b""
    for _ in range(_CALIBRATION_ROUNDS):
        digest = hashlib.sha256(digest).digest()
    return (time.thread_time() - began) * 1000


def fdatasync_ms(folder: Path) -> float:
    """Return the median time until a block written to a file in this folder is on the disk."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            file.write(_BLOCK)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return percentile(sorted(taken), 50) * 1000


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of these, in ascending order, do not exceed; 0 of none."""
    if not ordered:
        return 0.0
    place = min(len(ordered) - 1, int(len(ordered) * percent / 100))
    return ordered[place]


def _cpu_of_tree(pids: Sequence[int]) -> CpuTime:
    used = {PYTHON: 0.0, POSTGRES: 0.0}
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # ended; its parent has waited for it and counts it
        name, _, rest = text.rpartition(")")
        kind = POSTGRES if name.partition("(")[2].startswith(POSTGRES) else PYTHON
        used[kind] += sum(map(int, rest.split()[_CPU_FIELDS])) / _TICKS_PER_S
    return CpuTime(python_s=used[PYTHON], postgres_s=used[POSTGRES])
