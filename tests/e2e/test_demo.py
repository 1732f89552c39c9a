"""`sekisho demo`: one command, a whole network, seven steps, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.processes import tree

COMMAND = (sys.executable, "-I", "-m", "gateway", "demo")
OUTCOMES = {
    "1-narrowed": ("provided", "narrowed"),
    "1-outside-the-scope": ("refused", "information-not-in-procedure"),
    "2-account": ("provided", None),
    "3-outside-the-row": ("refused", "information-not-in-row"),
    "3-old-table": ("refused", "wrong-provider"),
    "4-day-before": ("refused", "not-yet-in-force"),
    "4-first-day": ("provided", None),
    "5-withheld": ("withheld", None),
    "5-one-approval": ("withheld", None),
    "5-two-approvals": ("delivered", None),
    "6-captured-permit": ("refused", "wrong-organisation"),
    "6-lost-answer": ("same-bytes", None),
    "7-reconcile": ("agreed", None),
    "7-changed-byte": ("found", "entry-changed"),
    "7-untouched": ("verified", None),
}
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def played(quick_folder: Path) -> dict[str, Any]:
    """The document of one run, and what it left where it worked."""
    done = subprocess.run(
        [*COMMAND, "--json"],
        capture_output=True,
        env=os.environ | {"TMPDIR": str(quick_folder)},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return {"document": json.loads(done.stdout), "left": list(quick_folder.iterdir())}


def test_every_step_comes_out_as_the_story_says(played: dict[str, Any]) -> None:
    steps = played["document"]["steps"]

    assert {step["name"]: (step["outcome"], step["reason"]) for step in steps} == OUTCOMES
    assert played["document"]["ok"] is True


def test_the_records_verify_agree_and_show_what_was_changed(played: dict[str, Any]) -> None:
    records = played["document"]["records"]

    assert records["entries"] > 2 * 1_000
    assert (records["verified"], records["tamper_detected"], records["reconciled"]) == (True,) * 3


def test_it_prints_one_document_of_known_members(played: dict[str, Any]) -> None:
    assert set(played["document"]) == {"ok", "steps", "records", "seconds"}
    assert {*played["document"]["steps"][0]} == {"name", "outcome", "reason", "ms"}


def test_nothing_is_left_where_it_worked(played: dict[str, Any]) -> None:
    assert played["left"] == []


def test_an_interrupted_run_ends_every_process_it_started(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        # A shell lets what it starts in the background ignore interrupts, tests among it.
        ["env", "--default-signal=INT", *COMMAND, "--data-dir", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    everybody = _wait_for_processes(demo, tmp_path)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=60)

    assert demo.returncode not in (0, None)
    assert [pid for pid in everybody if _is_alive(pid)] == []


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")

    done = subprocess.run(
        [*COMMAND, "--data-dir", str(tmp_path)], capture_output=True, check=False, text=True
    )

    assert done.returncode == 2
    assert "is not empty" in done.stderr


def _wait_for_processes(demo: "subprocess.Popen[bytes]", folder: Path) -> list[int]:
    """Return everything that came from the demo once a gateway's PostgreSQL is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if list(folder.glob("data/instances/*/data/postgresql/cluster/postmaster.pid")):
            return tree([demo.pid])
        assert demo.poll() is None, "the demo ended by itself"
        time.sleep(0.1)
    raise AssertionError("no instance came up")


def _is_alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
