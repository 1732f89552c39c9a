"""`sekisho records verify`: what an auditor gives it, and how it ends."""

import json
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from codes.canonical import b64, instant
from gateway.cli.main import call
from gateway.cli.output import ExitCode
from gateway.cli.records import app
from tests.damage import good as goods
from tests.damage.lossy import AFTER, IN_IT, Lossy
from tests.unit.records.directories import Versions, versions

WITNESS = "testnet/core/witness"
OTHER = "testnet/union/witness"


@cache
def the_good() -> goods.Good:
    return goods.make()


@cache
def kept() -> Versions:
    return versions(the_good)


def written(files: Mapping[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    bundle = written(the_good().files(), tmp_path / "bundle")
    root = tmp_path / "root.json"
    root.write_bytes(the_good().root)
    return ["verify", str(bundle), "--root", str(root), "--json"]


def test_a_good_bundle_ends_with_done_and_says_what_is_proved(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(app, arguments) == ExitCode.DONE
    shown = json.loads(capsys.readouterr().out)

    assert (shown["verified"], shown["complete"], shown["faults"]) == (True, "proved", [])
    assert shown["slots"][0]["cosigned_size"] == 30
    assert shown["slots"][0]["cosigned_at"] == int(goods.at(29).timestamp()) + 1

    assert call(app, arguments[:-1]) == ExitCode.DONE
    assert "complete: proved" in capsys.readouterr().out


def test_lost_records_are_named_with_the_entry_that_tells_of_them(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "bundle")
    written(Lossy(good=the_good()).files(IN_IT), tmp_path / "bundle")
    assert call(app, [*arguments[:-1], "--allow-unproved"]) == ExitCode.FAILED
    said = capsys.readouterr()
    told = "entries 15 to 17 lost, told by entry 16 of slot 0"
    assert f"slot 1: {told}" in said.out
    assert "first bad: slot 1, entry 15: lost" in said.err

    written(Lossy(good=the_good()).files(AFTER), tmp_path / "bundle")
    assert call(app, arguments) == ExitCode.DONE
    shown = json.loads(capsys.readouterr().out)
    assert [slot["lost"] for slot in shown["slots"][:2]] == [
        None,
        {"first": 15, "end": 18, "told": [0, 16]},
    ]


def test_unproved_fails_unless_allowed_and_a_fault_fails_always(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    strange = ["--witness-key", f"{OTHER}={b64(bytes(1312))}"]
    assert call(app, [*arguments, *strange]) == ExitCode.FAILED
    assert json.loads(capsys.readouterr().out)["complete"] == "unproved"
    assert call(app, [*arguments, *strange, "--allow-unproved"]) == ExitCode.DONE

    (tmp_path / "bundle" / "slots" / "0.leaves").write_bytes(bytes(32 * 12))
    assert call(app, [*arguments, "--allow-unproved"]) == ExitCode.FAILED


def test_a_note_that_a_peer_holds_stands_for_its_slot(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    note = tmp_path / "note"
    note.write_text(the_good().logs[0].note(30, cosigners=[]))
    strange = ["--witness-key", f"{OTHER}={b64(bytes(1312))}"]

    assert call(app, [*arguments, *strange, "--peer-note", str(note)]) == ExitCode.FAILED
    slots = json.loads(capsys.readouterr().out)["slots"]
    assert [slot["complete"] for slot in slots[:2]] == ["proved", "unproved"]


def test_the_auditor_may_ask_about_another_period(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    later = instant(goods.at(40))

    assert call(app, [*arguments, "--ends", later]) == ExitCode.FAILED
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert {fault["reason"] for fault in faults} == {"truncated"}
    assert call(app, [*arguments, "--begins", instant(goods.STARTS)]) == ExitCode.FAILED
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert {fault["reason"] for fault in faults} == {"begins-late"}


def test_a_witness_key_given_by_hand_outranks_the_directorys(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    right = b64(the_good().network.keys("core").witness.public.mldsa44)
    wrong = b64(the_good().network.keys("union").witness.public.mldsa44)

    assert call(app, [*arguments, "--witness-key", f"{WITNESS}={right}"]) == ExitCode.DONE
    capsys.readouterr()
    assert call(app, [*arguments, "--witness-key", f"{WITNESS}={wrong}"]) == ExitCode.FAILED
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert "bad-cosignature" in {fault["reason"] for fault in faults}


def test_a_witness_key_that_is_none_is_wrong_usage(arguments: list[str]) -> None:
    assert call(app, [*arguments, "--witness-key", f"{WITNESS}=AAAA"]) == ExitCode.USAGE


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("first", "renewed"), None),
        (("first", "under_new_root"), None),
        (("first", "other_first"), "directory-fork"),
        (("first", "re_enrolled"), "re-enrolled"),
        ((), "no-directory"),
    ],
    ids=str,
)
def test_a_history_of_directories_must_not_contradict_itself(
    arguments: list[str],
    names: tuple[str, ...],
    said: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = written({f"{name}.json": getattr(kept(), name) for name in names}, tmp_path / "kept")
    folder.mkdir(exist_ok=True)

    code = call(app, [*arguments, "--history", str(folder)])

    assert code == (ExitCode.DONE if said is None else ExitCode.FAILED)
    assert said is None or said in capsys.readouterr().err
