"""The one-file verifier as a program: what it is given by hand, what it prints, how it ends."""

import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from certs.directory import Directory
from certs.documents import DocumentSigner
from certs.errors import CertsError
from codes.canonical import b64, canonical_json, instant
from gateway.records import standalone_verifier as verifier
from gateway.records.errors import RecordsError
from gateway.records.note import parse_note
from tests.damage import good as goods
from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS
from tests.unit.certs.networks import HOUR, NOW, entry, resigned
from tests.unit.records import made
from tests.unit.records.directories import Versions, versions

WITNESS = "testnet/core/witness"
# Four bytes are a key's id without a signature; then base64 in a second spelling, and too much.
ODD = (b"AAAAAA==", b"AAAAAAB=", b"AAAAAAA", b"A" * 70_000, b"AAAAAAAA AAAA")


@cache
def the_good() -> goods.Good:
    return goods.make()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        for name, content in the_good().files().items():
            archive.writestr(name, content)
    (tmp_path / "root.json").write_bytes(the_good().root)
    return tmp_path / "bundle.zip"


class Run:
    """One run of the program in this process, so that its lines are counted."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bundle: Path
    ) -> None:
        self._monkeypatch, self._capsys, self.bundle = monkeypatch, capsys, bundle

    def __call__(self, *words: str | Path) -> tuple[int, Mapping[str, object]]:
        root = self.bundle.parent / "root.json"
        given = ["verifier", self.bundle, "--root", root, *words]
        self._monkeypatch.setattr(sys, "argv", [str(word) for word in given])
        code = verifier.main()
        return code, json.loads(self._capsys.readouterr().out)

    def reason(self, *words: str | Path) -> str:
        """Return what is wrong with the bundle as a whole."""
        code, report = self(*words)
        faults = report["faults"]
        assert isinstance(faults, list)
        assert (code, len(faults), report["complete"]) == (1, 1, "unproved")
        return str(faults[0]["reason"])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bundle: Path) -> Run:
    return Run(monkeypatch, capsys, bundle)


def test_it_says_what_is_proved_of_every_slot(run: Run) -> None:
    code, report = run("--json")

    assert (code, report["verified"], report["complete"]) == (0, True, "proved")
    assert report["organisation"] == "nagaoka"
    slots = report["slots"]
    assert isinstance(slots, list)
    assert len(slots) == 8
    cosigned = int(goods.at(29).timestamp()) + 1
    assert slots[0] == {
        "slot": 0,
        "first": 9,
        "end": 21,
        "lost": None,
        "cosigned": [30, cosigned],
        "complete": True,
    }


def test_it_ends_as_the_program_does(run: Run) -> None:
    assert run()[0] == 0
    run.bundle.write_bytes(b"no archive")
    assert run.reason() == "bad-bundle"
    assert run.reason("--peer-note", run.bundle.parent / "missing") == "bad-bundle"
    with pytest.raises(SystemExit) as usage:
        run("--what")
    assert usage.value.code == 2


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_in_an_archive_is_refused(run: Run) -> None:
    with zipfile.ZipFile(run.bundle, "a") as archive:
        archive.writestr("bundle.json", the_good().files()["bundle.json"])

    assert run.reason() == "bad-bundle"


def test_witness_keys_given_by_hand_stand_instead_of_the_directorys(run: Run) -> None:
    own = b64(the_good().network.keys("core").witness.public.mldsa44)
    strange = b64(made.a_witness("stranger").public.mldsa44)

    assert run("--witness-key", f"{WITNESS}={own}")[0] == 0
    # Nobody of that name has signed: nothing is false, and nothing is proved to be complete.
    code, report = run("--witness-key", f"testnet/union/witness={strange}", "--allow-unproved")
    assert (code, report["complete"]) == (0, "unproved")
    code, report = run("--witness-key", f"{WITNESS}={strange}")
    faults = report["faults"]
    assert isinstance(faults, list)
    assert "bad-cosignature" in {fault["reason"] for fault in faults}
    assert run.reason("--witness-key", "nonsense") == "bad-bundle"


def test_a_note_that_a_peer_holds_proves_completeness(run: Run) -> None:
    path = run.bundle.parent / "note"
    path.write_text(the_good().logs[0].note(30, cosigners=[]))

    code, report = run("--peer-note", path, "--witness-key", f"a={b64(bytes(1312))}")

    slots = report["slots"]
    assert isinstance(slots, list)
    assert [slot["complete"] for slot in slots[:2]] == [True, False]
    assert code == 1


def history(run: Run, *documents: bytes) -> Path:
    folder = run.bundle.parent / f"history-{len(list(run.bundle.parent.iterdir()))}"
    folder.mkdir()
    for number, document in enumerate(documents):
        (folder / f"{number}.json").write_bytes(document)
    return folder


@cache
def kept() -> Versions:
    return versions(the_good)


def test_the_newest_of_a_history_is_followed_down_to_the_pinned_root(run: Run) -> None:
    both = history(run, kept().first, kept().renewed)
    assert run("--history", both)[0] == 0
    assert run("--history", history(run, kept().under_new_root, kept().first))[0] == 0
    (run.bundle.parent / "root.json").write_bytes(kept().new_root)
    assert run("--history", history(run, kept().under_new_root))[0] == 0
    assert run.reason("--history", both) == "root-not-pinned"


def naming(*witnesses: str, version: int, issued: datetime) -> bytes:
    """Return a version of the directory with these witnesses of the log."""

    def change(signed: dict[str, Any]) -> None:
        signed.update(version=version, issued=instant(issued), expires=instant(issued + HOUR))
        entry(signed, "nagaoka").update(witnesses=list(witnesses))

    return resigned(the_good().network, change)


def test_who_was_a_witness_is_told_by_the_directory_of_that_time(run: Run) -> None:
    first = naming("core", version=10, issued=NOW)
    second = naming("union", "residents", version=11, issued=goods.at(40))

    # The core was the witness when it signed; later nobody asked it any more.
    assert run("--history", history(run, second, first))[0] == 0
    code, report = run("--history", history(run, second), "--allow-unproved")
    assert (code, report["complete"]) == (0, "unproved")


def test_a_history_that_contradicts_itself_is_refused(run: Run) -> None:
    fork = history(run, kept().first, kept().other_first)
    assert run.reason("--history", fork) == "directory-fork"
    anew = history(run, kept().first, kept().re_enrolled)
    assert run.reason("--history", anew) == "re-enrolled"
    # A chain that begins in its middle has nothing that it follows.
    refused = {"bad-directory", "bad-signature"}
    assert run.reason("--history", history(run, kept().chain_cut)) in refused


def test_a_directory_that_was_changed_is_refused(run: Run) -> None:
    for before, after in (
        (b'"slots":8', b'"slots":7'),
        (b'"version":3', b'"version":4'),
        (b'"alg":"Ed25519"', b'"alg":"ML-DSA-44"'),
    ):
        changed = kept().under_new_root.replace(before, after, 1)
        assert changed != kept().under_new_root
        # Which of the signatures is the first that fails is no matter.
        assert run.reason("--history", history(run, changed)) in {"bad-signature", "bad-bundle"}


def test_a_folder_is_a_bundle_too(run: Run, tmp_path: Path) -> None:
    run.bundle = tmp_path / "folder" / "bundle"
    for name, content in the_good().files().items():
        (run.bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (run.bundle / name).write_bytes(content)
    (run.bundle.parent / "root.json").write_bytes(the_good().root)

    assert run()[0] == 0


def test_an_instant_is_written_in_one_way() -> None:
    assert verifier.moment("2026-07-01T00:00:00.000Z") == 1_782_864_000_000
    for text in ("2026-07-01T00:00:00Z", "2026-07-01T09:00:00.000+09:00", "2026-07-01"):
        with pytest.raises(verifier.Bad):
            verifier.moment(text)


def test_a_second_spelling_of_bytes_is_refused() -> None:
    assert verifier.unb64("AAE") == b"\x00\x01"
    for text in ("AAF", "AAE=", "AA E", "AA+_"):
        with pytest.raises(ValueError, match=r"spelling|padding|characters"):
            verifier.unb64(text)


def test_a_note_is_one_for_both_verifiers_or_for_neither() -> None:
    good = list(TARGETS["note"].seeds().values())
    random, taken = Random(1), 0
    odd = [good[0].replace(b"\n\n", b"\n\n" + b"\xe2\x80\x94 a %s\n" % part) for part in ODD]
    for raw in [*odd, *(mutated(random.choice(good), random, good) for _ in range(1500))]:
        text = raw.decode("utf-8", "replace")
        try:
            ours = parse_note(text).checkpoint
        except RecordsError:
            with pytest.raises(verifier.WRONG):
                verifier.Note(text)
            continue
        theirs = verifier.Note(text)
        assert (theirs.origin, theirs.size, theirs.root) == (ours.origin, ours.size, ours.root)
        taken += 1
    assert taken > 100


Change = Callable[[dict[str, Any]], object]
UNSIGNABLE: dict[str, Change] = {
    "longer than its key": lambda d: d.update(expires="2027-11-23T03:00:00.000Z"),
    "before its key": lambda d: d.update(issued="2020-11-23T03:00:00.000Z"),
    "of another network": lambda d: d.update(network="othernet"),
    "of another type": lambda d: d.update(type="allow-list"),
    "another's key sets": lambda d: entry(d, "union").update(key_sets=entry(d, "core")["key_sets"]),
    "a key set twice": lambda d: entry(d, "union")["key_sets"].append(
        entry(d, "union")["key_sets"][0]
    ),
    "a root as directory key": lambda d: d.update(directory_key=d["roots"][0]),
    "a root that follows itself": lambda d: d["roots"].append(d["roots"][0]),
}


@pytest.mark.parametrize("what", UNSIGNABLE)
def test_what_the_core_may_not_sign_is_no_directory(run: Run, what: str) -> None:
    network = the_good().network
    raw = resigned(network, UNSIGNABLE[what])
    with pytest.raises(CertsError):
        Directory.parse_archived(raw, root=network.root)

    refused = {"bad-directory", "bad-signature", "bad-bundle"}
    assert run.reason("--history", history(run, raw)) in refused


def test_a_signature_by_a_stranger_is_borne_by_no_document(run: Run) -> None:
    document = json.loads(the_good().network.directory.raw)
    stranger = DocumentSigner.generate()
    message = b"sekisho/directory/v1\0" + canonical_json(document["signed"], bytes_max=1 << 20)
    document["signatures"] += [
        {"key_id": stranger.public.key_id, "alg": alg, "sig": b64(stranger.sign(alg, message))}
        for alg in ("Ed25519", "ML-DSA-44")
    ]
    raw = canonical_json(document, bytes_max=1 << 20)

    assert run.reason("--history", history(run, raw)) == "bad-directory"
