"""A process that has used CPU and still lives."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

WORK = """
import sys, time
while time.process_time() < 0.05:
    pass
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def busy_process() -> Iterator[int]:
    """Hold it for as long as somebody looks."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        yield process.pid
