"""What the alerts about expiry say of a fresh network, and of one that nobody looked after."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from math import prod
from pathlib import Path

import pytest
import yaml

from certs.network import init_network, keys_directory
from certs.own_keys import PrivateKeySet, read_public
from gateway import metrics
from gateway.app.floor import tell_versions
from gateway.demo import cast
from gateway.flows.trust import Trust
from gateway.jobs.expiry import ExpiryJob
from tests.integration.core.world import WorldClock
from tests.integration.flows.trusts import PORTS
from tests.tools.tree import ROOT

Samples = Mapping[str, list[tuple[Mapping[str, str], float]]]

KEYS, RENEWED, RUNS_OUT = (
    "SekishoKeyRunsOut",
    "SekishoDirectoryNotRenewed",
    "SekishoDirectoryRunsOut",
)
# All that these rules are written in: a series, perhaps with one matcher, against the present.
_UNTIL = re.compile(
    r'(?P<series>\w+)(\{(?P<label>\w+)(?P<how>=|!=)"(?P<value>[^"]*)"\})? - time\(\)'
    r" < (?P<limit>\d+( \* \d+)*)"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("expiry") / "network"
    init_network(
        cast.network_spec(PORTS, environment="test"),
        folder,
        allow_list=cast.allow_list().to_document(),
        now=datetime.now(UTC),
    )
    return folder


@pytest.fixture(params=[cast.CORE, cast.NAGAOKA])
async def samples(made: Path, request: pytest.FixtureRequest) -> Samples:
    """What one party's Prometheus scrapes at the first look."""
    keys = keys_directory(made, request.param)
    trust = Trust.open(
        keys=PrivateKeySet.load(keys),
        raw_directory=read_public(keys / "directory.json"),
        raw_allow_list=read_public(keys / "allow-list.json"),
        clock=WorldClock(),
        environment="test",
    )
    metrics.KEY_EXPIRES.clear()
    await ExpiryJob(keys, trust).turn()
    tell_versions(trust)
    return {
        metric.name: [(sample.labels, sample.value) for sample in metric.samples]
        for gauge in (metrics.KEY_EXPIRES, metrics.DIRECTORY_EXPIRES)
        for metric in gauge.collect()
    }


def firing(samples: Samples, after: timedelta) -> set[str]:
    """Return which alerts about expiry fire so long after the network was made."""
    now = (datetime.now(UTC) + after).timestamp()
    return {name for name, expr in rules() if any(_holding(expr, samples, now))}


def rules() -> Iterator[tuple[str, str]]:
    document = yaml.safe_load((ROOT / "config" / "alerts.yml").read_text(encoding="utf-8"))
    for group in document["groups"]:
        for rule in group["rules"]:
            if "_expires_timestamp_seconds" in rule["expr"]:
                yield rule["alert"], rule["expr"]


def _holding(expr: str, samples: Samples, now: float) -> Iterator[bool]:
    match = _UNTIL.fullmatch(expr)
    assert match is not None, expr
    limit = prod(int(factor) for factor in match["limit"].split(" * "))
    for labels, value in samples[match["series"]]:
        if match["label"] is None or _is_meant(match, labels):
            yield value - now < limit


def _is_meant(match: re.Match[str], labels: Mapping[str, str]) -> bool:
    return (labels.get(match["label"], "") == match["value"]) == (match["how"] == "=")


async def test_nothing_fires_on_a_fresh_network(samples: Samples) -> None:
    assert {name for name, _ in rules()} == {KEYS, RENEWED, RUNS_OUT}
    assert firing(samples, timedelta(0)) == set()
    # A core renews when twelve hours are left.
    assert firing(samples, timedelta(hours=12)) == set()


async def test_a_directory_that_nobody_renews_is_told_of_in_time(samples: Samples) -> None:
    assert firing(samples, timedelta(hours=18, minutes=1)) == {RENEWED}
    assert firing(samples, timedelta(hours=23, minutes=1)) == {RENEWED, RUNS_OUT}


async def test_every_kind_of_key_is_told_of_two_weeks_before(samples: Samples) -> None:
    for labels, value in samples["sekisho_key_expires_timestamp_seconds"]:
        one = {"sekisho_key_expires_timestamp_seconds": [(labels, value)]}
        one |= {"sekisho_directory_expires_timestamp_seconds": []}
        left = timedelta(seconds=value - datetime.now(UTC).timestamp())
        expected = set() if labels["what"] == "directory" else {KEYS}

        assert firing(one, left - timedelta(days=13)) == expected, labels
        assert firing(one, left - timedelta(days=15)) == set(), labels
