"""`make damage`: write the set of damaged bundles, and let both verifiers name each.

Each case is a folder: README (what was done, what must be said), `bundle/`, `root.json`, and the
notes that a peer holds. The last line is {"cases", "named", "good_passed"}; the exit code is 0 if
every case was named by both and the good bundles (some of logs that lost records or erased a month)
passed both.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

from gateway.cli.bundles import opened_bundle
from tests.damage import (  # they declare themselves
    cases,  # noqa: F401
    erasure_cases,  # noqa: F401
    loss_cases,  # noqa: F401
    signed_cases,  # noqa: F401
    witness_cases,
)
from tests.damage import good as goods
from tests.damage.aged import Aged
from tests.damage.judges import UNREADABLE, Verdict, by_the_program, said_by_one_file
from tests.damage.kept import Case, all_cases
from tests.damage.lossy import AFTER, BEFORE, Lossy
from tests.tools.tree import ROOT

VERIFIER = ROOT / "gateway" / "records" / "standalone_verifier.py"


def main() -> int:
    """Make the set in the folder that is named, else in a new one."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(mkdtemp(prefix="sekisho-damage-"))
    good = goods.make()
    untouched = {
        "good": good.files(),
        "good-erased-month": Aged(good=good).files(),
        "good-two-witnesses": witness_cases.by_two(good),
        "good-before-a-loss": Lossy(good=good).files(BEFORE),
        "good-after-a-loss": Lossy(good=good).files(AFTER),
        "good-after-other-rows": Lossy(good=good, is_prefix=False).files(AFTER),
    }
    verdicts = [
        verdict
        for name, files in untouched.items()
        for verdict in _judged(
            target, Case(name=name, what="nothing", files=files, reason="none"), good
        )
    ]
    good_passed = all(not verdict.faults and verdict.complete for verdict in verdicts)
    count = named = 0
    for case in all_cases(good):
        count += 1
        is_named = all(
            verdict.names(slot=case.slot, index=case.index, reason=case.reason)
            for verdict in _judged(target, case, good)
        )
        named += is_named
        place = "" if case.slot is None else f"slot {case.slot}"
        place += "" if case.index is None else f", entry {case.index}"
        print(f"{'named ' if is_named else 'MISSED'} {case.name:30} {case.reason:20} {place}")
    print(target)
    print(json.dumps({"cases": count, "named": named, "good_passed": good_passed}))
    return 0 if named == count and good_passed else 1


def _judged(target: Path, case: Case, good: goods.Good) -> tuple[Verdict, Verdict]:
    """Write a case and return what the program and the one file say about what was written."""
    folder = target / case.name
    root, bundle = folder / "root.json", folder / "bundle"
    for name, content in case.files.items():
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_bytes(content)
    root.write_bytes(good.root)
    notes = [folder / f"peer-note-{n}.txt" for n in range(len(case.peer_notes))]
    for path, note in zip(notes, case.peer_notes, strict=True):
        path.write_text(note, encoding="utf-8")
    expected = f"{case.reason}, slot {case.slot}, entry {case.index}"
    readme = f"Damage: {case.what}.\nTo be said by both verifiers: {expected}.\n"
    (folder / "README").write_text(readme, encoding="utf-8")
    with opened_bundle(bundle) as files:
        by_program = by_the_program(files, root, case.peer_notes)
    command: list[str | Path] = [sys.executable, "-I", VERIFIER, bundle, "--root", root, "--json"]
    command += [word for path in notes for word in ("--peer-note", path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        return by_program, UNREADABLE
    return by_program, said_by_one_file(json.loads(done.stdout))


if __name__ == "__main__":
    sys.exit(main())
