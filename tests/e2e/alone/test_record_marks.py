"""The mark of 法23② set and lifted afterwards: all three keep it, and nothing differs by it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from codes.canonical import instant, unb64
from gateway.cli.bundles import opened_bundle
from gateway.cli.output import ExitCode
from gateway.records.entry import parse_entry
from gateway.storage.records import find_by_permit
from tests.damage.judges import by_one_file, by_the_program
from tests.e2e.alone.offices import CORE, NAGAOKA, UNION, Office, entries, inquiry_of, until
from tests.e2e.parties import Network
from tests.e2e.staff import fresh, run_cli, run_offline


async def test_a_mark_set_afterwards_is_kept_by_all_three_and_lifted_again(
    network: Network, offices: dict[str, Office], permit: str
) -> None:
    union, city = offices[UNION], offices[NAGAOKA]
    inquiry = await inquiry_of(union, permit)

    made = [await union.correct(inquiry, {"non_disclosure": mark}) for mark in (1, 0)]
    same = await union.correct(inquiry, {"non_disclosure": 0})

    async def is_told() -> bool:
        return len(await entries(city.context, permit, "correction-received")) == 2

    await until(is_told)
    own = await entries(union.context, permit, "correction")

    async def core_marks() -> list[int | None]:
        async with network.core_database.read() as connection:
            stored = await find_by_permit(connection, [permit])
        return [
            parse_entry(one.leaf).public.non_disclosure  # type: ignore[attr-defined]
            for one in stored
            if one.kind == "correction"
        ]

    async def core_is_told() -> bool:
        return len(await core_marks()) == 2

    await until(core_is_told)
    received = [
        parse_entry(unb64(str((one.private or {})["statement"]))).public
        for one in await entries(city.context, permit, "correction-received")
    ]

    assert [one.status for one in made] == [201, 201]
    assert (same.status, same.body["reason"]) == (403, "changes-nothing")
    assert [one.public.non_disclosure for one in own] == [1, 0]  # type: ignore[attr-defined]
    assert sorted(one.non_disclosure for one in received) == [0, 1]  # type: ignore[attr-defined]
    assert sorted(one for one in await core_marks() if one is not None) == [0, 1]


async def test_a_changed_mark_makes_nobody_differ_and_both_verifiers_take_it(
    network: Network, offices: dict[str, Office], permit: str, tmp_path: Path
) -> None:
    union, city = offices[UNION], offices[NAGAOKA]
    provision = (await city.entry(permit, "provision")).stored.entry_id
    await union.correct(await inquiry_of(union, permit), {"non_disclosure": 1})
    await city.correct(provision, {"non_disclosure_provider": 1, "department": "福祉課"})

    async def are_told() -> bool:
        async with network.core_database.read() as connection:
            stored = await find_by_permit(connection, [permit])
        kinds = [one.kind for one in stored]
        there = [await entries(one.context, permit, "correction-received") for one in (union, city)]
        return kinds.count("correction") == kinds.count("outcome") == 2 and all(there)

    await until(are_told)
    root = network.parties[NAGAOKA].settings.network.keys_dir / "root.json"
    bundles = {name: tmp_path / f"{name}.zip" for name in (UNION, NAGAOKA, CORE)}
    for name, office in offices.items():
        line = await fresh(network, office.officer, name)
        ran = await run_cli(network, name, "records", "export", str(bundles[name]), lines=[line])
        assert ran.code == ExitCode.DONE
    await network.parties[CORE].role.commands["records-export"]({"target": str(bundles[CORE])})

    said = {}
    for name, bundle in bundles.items():
        with opened_bundle(bundle) as files:
            said[name] = (by_the_program(files, root).faults, by_one_file(files, root).faults)
    exports = [str(path) for path in bundles.values()]
    three = await run_offline("records", "reconcile", *exports, "--root", str(root))
    now = datetime.now(UTC)
    online = {
        name: (
            await office.officer.post(
                "/v1/reconciliations",
                {
                    "begins": instant(now - timedelta(days=1)),
                    "ends": instant(now + timedelta(days=1)),
                },
            )
        ).body
        for name, office in offices.items()
    }

    assert set(said.values()) == {((), ())}
    assert (three.code, three.json["differences"]) == (ExitCode.DONE, [])
    assert [(one["agreed"], one["mended"]) for one in online.values()] == [(True, 0)] * 2
