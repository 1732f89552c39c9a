"""Step 7: the parties' records agree, a changed byte is found, the untouched log verifies."""

import asyncio
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from gateway.demo import cast, commands
from gateway.demo.people import Person
from gateway.demo.stage import AUDITOR, Stage
from gateway.demo.story import Expected
from gateway.records.bundle import read_slot

AGREED: Final = "agreed"
DIFFERS: Final = "differs"
FOUND: Final = "found"
NOT_FOUND: Final = "not-found"
VERIFIED: Final = "verified"
FAULTY: Final = "faulty"
PROVED: Final = "proved"
CHANGED: Final = "entry-changed"
TRIES_MAX: Final = 5
PAUSE_S: Final = 1.0
_GATEWAYS: Final = (cast.GUNMA_UNION, cast.NAGAOKA, cast.DIGITAL_AGENCY)
_PAIRS: Final = ((cast.GUNMA_UNION, cast.NAGAOKA), (cast.NAGAOKA, cast.DIGITAL_AGENCY))
_TAMPERED: Final = cast.NAGAOKA


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the records of the run."""

    entries: int
    verified: bool
    tamper_detected: bool
    reconciled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampered:
    """A copy of an export in which one byte of one entry is another."""

    bundle: Path
    slot: int
    index: int


async def play(stage: Stage) -> Evidence:
    """Play step 7."""
    title = "7 core, 照会者 and 提供者 hold their exports against each other"
    with stage.story.step("7-reconcile", title, Expected(AGREED)) as scene:
        exports, results = await _reconciled(stage)
        reconciled = all(result["reconciled"] is True for result in results)
        for result in results:
            scene.tell("parties", ", ".join(map(str, _list(result["parties"]))))
            scene.tell("  permits", f"{result['permits']}, refusals {result['refusals']}")
        scene.came_out(AGREED if reconciled else DIFFERS)
    tampered = await asyncio.to_thread(tamper, exports[_TAMPERED])
    title = f"7 one byte of the record table of {_TAMPERED} is changed in a copy"
    with stage.story.step("7-changed-byte", title, Expected(FOUND, CHANGED)) as scene:
        scene.tell("changed", f"slot {tampered.slot}, entry {tampered.index}")
        report = await _verify(stage, tampered.bundle)
        fault = report["first_fault"]
        is_named = isinstance(fault, dict) and (fault["slot"], fault["index"]) == (
            tampered.slot,
            tampered.index,
        )
        if isinstance(fault, dict):
            scene.tell("named", f"slot {fault['slot']}, entry {fault['index']}")
            scene.came_out(FOUND if is_named else NOT_FOUND, str(fault["reason"]))
    title = "7 the untouched logs verify, and witnesses prove them complete"
    with stage.story.step("7-untouched", title, Expected(VERIFIED)) as scene:
        reports = await asyncio.gather(*(_verify(stage, path) for path in exports.values()))
        for report in reports:
            told = f"{report['entries']} entries, complete: {report['complete']}"
            scene.tell(str(report["organisation"]), told)
        verified = all(
            report["verified"] is True and report["complete"] == PROVED for report in reports
        )
        scene.came_out(VERIFIED if verified else FAULTY)
    return Evidence(
        entries=sum(int(str(report["entries"])) for report in reports),
        verified=verified,
        tamper_detected=is_named,
        reconciled=reconciled,
    )


async def _reconciled(stage: Stage) -> tuple[Mapping[str, Path], Sequence[Mapping[str, object]]]:
    """Return the exports and what came of holding them against each other.

    Outcomes reach the core a moment after the answer reached the inquirer.
    """
    number = 0
    while True:
        number += 1
        folder = stage.folder / "exports" / str(number)
        exports = await _export_all(stage, folder)
        results = await asyncio.gather(
            *(_reconcile(stage, [exports[name] for name in (cast.CORE, *pair)]) for pair in _PAIRS)
        )
        if number == TRIES_MAX or all(result["reconciled"] is True for result in results):
            return exports, results
        await asyncio.sleep(PAUSE_S)


async def _export_all(stage: Stage, folder: Path) -> dict[str, Path]:
    await asyncio.to_thread(folder.mkdir, parents=True)
    names = (cast.CORE, *_GATEWAYS)
    paths = [folder / f"{name}.zip" for name in names]
    await asyncio.gather(
        *(_export(stage, name, path) for name, path in zip(names, paths, strict=True))
    )
    return dict(zip(names, paths, strict=True))


async def _export(stage: Stage, name: str, target: Path) -> None:
    """Export one party's records: by its auditor, or over the control socket at the core."""
    auditor: Person | None = stage.staff.get(name, {}).get(AUDITOR)
    config = ("--config", stage.fleet[name].instance.config)
    if auditor is None:
        await commands.told("records", "export", target, *config)
        return
    await commands.told(
        *("records", "export", target, *config, "--credentials-fd", "0"),
        feed=await auditor.line(),
    )


async def _reconcile(stage: Stage, exports: Sequence[Path]) -> Mapping[str, object]:
    return (
        await commands.run("records", "reconcile", *exports, *_root(stage), "--json")
    ).document()


async def _verify(stage: Stage, bundle: Path) -> Mapping[str, object]:
    return (await commands.run("records", "verify", bundle, *_root(stage), "--json")).document()


def _root(stage: Stage) -> tuple[str | Path, ...]:
    return ("--root", stage.fleet[cast.CORE].instance.keys / "root.json")


def tamper(bundle: Path) -> Tampered:
    """Write a copy of an export beside it, one byte of one entry in its fullest slot changed."""
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    slots = [int(Path(name).stem) for name in files if name.endswith(".entries")]
    slot = max(slots, key=lambda number: len(files[f"slots/{number}.entries"]))
    export = read_slot(files, slot)
    place = len(export.entries) // 2
    name = f"slots/{slot}.entries"
    start = sum(2 + len(entry) for entry in export.entries[:place]) + 2
    at = start + len(export.entries[place]) // 2
    raw = bytearray(files[name])
    raw[at] ^= 1
    target = bundle.with_name(f"{bundle.stem}-changed.zip")
    with zipfile.ZipFile(target, "w") as archive:
        for other, content in files.items():
            archive.writestr(other, bytes(raw) if other == name else content)
    return Tampered(bundle=target, slot=slot, index=export.first + place)


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
