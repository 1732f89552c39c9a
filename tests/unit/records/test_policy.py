"""A slot's trust policy in the form that others read (C2SP tlog-policy)."""

from base64 import b64decode

import pytest
from tlog_scales import signing

from gateway.records.note import key_id
from gateway.records.policy import enough, policy_text
from tests.unit.certs.networks import a_network


@pytest.mark.parametrize(("witnesses", "needed"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_more_than_half_of_the_witnesses_are_enough(witnesses: int, needed: int) -> None:
    assert enough(witnesses) == needed


def test_a_policy_names_log_keys_witnesses_and_how_many_are_enough() -> None:
    directory = a_network().directory

    lines = policy_text(directory, "nagaoka", 3).splitlines()

    assert [line.rsplit(" ", 1)[0] for line in lines[1:4]] == ["log", "log", "witness core/1"]
    assert lines[4:] == [
        "group core any core/1",
        "group witnesses/enough 1 core",
        "quorum witnesses/enough",
    ]
    logs, witness = directory.organisation("nagaoka"), directory.organisation("core")
    expected = [
        ("testnet/nagaoka/log/3", 1, logs.key_sets[0].log.ed25519),
        ("testnet/nagaoka/log/3", 6, logs.key_sets[0].log.mldsa44),
        ("testnet/core/witness", 6, witness.key_sets[0].witness.mldsa44),
    ]
    for line, (name, signature_type, public) in zip(lines[1:4], expected, strict=True):
        vkey = line.rsplit(" ", 1)[1]
        assert vkey.split("+", 2)[:2] == [name, key_id(name, signature_type, public).hex()]
        assert b64decode(vkey.split("+", 2)[2]) == bytes([signature_type]) + public


def test_another_implementation_reads_the_keys() -> None:
    line = policy_text(a_network().directory, "nagaoka", 0).splitlines()[1]

    read = signing.Vkey.from_string(line.removeprefix("log "))

    assert read.name == "testnet/nagaoka/log/0"


def test_without_witnesses_none_are_asked_for() -> None:
    lines = policy_text(a_network().directory, "union", 0).splitlines()

    assert [line.split(" ")[0] for line in lines] == ["#", "log", "log", "quorum"]
    assert lines[-1] == "quorum none"
