"""A running instance of the tiny role, as a process of its own, in a folder of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certs.keystore import MasterKey

PARENT = Path(__file__).with_name("tiny_parent.py")
READY_S = 60
CONFIG = """\
role = "resident-network"
environment = "test"
organisation = "j-lis"
data_dir = "data"

[network]
name = "test"
keys_dir = "keys"

[master_key]
path = "master.key"

[workers]
count = 2
restart_delay_s = 0.1
drain_timeout_s = 10.0

[resident_network]
residents = "residents.csv"

[listeners.ops]
port = 0

[listeners.network]
port = 0
"""


@dataclass
class Instance:
    """What the tests know of a running parent."""

    process: subprocess.Popen[bytes]
    folder: Path
    ready: dict[str, Any]

    def url(self, listener: str, path: str) -> str:
        return f"http://{self.ready['addresses'][listener]}{path}"

    @property
    def control(self) -> Path:
        return Path(self.ready["control"])


def lay_out(folder: Path, config: str = CONFIG) -> Path:
    """Write settings and a master key; return the path of the settings."""
    MasterKey.generate().to_file(folder / "master.key")
    path = folder / "gateway.toml"
    path.write_text(config)
    return path


def start(folder: Path, config: str = CONFIG) -> tuple[subprocess.Popen[bytes], int]:
    """Start a parent; return it and the descriptor that tells when it is ready."""
    path = lay_out(folder, config)
    ready_out, ready_in = os.pipe()
    process = subprocess.Popen(
        [sys.executable, PARENT, path, folder / "data" / "metrics" / "run", str(ready_in)],
        pass_fds=(ready_in,),
        stderr=subprocess.PIPE if "level" in config else None,
    )
    os.close(ready_in)
    return process, ready_out


@contextmanager
def running(folder: Path, config: str = CONFIG) -> Iterator[Instance]:
    """Give an instance that is ready; end it by SIGTERM."""
    process, ready_out = start(folder, config)
    try:
        with os.fdopen(ready_out, "rb") as pipe:
            line = pipe.readline()
        assert line, "the instance ended before it was ready"
        yield Instance(process=process, folder=folder, ready=json.loads(line))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(READY_S)


async def until(claim: Any, *, seconds: float = 20) -> None:
    """Wait until a claim, called again and again, is true."""
    async with asyncio.timeout(seconds):
        while not await claim():
            await asyncio.sleep(0.02)
