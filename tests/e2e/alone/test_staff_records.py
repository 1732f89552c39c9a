"""Records as auditors take them: searched, proved, exported, verified, held against each other."""

import asyncio
import contextlib
import itertools
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from certs.keystore import Box
from codes.numbers import UnifiedNumber
from gateway.cli.bundles import opened_bundle
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.flows.record_seal import private_ad
from gateway.records.bundle import read_slot
from gateway.records.entry import parse_entry
from gateway.records.proof_files import read_proof
from gateway.records.tree import leaf_hash, root_from_audit_path
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from tests.damage.judges import by_one_file, by_the_program
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.staff import Person, Ran, a_person, first_account, run_cli, run_offline
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order

UNION, NAGAOKA = cast.GUNMA_UNION, cast.NAGAOKA


Roots: TypeAlias = dict[str, Person]
_names = itertools.count(1)


@pytest.fixture(scope="module")
async def roots(network: Network) -> Roots:
    """The administrators of both ends, signed in."""
    return {name: await (await first_account(network, name)).sign_in() for name in (UNION, NAGAOKA)}


async def somebody(roots: Roots, organisation: str, role: str = "auditor") -> Person:
    return await a_person(roots[organisation], f"{role}-{next(_names)}", role)


@pytest.fixture(scope="module")
async def number(network: Network, people: People) -> UnifiedNumber:
    """Somebody about whom an exchange has come to its end, at every party."""
    found = await people.add(organisations=(UNION, NAGAOKA))
    await people.put_replica(NAGAOKA, found, TAX, {"XTK0000010000003": 3500})
    inquire = network.gateway(UNION).flows.inquire
    inquiry_id = await inquire.begin(an_order(found), REGISTRATION)
    await inquire.wait(inquiry_id, 20)
    view = await inquire.find(inquiry_id, REGISTRATION)
    assert view.row.state is InquiryState.PROVIDED
    async with network.core_database.read() as core, asyncio.timeout(20):
        while not await core.fetchval(
            "SELECT count(*) = 2 FROM log_entries WHERE kind = 'outcome' AND permit_id = $1::uuid",
            view.row.permit_id,
        ):
            await asyncio.sleep(0.05)
    return found


