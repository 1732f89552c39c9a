"""Processes told apart by pid and ended with everything that came from them."""

import subprocess
import sys

import pytest

from gateway.demo.processes import kill_left, tree

SLEEP = "import time; time.sleep(60)"
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
print(child.pid, flush=True)
time.sleep(60)
"""


def started() -> tuple["subprocess.Popen[bytes]", int]:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout as told:
        return parent, int(told.readline())


async def test_a_tree_holds_children_and_all_of_it_can_be_ended() -> None:
    parent, child = started()

    found = tree([parent.pid])
    await kill_left(found)
    parent.wait()

    assert found == [parent.pid, child]
    assert tree([child]) == [child]
    assert not alive(child)


def test_somebody_who_ended_by_himself_is_not_waited_for() -> None:
    with pytest.raises(StopIteration):  # over at the first step
        kill_left([ended()]).send(None)


def ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def alive(pid: int) -> bool:
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False, text=True
    )
    return done.stdout.strip()[:1] not in ("", "Z")
