"""Bundles on disk: what is read, what is refused before anything is believed."""

import warnings
import zipfile
from pathlib import Path

import pytest

from gateway.cli.bundles import BundleError, opened_bundle, trust_of
from gateway.errors import ConfigurationError

FILES = {"bundle.json": b"{}", "slots/0.leaves": b"x"}


def as_folder(path: Path) -> Path:
    for name, content in FILES.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return path


def as_archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("make", [as_folder, as_archive])
def test_a_folder_and_an_archive_are_the_same_bundle(make: object, tmp_path: Path) -> None:
    path = tmp_path / "bundle"

    with opened_bundle(make(path)) as files:  # type: ignore[operator]  # one of the two above
        assert dict(files) == FILES
        assert len(files) == 2
        assert files.get("slots/1.leaves") is None


def test_a_file_that_is_no_archive_is_no_bundle(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"half an archi")

    with pytest.raises(BundleError), opened_bundle(path):
        pass


def test_nothing_there_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError), opened_bundle(tmp_path / "missing.zip"):
        pass


def test_two_files_of_one_name_are_two_bundles_in_one(tmp_path: Path) -> None:
    path = as_archive(tmp_path / "bundle.zip")
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("bundle.json", b"[]")

    with pytest.raises(BundleError), opened_bundle(path):
        pass


def test_a_damaged_archive_is_told_from_a_changed_entry(tmp_path: Path) -> None:
    path = as_archive(tmp_path / "bundle.zip")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"slots/0.leaves") + len("slots/0.leaves")] ^= 1
    path.write_bytes(raw)

    with opened_bundle(path) as files, pytest.raises(BundleError):
        _ = files["slots/0.leaves"]


def test_a_bundle_without_directory_has_nobody_to_trust(tmp_path: Path) -> None:
    with (
        opened_bundle(as_folder(tmp_path)) as files,
        pytest.raises(BundleError),
    ):
        trust_of(files, tmp_path / "root.json", None)


def test_nobody_is_trusted_without_a_pinned_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEKISHO_CONFIG", raising=False)

    with opened_bundle(as_folder(tmp_path)) as files, pytest.raises(ConfigurationError):
        trust_of(files, None, None)