@pytest.fixture(scope="module")
async def bundles(
    network: Network,
    roots: Roots,
    number: UnifiedNumber,  # noqa: ARG001  # there is something to export
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """The exports of the three parties, taken as each offers it."""
    folder = tmp_path_factory.mktemp("bundles")
    found = {name: folder / f"{name}.zip" for name in (UNION, NAGAOKA, cast.CORE)}
    for name in (UNION, NAGAOKA):
        line = (await somebody(roots, name)).credential()
        ran = await run_cli(network, name, "records", "export", str(found[name]), lines=[line])
        assert ran.code == ExitCode.DONE
    command = network.parties[cast.CORE].role.commands["records-export"]
    await command({"target": str(found[cast.CORE])})
    return found


def root_of(network: Network) -> str:
    return str(network.parties[NAGAOKA].settings.network.keys_dir / "root.json")


def another_root(network: Network, path: Path) -> Path:
    path.write_bytes(Path(root_of(network)).read_bytes().replace(b"sekisho", b"sekishe"))
    return path


async def verify(network: Network, bundle: Path, *more: str) -> Ran:
    return await run_offline("records", "verify", str(bundle), "--root", root_of(network), *more)


async def test_an_export_verifies_offline_but_is_unproved_without_witnesses(
    network: Network, bundles: dict[str, Path]
) -> None:
    strict = await verify(network, bundles[NAGAOKA])
    allowed = await verify(network, bundles[NAGAOKA], "--allow-unproved")

    assert (strict.code, strict.json["complete"]) == (ExitCode.FAILED, "unproved")
    assert (allowed.code, allowed.json["faults"]) == (ExitCode.DONE, [])
    assert allowed.json["entries"] > len(allowed.json["slots"])


async def test_the_one_file_says_the_same_of_every_partys_export(
    network: Network, bundles: dict[str, Path]
) -> None:
    for bundle in bundles.values():
        with opened_bundle(bundle) as files:
            said = by_one_file(files, Path(root_of(network)))
            assert said == by_the_program(files, Path(root_of(network)))
        assert (said.faults, said.complete) == ((), False)


async def test_an_opened_receipt_is_proved_by_its_peer(
    network: Network, bundles: dict[str, Path]
) -> None:
    context = network.gateway(UNION).context
    async with context.database.read() as connection:
        rows = await connection.fetch(
            "SELECT slot, index, entry_id, month, private FROM log_entries WHERE kind = 'receipt'"
        )
    with opened_bundle(bundles[UNION]) as bundle:
        files = dict(bundle)
    for row in rows:
        month = f"{row['month'] // 100:04d}-{row['month'] % 100:02d}"
        box = Box(context.vault.keys.month(month, create=False))
        plaintext = box.open(row["private"], private_ad(UNION, row["entry_id"].hex))
        head = row["index"].to_bytes(8, "big") + len(plaintext).to_bytes(4, "big")
        name = f"slots/{row['slot']}.private"
        files[name] = files.get(name, b"") + head + plaintext
    places = {(row["slot"], row["index"], "receipt-unproved") for row in rows}

    assert places
    for judge in (by_the_program, by_one_file):
        assert judge(files, Path(root_of(network))).faults == ()
        alone = {**files, "peer-notes.json": b'{"notes":[]}'}
        assert set(judge(alone, Path(root_of(network))).faults) == places


async def test_one_changed_byte_names_its_entry(
    network: Network, bundles: dict[str, Path], tmp_path: Path
) -> None:
    folder = unpacked(bundles[NAGAOKA], tmp_path / "copy")
    slot, index, at = some_byte(folder)
    entries = folder / f"slots/{slot}.entries"
    raw = bytearray(entries.read_bytes())
    raw[at] ^= 1
    entries.write_bytes(raw)

    ran = await verify(network, folder, "--allow-unproved")

    assert ran.code == ExitCode.FAILED
    assert ran.json["first_fault"]["slot"] == slot
    assert ran.json["first_fault"]["index"] == index
    assert ran.json["first_fault"]["reason"] == "entry-changed"


@contextlib.asynccontextmanager
async def tampered(
    postgres: EmbeddedPostgres, network: Network, old: bytes = b"provided", new: bytes = b"withheld"
) -> AsyncIterator[asyncpg.Record]:
    """What a database administrator could do, undone in the end; gives the row as it was."""
    async with network.gateway(NAGAOKA).context.database.read() as connection:
        row = await connection.fetchrow(
            "SELECT slot, index, leaf, entry_id, current_database() AS name FROM log_entries"
            " WHERE kind = 'provision' LIMIT 1"
        )
    assert row is not None
    owner = await asyncpg.connect(postgres.dsn(OWNER_ROLE, row["name"]))
    update = "UPDATE log_entries SET leaf = $1 WHERE slot = $2 AND index = $3"
    changed = bytes(row["leaf"]).replace(old, new, 1)
    assert changed != row["leaf"]
    await owner.execute(update, changed, row["slot"], row["index"])
    try:
        yield row
    finally:
        await owner.execute(update, row["leaf"], row["slot"], row["index"])
        await owner.close()


@pytest.mark.usefixtures("number")
async def test_a_changed_row_of_the_record_table_is_named(
    postgres: EmbeddedPostgres, network: Network, roots: Roots, tmp_path: Path
) -> None:
    bundle = tmp_path / "tampered.zip"
    line = (await somebody(roots, NAGAOKA)).credential()

    async with tampered(postgres, network) as row:
        ran = await run_cli(network, NAGAOKA, "records", "export", str(bundle), lines=[line])
    found = await verify(network, bundle, "--allow-unproved")

    assert (ran.code, found.code) == (ExitCode.DONE, ExitCode.FAILED)
    fault = found.json["first_fault"]
    assert (fault["slot"], fault["index"]) == (row["slot"], row["index"])


@pytest.mark.usefixtures("number")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"outcome":"provided"', b'"outcome":"withheld"'),  # no entry any more
        (b'"law_day":"2026', b'"law_day":"2025'),  # an entry that nobody recorded
    ],
)
async def test_a_changed_row_hides_no_other_and_is_not_shown_as_good(
    postgres: EmbeddedPostgres, network: Network, roots: Roots, old: bytes, new: bytes
) -> None:
    auditor = await (await somebody(roots, NAGAOKA)).sign_in()

    async with tampered(postgres, network, old, new) as row:
        found = await auditor.post("/v1/records:search", {"limit": 200})
        shown = await auditor.get(f"/v1/records/{row['entry_id'].hex}")

    assert found.status == 200
    assert (shown.status, shown.body["type"]) == (500, "record-damaged")


