"""`make fuzz`: every parser under coverage guidance, so many inputs over all of them.

Each parser runs in a process of its own under atheris, which watches what of our code an input
reaches and keeps what reaches more. The same seed begins the same. The last line is
{"inputs", "crashes", "acceptances", "short", "seed", "targets": {name: inputs}}; what was found
lies in the folder that is named. The exit code is 0 if nothing was, and no parser ran out of time
before it had its share (`short`).
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from tests.fuzz.targets import TARGETS

SHARES: Final = {
    "directory": 0.1,
    "held-peers": 0.1,
    "allow-list": 0.2,
    "key-set": 0.5,
    "root": 0.5,
    "settings": 0.5,
    "group": 0.5,
}
"""Those that take long for an input get a part of what others get."""
GRACE_S: Final = 60
TELL_EVERY: Final = 100


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What became of one parser's run."""

    name: str
    inputs: int
    wanted: int
    crashed: bool
    accepted: bool
    words: str

    @property
    def is_short(self) -> bool:
        """Whether it ran out of time; inputs are told by the hundred."""
        return not (self.crashed or self.accepted) and self.inputs + TELL_EVERY < self.wanted


def main() -> int:
    """Run all parsers, or those that are named."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=1800, help="at most so long a parser")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("names", nargs="*", choices=[[], *TARGETS])
    given = parser.parse_args()
    names = given.names or list(TARGETS)
    found = Path(mkdtemp(prefix="sekisho-fuzz-"))
    shares = {name: SHARES.get(name, 1.0) for name in names}
    each = given.inputs / sum(shares.values())

    def run(name: str) -> Ran:
        return _run(name, int(each * shares[name]) + 1, given.seed, given.seconds, found)

    runs = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for ran in pool.map(run, names):
            what = "CRASH" if ran.crashed else "ACCEPTED" if ran.accepted else "ok"
            what = "SHORT" if ran.is_short else what
            print(f"{ran.name:16} {ran.inputs:>9} {what}", flush=True)
            if ran.words:
                print(ran.words, flush=True)
            runs.append(ran)
    print(found)
    totals = {
        "inputs": sum(ran.inputs for ran in runs),
        "crashes": sum(ran.crashed for ran in runs),
        "acceptances": sum(ran.accepted for ran in runs),
        "short": sum(ran.is_short for ran in runs),
        "seed": given.seed,
        "targets": {ran.name: ran.inputs for ran in runs},
    }
    print(json.dumps(totals))
    return 1 if totals["crashes"] or totals["acceptances"] or totals["short"] else 0


def _run(name: str, inputs: int, seed: int, seconds: int, found: Path) -> Ran:
    corpus, counter = found / name, found / f"{name}.count"
    corpus.mkdir()
    command = [
        *(sys.executable, "-m", "tests.fuzz.one", name, str(counter), str(corpus)),
        *(f"-runs={inputs}", f"-seed={seed}", f"-max_total_time={seconds}", "-rss_limit_mb=0"),
        *(f"-artifact_prefix={found}/{name}-", "-verbosity=0"),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + GRACE_S,
        check=False,
    )
    count = int(counter.read_text() or 0) if counter.exists() else 0
    is_bad = done.returncode != 0
    accepted = is_bad and "AcceptedError" in done.stderr + done.stdout
    said = [line for line in (done.stdout + done.stderr).splitlines() if line[:5] != "INFO:"]
    words = "\n".join(said[-40:]) if is_bad else ""
    return Ran(
        name=name,
        inputs=count,
        wanted=inputs,
        crashed=is_bad and not accepted,
        accepted=accepted,
        words=words,
    )


if __name__ == "__main__":
    sys.exit(main())
