"""Requests for codes at the core: what has lapsed ends, what still counts stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.keystore import KeyStore, MasterKey
from gateway.clock import SystemClock
from gateway.flows.vault import Vault
from gateway.jobs.ended_keys import EndedKeys
from gateway.jobs.retention import RetentionJob, plain_ends
from gateway.storage.database import Database


async def test_acquisition_numbers_end_when_they_lapse_and_made_codes_a_month_later(
    database: Database, tmp_path: Path
) -> None:
    store = KeyStore.create(
        tmp_path / "keys", MasterKey.generate(), network="demo", organisation="core"
    )
    now = datetime.now(UTC)
    person = b"\1" * 32
    rows = [
        (b"live" * 4, now + timedelta(days=1), None, None),
        (b"late" * 4, now - timedelta(seconds=1), None, None),
        (b"made" * 4, now - timedelta(days=29), person, "acquired"),
        (b"gone" * 4, now - timedelta(days=31), person, "acquired"),
    ]
    async with database.read() as connection:
        await connection.executemany(
            "INSERT INTO core_code_requests"
            " (organisation, request_id, number, expires_at, person, state)"
            " VALUES ('nagaoka', gen_random_uuid(), $1, $2, $3, $4)",
            rows,
        )

        keys = EndedKeys(database, Vault(store), SystemClock())
        await RetentionJob(database, SystemClock(), plain_ends(database, keys, of_core=True)).run()

        left = await connection.fetch("SELECT number FROM core_code_requests")
    assert {bytes(row["number"][:4]) for row in left} == {b"live", b"made"}
