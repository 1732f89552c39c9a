"""Where another role finds the same database."""

import pytest

from gateway.storage.database import as_role


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        (
            "postgresql://app:secret@db1,db2:5433/log?target_session_attrs=primary",
            "postgresql://db1,db2:5433/log?target_session_attrs=primary&user=checker",
        ),
        (
            "postgresql:///log?host=/run/pg&user=app&password=secret",
            "postgresql:///log?host=%2Frun%2Fpg&user=checker",
        ),
        ("postgres://db1/log", "postgres://db1/log?user=checker"),
    ],
)
def test_another_role_comes_in_at_the_same_place_without_the_password(
    dsn: str, expected: str
) -> None:
    assert as_role(dsn, "checker") == expected
