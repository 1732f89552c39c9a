"""What the database itself lets go, called directly as the running role."""

import json
from datetime import UTC, datetime

import asyncpg
import pytest

from codes.canonical import tokyo_month
from gateway.storage import erasures
from tests.integration.flows.erasure_scene import OLD, Scene


async def agreed(scene: Scene, month: int, *pairs: tuple[str, str]) -> list[int]:
    """Call the approval's function as the running role, whatever it says; return what it took."""
    rows = [
        {"month": month, "staff_id": staff, "credential_id": credential, "entry_id": "0" * 32}
        for staff, credential in pairs
    ]
    async with scene.log.database.transaction() as connection:
        taken = await connection.fetch(
            "SELECT effect_erasure_approved($1::jsonb) AS place", json.dumps(rows)
        )
    return [row["place"] for row in taken]


async def refusal(scene: Scene, month: int, staff: str, credential: str) -> str | None:
    async with scene.log.database.read() as connection:
        return await erasures.refusal(connection, month, staff_id=staff, credential_id=credential)


async def test_the_running_role_agrees_for_nobody_whom_the_database_does_not_know(
    scene: Scene,
) -> None:
    """Direct calls: what the database takes does not rest on what the program asked before."""
    officer, auditor, approver = [(one.staff_id, one.credential_id) for one in scene.people]
    this_month = int(tokyo_month(datetime.now(UTC)).replace("-", ""))
    refused = {
        "no-such-month": (201801, *officer),
        "not-due": (this_month, *officer),
        "may-not-decide": (OLD, *approver),
    }
    strangers = [("f" * 32, "f" * 32), (auditor[0], officer[1]), (officer[0], auditor[1])]

    for reason, (month, *pair) in refused.items():
        assert await refusal(scene, month, *pair) == reason
        assert await agreed(scene, month, (pair[0], pair[1])) == []
    for stranger in strangers:
        assert await refusal(scene, OLD, *stranger) == "may-not-decide"
        assert await agreed(scene, OLD, stranger) == []
    # In one call too, one person is not two, and their credential is not either.
    assert await agreed(scene, OLD, officer, officer) == [0]
    assert await refusal(scene, OLD, *officer) == "same-approver"
    await scene.execute("UPDATE staff SET is_disabled = true WHERE staff_id = $1", auditor[0])
    assert await refusal(scene, OLD, *auditor) == "may-not-decide"
    await scene.execute("UPDATE staff SET is_disabled = false WHERE staff_id = $1", auditor[0])
    assert await agreed(scene, OLD, auditor) == [0]


async def test_a_credential_counts_once_even_where_the_owner_moved_it(scene: Scene) -> None:
    officer, auditor, _ = scene.people
    assert await agreed(scene, OLD, (officer.staff_id, officer.credential_id)) == [0]

    await scene.execute(
        "UPDATE staff_credentials SET retired_at = now(), password = NULL, totp_box = NULL"
        " WHERE credential_id = $1",
        auditor.credential_id,
    )
    await scene.execute(
        "UPDATE staff_credentials SET staff_id = $1 WHERE credential_id = $2",
        auditor.staff_id,
        officer.credential_id,
    )

    moved = (auditor.staff_id, officer.credential_id)
    assert await refusal(scene, OLD, *moved) == "same-approver"
    assert await agreed(scene, OLD, moved) == []
    with pytest.raises(asyncpg.UniqueViolationError):
        await scene.execute("INSERT INTO erasure_approvals VALUES ($1, $2, $3, 'x')", OLD, *moved)


async def test_what_was_agreed_ends_nothing_under_a_legal_hold(scene: Scene) -> None:
    officer, auditor, _ = scene.people
    pairs = [(one.staff_id, one.credential_id) for one in (officer, auditor)]
    hold = {
        "legal_hold_id": "a" * 32,
        "first_month": OLD,
        "last_month": OLD,
        "ground": "x",
        "set_by": "y",
    }

    async def called(function: str, row: dict[str, object]) -> int:
        async with scene.log.database.transaction() as connection:
            taken = await connection.fetch(
                f"SELECT {function}($1::jsonb)",  # one of two names below
                json.dumps([row]),
            )
        return len(taken)

    async def erased() -> str:
        async with scene.log.database.transaction() as connection:
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connection.execute("SELECT log_erase_month($1)", OLD)
        return caught.value.sqlstate or ""

    assert await agreed(scene, OLD, *pairs) == [0, 1]
    assert await called("effect_legal_hold_set", hold) == 1
    assert (await erased(), await refusal(scene, OLD, *pairs[0])) == ("SK011", "legal-hold")
    assert await agreed(scene, OLD, *pairs) == []
    lifting: dict[str, object] = {"legal_hold_id": "a" * 32, "lifted_by": "y"}
    assert await called("effect_legal_hold_lifted", lifting) == 1
    assert await called("effect_legal_hold_lifted", lifting) == 0
    assert await erased() == "SK012"
    assert await scene.state() == "proposed"
