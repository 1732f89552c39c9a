"""Every error has a name that the catalogue knows; what serves leaves metrics alone."""

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

import gateway
from gateway.cli.main import COMMANDS
from gateway.errors import SekishoError
from gateway.wire.problems import PROBLEM_TYPES


def _below(error: type[SekishoError]) -> Iterator[type[SekishoError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from _below(kind)


def test_every_error_has_a_name_in_the_catalogue() -> None:
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    ours = [kind for kind in _below(SekishoError) if kind.__module__.startswith("gateway.")]
    missing = {
        kind.problem: kind.__qualname__ for kind in ours if kind.problem not in PROBLEM_TYPES
    }
    assert missing == {}


@pytest.mark.parametrize("module", ["gateway.cli.main", "gateway.cli.serve", "gateway.cli.core"])
def test_what_serves_is_loaded_before_anything_counts(module: str) -> None:
    """prometheus_client decides at its import whether processes share values."""
    asked = f"import sys, {module}; print('prometheus_client' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "False"


def test_commands_are_named_as_the_design_names_them() -> None:
    asked = {
        *("demo", "serve", "core", "resident-network", "migrate", "unlock", "certs", "clients"),
        *("peers", "policies", "switches", "flags", "codes", "replicas", "inquiries", "holds"),
        *("staff", "records", "bench"),
    }

    assert asked - COMMANDS.keys() == set()
