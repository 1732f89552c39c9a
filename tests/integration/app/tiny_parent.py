"""A parent whose workers run the tiny role: `tiny_parent.py CONFIG METRICS_DIR READY_FD`."""

import asyncio
import os
import sys
from pathlib import Path

CONFIG, METRICS, READY_FD = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
os.umask(0o077)
METRICS.mkdir(parents=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS)

from gateway.app.parent import Parent, ParentOptions  # noqa: E402  # counts from its import on
from gateway.logs import configure  # noqa: E402

configure(role="tiny")
asyncio.run(
    Parent(
        ParentOptions(
            raw=CONFIG.read_bytes(),
            base=CONFIG.parent,
            name=str(CONFIG),
            version="0",
            metrics_dir=METRICS,
            ready_fd=READY_FD,
            worker_command=(sys.executable, str(Path(__file__).with_name("tiny_role.py"))),
        )
    ).run()
)
