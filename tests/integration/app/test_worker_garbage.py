"""What stays for the life of a worker is not looked through by the collector again and again."""

import subprocess
import sys

PROGRAM = """
import gc
from gateway.app.worker import GARBAGE_THRESHOLDS, _settle_garbage
_settle_garbage()
print(gc.get_freeze_count() > 10_000, gc.get_threshold() == GARBAGE_THRESHOLDS, gc.isenabled())
"""


def test_what_a_worker_starts_with_is_left_out_of_collections() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM], capture_output=True, check=True, text=True
    )

    assert done.stdout.split() == ["True", "True", "True"]
