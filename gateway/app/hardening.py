"""What a process does to itself before it holds a key: no core dumps, no ptrace, asserts on."""

import ctypes
import resource
import sys
from typing import Final

from gateway.errors import ConfigurationError

_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


def refuse_optimised() -> None:
    """Raise ConfigurationError under `python -O`, where asserted invariants are not checked."""
    if sys.flags.optimize:
        raise ConfigurationError("not under python -O: invariants would go unchecked")


def harden_process() -> None:
    """Forbid core dumps and, to all but root, reading this process's memory (PROTOCOL §6)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise ConfigurationError(f"prctl: error {ctypes.get_errno()}")