@pytest.mark.parametrize("bounds", ["--begins", "--ends"])
async def test_a_part_of_the_log_verifies_by_itself(
    network: Network, roots: Roots, bundles: dict[str, Path], tmp_path: Path, bounds: str
) -> None:
    """What lies left of a period is proved by its subtrees, what lies right by consistency."""
    with opened_bundle(bundles[NAGAOKA]) as files:
        slot, _, _ = some_byte(unpacked(bundles[NAGAOKA], tmp_path / "whole"))
        times = [parse_entry(raw).public.time for raw in read_slot(files, slot).entries]
    # Entries of one batch have one time: a period begins between two batches.
    index = next(at for at in range(2, len(times)) if times[at - 1] < times[at])
    bundle = tmp_path / "part.zip"
    line = (await somebody(roots, NAGAOKA)).credential()

    ran = await run_cli(
        network, NAGAOKA, *("records", "export", str(bundle), bounds, times[index]), lines=[line]
    )
    found = await verify(network, bundle, "--allow-unproved")

    assert ran.code == ExitCode.DONE
    assert (found.code, found.json["faults"]) == (ExitCode.DONE, [])
    ranges = {one["slot"]: (one["first"], one["end"]) for one in found.json["slots"]}
    if bounds == "--begins":
        assert ranges[slot][0] == index - 1
    else:
        assert ranges[slot] == (0, index + 1)


async def test_an_export_writes_over_nothing(
    network: Network, roots: Roots, bundles: dict[str, Path]
) -> None:
    line = (await somebody(roots, NAGAOKA)).credential()
    before = size_of(bundles[NAGAOKA])

    ran = await run_cli(
        network, NAGAOKA, *("records", "export", str(bundles[NAGAOKA])), lines=[line]
    )

    assert (ran.code, size_of(bundles[NAGAOKA])) == (ExitCode.FAILED, before)


async def test_a_bundle_of_another_network_leads_to_no_pinned_root(
    network: Network, bundles: dict[str, Path], tmp_path: Path
) -> None:
    other = another_root(network, tmp_path / "root.json")

    ran = await run_offline(
        "records", "verify", str(bundles[NAGAOKA]), "--root", str(other), "--allow-unproved"
    )

    assert ran.code == ExitCode.FAILED


async def test_the_three_parties_agree(network: Network, bundles: dict[str, Path]) -> None:
    exports = [str(path) for path in bundles.values()]

    ran = await run_offline("records", "reconcile", *exports, "--root", root_of(network))

    assert (ran.code, ran.json["differences"]) == (ExitCode.DONE, [])
    assert ran.json["permits"] == 1


async def test_a_party_that_leaves_its_answer_out_is_named(
    network: Network, bundles: dict[str, Path], tmp_path: Path
) -> None:
    """A provider whose export shows none of its slots has no answer to show."""
    folder = unpacked(bundles[NAGAOKA], tmp_path / "less")
    slot, _, _ = some_byte(folder)
    (folder / f"slots/{slot}.entries").write_bytes(b"")
    others = [str(bundles[UNION]), str(bundles[cast.CORE])]

    ran = await run_offline(
        "records", "reconcile", *others, str(folder), "--root", root_of(network)
    )

    assert ran.code == ExitCode.FAILED
    assert ran.json["reconciled"] is False
    reasons = {(one["organisation"], one["reason"]) for one in ran.json["differences"]}
    assert (NAGAOKA, "provision-missing") in reasons
    assert {fault["organisation"] for fault in ran.json["faults"]} == {NAGAOKA}


