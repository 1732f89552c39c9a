"""`python -m gateway`: the same as the command `sekisho`."""

from gateway.cli.main import run

run()
