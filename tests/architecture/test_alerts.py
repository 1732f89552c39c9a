"""Alerting rules: every series they ask for exists, and a document says what each means."""

import re

import yaml

from tests.tools.reference import all_metrics, series_of
from tests.tools.tree import ROOT

_SERIES = re.compile(r"\bsekisho_[a-z_]+")
_SEVERITIES = {"page", "ticket"}
_MEANINGS = ROOT / "docs" / "operations" / "alerts.md"


def _rules() -> list[dict[str, object]]:
    document = yaml.safe_load((ROOT / "config" / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def _labels(expression: str) -> set[tuple[str, str]]:
    return {
        (series, label)
        for series, inside in re.findall(r"(sekisho_[a-z_]+)\{([^}]*)\}", expression)
        for label in re.findall(r"([a-z_]+)\s*[=!]~?", inside)
    }


def test_every_series_an_alert_asks_for_exists() -> None:
    known = {series for metric in all_metrics() for series in series_of(metric)}
    asked = {name for rule in _rules() for name in _SERIES.findall(str(rule["expr"]))}

    assert asked - known == set()


def test_every_label_an_alert_asks_for_exists() -> None:
    known = {
        (series, label)
        for metric in all_metrics()
        for series in series_of(metric)
        for label in vars(metric)["_labelnames"]
    }
    asked = {pair for rule in _rules() for pair in _labels(str(rule["expr"]))}

    assert asked
    assert asked - known == set()


def test_every_alert_says_how_urgent_it_is_and_what_to_do() -> None:
    for rule in _rules():
        labels, notes = rule["labels"], rule["annotations"]

        assert isinstance(labels, dict)
        assert isinstance(notes, dict)
        assert labels["severity"] in _SEVERITIES, rule["alert"]
        assert notes.keys() == {"summary", "action"}, rule["alert"]


def test_every_alert_is_explained_and_nothing_else() -> None:
    explained = re.findall(r"^## (\w+)$", _MEANINGS.read_text(encoding="utf-8"), re.MULTILINE)

    assert explained == [rule["alert"] for rule in _rules()]