async def test_a_person_is_found_by_number_and_the_search_is_on_record(
    roots: Roots, number: UnifiedNumber
) -> None:
    auditor = await (await somebody(roots, UNION)).sign_in()

    found = await auditor.post("/v1/records:search", {"unified_number": number.text})
    again = await auditor.post("/v1/records:search", {"unified_number": number.text})
    nobody = await auditor.post("/v1/records:search", {"unified_number": "1"})

    kinds = [record["kind"] for record in found.body["records"]]  # type: ignore[attr-defined]
    assert sorted(kinds) == ["inquiry", "receipt"]
    assert again.body["records"][0]["kind"] == "records-read"  # type: ignore[index]
    assert nobody.body["records"] == []


async def test_an_operator_searches_for_nobody_and_opens_nothing(
    roots: Roots, number: UnifiedNumber
) -> None:
    operator = await (await somebody(roots, UNION, "operator")).sign_in()

    person = await operator.post("/v1/records:search", {"unified_number": number.text})
    found = await operator.post("/v1/records:search", {"kinds": ["receipt"], "limit": 1})
    entry_id = found.body["records"][0]["id"]  # type: ignore[index]
    shown = await operator.get(f"/v1/records/{entry_id}")
    export = await operator.post("/v1/records:export", {})

    assert (person.status, person.body["type"]) == (403, "not-permitted")
    assert (shown.body["private_state"], "private" in shown.body) == ("not-permitted", False)
    assert (export.status, export.body["type"]) == (403, "not-permitted")


async def test_a_shown_entry_proves_itself_and_hides_the_code(
    roots: Roots, number: UnifiedNumber
) -> None:
    auditor = await (await somebody(roots, NAGAOKA)).sign_in()
    found = await auditor.post("/v1/records:search", {"kinds": ["provision"], "limit": 1})
    record = found.body["records"][0]  # type: ignore[index]

    shown = await auditor.get(f"/v1/records/{record['id']}")

    proof = read_proof(str(shown.body["proof"]))
    checkpoint = proof.note.checkpoint
    leaf = bytes.fromhex(record["leaf_hash"])
    root = root_from_audit_path(checkpoint.size, proof.index, leaf, list(proof.path))
    private = shown.body["private"]
    assert root == checkpoint.root
    assert private["unified_number"] == number.text  # type: ignore[index]
    assert private["code"] == "hidden"  # type: ignore[index]


@pytest.mark.usefixtures("number")
async def test_pages_of_a_search_follow_each_other_without_gap(roots: Roots) -> None:
    auditor = await (await somebody(roots, UNION)).sign_in()
    whole = await auditor.post("/v1/records:search", {"kinds": ["inquiry", "receipt", "opened"]})
    expected = [record["id"] for record in whole.body["records"]]  # type: ignore[attr-defined]

    seen: list[str] = []
    after = None
    while True:
        body = {"kinds": ["inquiry", "receipt", "opened"], "limit": 3}
        page = await auditor.post("/v1/records:search", body | ({"after": after} if after else {}))
        seen += [record["id"] for record in page.body["records"]]  # type: ignore[attr-defined]
        after = page.body.get("next")
        if after is None:
            break

    assert seen == expected


def size_of(path: Path) -> int:
    return path.stat().st_size


def unpacked(bundle: Path, folder: Path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


def some_byte(folder: Path) -> tuple[int, int, int]:
    """A slot with more than its first entry, the index of its last one, a byte inside that."""
    with opened_bundle(folder) as files:
        for slot in range(8):
            export = read_slot(files, slot)
            if len(export.entries) > 1:
                assert leaf_hash(export.entries[-1]) == export.leaves[-1]
                at = len(files[f"slots/{slot}.entries"]) - 40
                return slot, export.end - 1, at
    raise AssertionError("no slot holds anything")
