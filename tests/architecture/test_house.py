"""The fixed top level: four packages, each with one owner, and nothing of one machine in it."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

from tests.tools.tree import PACKAGES, ROOT, tracked_files

# Written in parts, so that this file does not hold what it forbids.
_HOSTS = re.compile(
    "|".join(
        (
            r"index" + r"-url",
            r"registry" + r"\s*=\s*[\"']?https?:",
            r'"resolved"\s*:\s*"http',
            r"https?://[^ )\"']*/" + r"simple/",
            r"pypi" + r"\.org",
            r"files\.python" + r"hosted",
        )
    )
)
_PATHS = re.compile(r"(?<![\w.~-])/(?:work|home|Users|root)/[\w.-]+")
_DATA = ("policies/law", "codes/tables")


def _lines() -> list[tuple[str, int, str]]:
    return [
        (str(path), number, line)
        for path in tracked_files()
        if not any(path.is_relative_to(folder) for folder in _DATA)
        for number, line in enumerate(_text(ROOT / path).splitlines(), start=1)
    ]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_each_of_our_names_has_one_owner() -> None:
    owners = importlib.metadata.packages_distributions()

    # A foreign distribution of the name `certs` or `codes` would overwrite ours in silence. An
    # editable install owns no folder of its own, so it is not named.
    assert {name: set(owners.get(name, [])) - {"sekisho"} for name in PACKAGES} == {
        name: set() for name in PACKAGES
    }
    assert {name: find_spec(name) is not None for name in PACKAGES} == dict.fromkeys(PACKAGES, True)


def test_config_and_tests_are_not_importable_by_accident(tmp_path: Path) -> None:
    asked = (
        "from importlib.util import find_spec\n"
        "print([name for name in ('config', 'tests', 'docs') if find_spec(name)])"
    )
    said = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == "[]"
    assert not (ROOT / "config" / "__init__.py").exists()


def test_the_wheel_holds_the_four_packages_and_is_never_uploaded() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(PACKAGES)
    assert project["tool"]["hatch"]["build"]["dev-mode-exact"] is True
    assert set(project["tool"]["check-wheel-contents"]["toplevel"]) == set(PACKAGES)
    assert "Private :: Do Not Upload" in project["project"]["classifiers"]


def test_no_file_names_a_package_index() -> None:
    found = [f"{path}:{number}" for path, number, line in _lines() if _HOSTS.search(line)]

    assert found == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = [f"{path}:{number}: {line}" for path, number, line in _lines() if _PATHS.search(line)]

    assert found == []


def test_every_requirement_is_locked_with_hashes() -> None:
    for name in sorted(path.name for path in ROOT.glob("requirements*.lock")):
        blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8").strip())
        pinned = [block for block in blocks if re.match(r"[a-z0-9._-]+==", block, re.IGNORECASE)]

        assert pinned, name
        assert [block.split()[0] for block in pinned if "--hash=sha256:" not in block] == []
        assert len(pinned) == len(blocks), name


def test_no_key_and_no_certificate_is_committed() -> None:
    kept = [
        str(path)
        for path in tracked_files()
        if path.suffix in {".pem", ".key", ".der", ".p12", ".pfx"}
        and not path.is_relative_to("tests/vectors")
    ]

    assert kept == []
    private = re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----")
    assert [path for path, _, line in _lines() if private.search(line)] == []
