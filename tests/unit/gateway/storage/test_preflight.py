"""What is said of a server that does not keep what is promised, and of a role that may too much."""

from dataclasses import replace

import pytest

from gateway.storage.database import STRICT, Demands
from gateway.storage.preflight import Powers, Server, excess_of_reader, excess_of_runner, faults_of

GOOD = Server(
    version=15,
    encoding="UTF8",
    is_in_recovery=False,
    fsync="on",
    full_page_writes="on",
    synchronous_commit="on",
)
SMALL = Powers(
    role="sekisho_app",
    attributes=(),
    owned=(),
    rewritable=(),
    writable=("log_entries",),
    definers=("log_make_months",),
    makes_objects=False,
)
REPLICATED = Demands(is_replicated=True)


def faults(demands: Demands = STRICT, **more: object) -> list[str]:
    return list(faults_of(replace(GOOD, **more), demands))  # type: ignore[arg-type]  # named above


def test_nothing_is_said_of_a_server_as_it_should_be() -> None:
    assert faults() == []
    assert faults(REPLICATED) == []


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("version", 14, "upgrade it to 15"),
        ("encoding", "SQL_ASCII", "ENCODING 'UTF8'"),
        ("is_in_recovery", True, "target_session_attrs=primary"),
        ("fsync", "off", "fsync is off: set it on"),
        ("full_page_writes", "off", "full_page_writes is off: set it on"),
        ("synchronous_commit", "off", "synchronous_commit is off: set it on"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(name: str, value: object, remedy: str) -> None:
    (said,) = faults(STRICT, **{name: value})

    assert remedy in said


@pytest.mark.parametrize("value", ["local", "remote_write"])
def test_replication_asks_for_more_than_this_machine(value: str) -> None:
    assert faults(synchronous_commit=value) == []
    assert len(faults(REPLICATED, synchronous_commit=value)) == 1


def test_where_it_may_forget_only_the_crash_of_a_machine_is_let_pass() -> None:
    forgetful = Demands(may_forget=True)

    assert faults(forgetful, fsync="off", full_page_writes="off") == []
    assert len(faults(forgetful, synchronous_commit="off")) == 1


def test_a_role_that_inserts_and_reads_is_let_pass_only_where_it_runs() -> None:
    assert list(excess_of_runner(SMALL)) == []
    assert [said.split()[1] for said in excess_of_reader(SMALL)] == ["write", "call"]


def test_more_than_three_are_not_all_named() -> None:
    (said,) = excess_of_runner(replace(SMALL, owned=("a", "b", "c", "d")))

    assert "owns a, b, c and more" in said
