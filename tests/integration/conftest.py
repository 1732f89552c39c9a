"""The record log of one organisation, opened in a database of its own."""

from pathlib import Path

import pytest

from certs.keystore import KeyStore, MasterKey
from certs.log_keys import LogSigner
from gateway.flows.record_marks import ReleasedMarks
from gateway.storage.database import Database
from tests.conftest import Dsns
from tests.integration.record_log import (
    NETWORK,
    ORGANISATION,
    RecordLog,
    SetClock,
    add_effects,
)


@pytest.fixture(scope="session")
def log_signer() -> LogSigner:
    return LogSigner.generate()


@pytest.fixture(scope="session")
def key_store(tmp_path_factory: pytest.TempPathFactory) -> KeyStore:
    folder = tmp_path_factory.mktemp("keys")
    return KeyStore.create(
        folder / "store", MasterKey.generate(), network=NETWORK, organisation=ORGANISATION
    )


@pytest.fixture
async def record_log(
    database: Database, dsns: Dsns, log_signer: LogSigner, key_store: KeyStore, tmp_path: Path
) -> RecordLog:
    """Two open slots, the effects of the tests, and a clock that the test may set."""
    await add_effects(dsns.owner)
    log = RecordLog(
        database=database,
        signer=log_signer,
        keys=key_store,
        clock=SetClock(),
        marks=ReleasedMarks(tmp_path / "released"),
    )
    await log.open()
    return log
