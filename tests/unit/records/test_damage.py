"""Every kind of damage is named by both verifiers, and the good bundle passes both."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from gateway.records import standalone_verifier
from tests.damage import (  # they declare themselves
    cases,  # noqa: F401
    erasure_cases,  # noqa: F401
    loss_cases,  # noqa: F401
    signed_cases,  # noqa: F401
    witness_cases,
)
from tests.damage import good as goods
from tests.damage.aged import Aged
from tests.damage.judges import Verdict, by_one_file, by_the_program, report_of_one_file
from tests.damage.kept import NAMES, Case, all_cases
from tests.damage.lossy import AFTER, BEFORE, KNOWN, LEFT, LOST, SEEN, TOLD, Lossy, Minutes


@cache
def the_good() -> goods.Good:
    return goods.make()


@cache
def the_cases() -> dict[str, Case]:
    return {case.name: case for case in all_cases(the_good())}


def root() -> Path:
    return the_good().network.path / "root" / "root.json"


def test_the_good_bundle_passes_both() -> None:
    files = the_good().files()

    assert by_the_program(files, root()) == Verdict((), complete=True)
    assert by_one_file(files, root()) == Verdict((), complete=True)


def test_an_erased_month_is_ground_for_beginning_late_and_for_an_empty_slot() -> None:
    files = Aged(good=the_good()).files()

    assert by_the_program(files, root()) == Verdict((), complete=True)
    assert by_one_file(files, root()) == Verdict((), complete=True)


@pytest.mark.parametrize("minutes", [BEFORE, AFTER], ids=["before", "after"])
@pytest.mark.parametrize("is_prefix", [True, False], ids=["beginning", "other-rows"])
def test_periods_without_a_loss_are_complete_and_say_where_it_was(
    minutes: Minutes, *, is_prefix: bool
) -> None:
    files = Lossy(good=the_good(), is_prefix=is_prefix).files(minutes)

    assert by_the_program(files, root()) == Verdict((), complete=True)
    said = report_of_one_file(files, root())
    assert (said["faults"], said["complete"]) == ([], "proved")
    left = LEFT if is_prefix else SEEN
    assert [slot["lost"] for slot in said["slots"] if slot["lost"]] == [
        {"first": left, "end": KNOWN, "told": [0, TOLD]}
    ]
    assert said["slots"][LOST]["lost"] is not None


def test_more_than_half_of_the_witnesses_signed_trees_of_their_own_sizes() -> None:
    files = witness_cases.by_two(the_good())

    assert by_the_program(files, root()) == Verdict((), complete=True)
    assert by_one_file(files, root()) == Verdict((), complete=True)


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_named_by_both_alike(name: str) -> None:
    case = the_cases()[name]

    by_program = by_the_program(case.files, root(), case.peer_notes)
    by_file = by_one_file(case.files, root(), case.peer_notes)

    assert by_program.names(slot=case.slot, index=case.index, reason=case.reason)
    assert by_file == by_program


def written(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_one_file_works_alone_in_an_empty_folder(tmp_path: Path) -> None:
    assert standalone_verifier.__file__ is not None
    program = shutil.copy(standalone_verifier.__file__, tmp_path / "verifier.py")
    bundle = written(dict(the_good().files()), tmp_path / "bundle")

    def run(*words: str | Path) -> tuple[int, dict[str, object]]:
        command = [sys.executable, "-I", program, bundle, "--root", root(), "--json", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    code, report = run()
    assert (code, report["verified"], report["complete"]) == (0, True, "proved")
    written(dict(the_cases()["stripped-witness"].files), bundle)
    code, report = run()
    assert (code, report["verified"], report["complete"]) == (1, False, "unproved")
    code, report = run("--allow-unproved")
    assert (code, report["verified"], report["complete"]) == (0, True, "unproved")
    written(dict(the_cases()["flip"].files), bundle)
    code, report = run("--allow-unproved")
    assert (code, report["verified"]) == (1, False)


def test_a_checkpoint_of_the_empty_tree_is_of_every_tree() -> None:
    log = replace(the_good().logs[0], sizes=(0, 30))

    files = the_good().files(log.export())

    assert by_the_program(files, root()) == Verdict((), complete=True)
    assert by_one_file(files, root()) == Verdict((), complete=True)
