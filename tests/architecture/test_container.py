"""The image: hashed requirements, no build tools and no root in the last stage, a health check.

There is no engine here to build it; what its steps do to Python is what `make wheel` and
`make setup` do.
"""

import json
import re
from itertools import pairwise

from gateway.listeners.ops.application import ROUTES
from gateway.settings import load_settings
from tests.tools.tree import PACKAGES, ROOT

_EXAMPLE = ROOT / "config" / "gateway.example.toml"


def _instructions() -> list[tuple[str, str]]:
    """Return every instruction with its arguments, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines()]


def _stages() -> list[list[tuple[str, str]]]:
    instructions = _instructions()
    starts = [place for place, (word, _) in enumerate(instructions) if word == "FROM"]
    return [instructions[a:b] for a, b in pairwise([*starts, len(instructions)])]


def _of(word: str, stage: list[tuple[str, str]]) -> list[str]:
    return [rest for name, rest in stage if name == word]


def test_requirements_are_installed_by_their_hashes() -> None:
    build = _stages()[0]

    installed = [rest for rest in _of("RUN", build) if "pip install" in rest]
    assert len(installed) == 3
    for rest in installed:
        assert "--require-hashes" in rest or "--no-deps dist/*.whl" in rest


def test_the_builder_gets_the_four_packages_and_no_test() -> None:
    copied = {part for rest in _of("COPY", _stages()[0]) for part in rest.split()[:-1]}
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }

    assert set(PACKAGES) <= copied
    assert copied <= allowed
    assert "tests" not in allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_last_stage_brings_no_tools_and_runs_as_nobody_special() -> None:
    last = _stages()[-1]

    assert not any("pip" in rest or "apt" in rest for rest in _of("RUN", last))
    assert [rest for rest in _of("COPY", last) if not rest.startswith("--from=build")] == []
    (user,) = _of("USER", last)
    assert user.split(":")[0] not in {"0", "root"}
    assert "uninstall --yes pip" in " ".join(_of("RUN", _stages()[0]))


def test_health_is_asked_of_operations() -> None:
    (check,) = _of("HEALTHCHECK", _stages()[-1])
    command = json.loads(check[check.index("[") :])
    (asked,) = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", command[-1])

    assert asked[1] in {route.path for route in ROUTES}
    assert int(asked[0]) == load_settings(_EXAMPLE).listeners.ops.port


def test_open_ports_are_those_of_the_example_and_operations_is_none() -> None:
    listeners = load_settings(_EXAMPLE).listeners
    (exposed,) = _of("EXPOSE", _stages()[-1])

    assert listeners.network is not None
    assert listeners.backoffice is not None
    assert listeners.staff is not None
    assert {int(port) for port in exposed.split()} == {
        listeners.network.port,
        listeners.backoffice.port,
        listeners.staff.port,
    }
