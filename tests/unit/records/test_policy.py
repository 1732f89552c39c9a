"""A slot's trust policy in the form that others read (C2SP tlog-policy)."""

import pytest

from gateway.records.policy import enough, policy_text
from gateway.records.proof_files import write_policy
from tests.unit.certs.networks import a_network


@pytest.mark.parametrize(("witnesses", "needed"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_more_than_half_of_the_witnesses_are_enough(witnesses: int, needed: int) -> None:
    assert enough(witnesses) == needed


def test_a_slots_policy_is_what_the_directory_says() -> None:
    directory = a_network().directory
    logs, witness = directory.organisation("nagaoka"), directory.organisation("core")

    text = policy_text(directory, "nagaoka", 3)

    assert text == write_policy(
        origin="testnet/nagaoka/log/3",
        keys=[logs.key_sets[0].log],
        witnesses=[("testnet/core/witness", [witness.key_sets[0].witness])],
        required=1,
    )


def test_without_witnesses_none_are_asked_for() -> None:
    lines = policy_text(a_network().directory, "union", 0).splitlines()

    assert [line.split(" ")[0] for line in lines] == ["log", "log", "quorum"]
    assert lines[-1] == "quorum none"
