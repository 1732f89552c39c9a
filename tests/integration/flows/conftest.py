"""A network's keys as its operator made them, for tests of what a gateway believes."""

import shutil
from pathlib import Path

import pytest

from certs.network import init_network
from gateway.demo import cast
from tests.integration.core.world import WorldClock
from tests.integration.flows.trusts import PORTS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trust") / "network"
    init_network(
        cast.network_spec(PORTS, environment="test"),
        folder,
        allow_list=cast.allow_list().to_document(),
        now=WorldClock().now(),
    )
    return folder


@pytest.fixture
def network(made: Path, tmp_path: Path) -> Path:
    """The folder of a network's keys, this test's own."""
    return Path(shutil.copytree(made, tmp_path / "network"))


@pytest.fixture
def clock() -> WorldClock:
    return WorldClock()
