"""Damage that a log with its own keys can do, opened private parts, and the bundle as a whole."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.records.bundle import Files
from gateway.records.entry import Entry
from gateway.records.kinds import Receipt
from tests.damage.good import ORGANISATION, PEER, SIZE, STARTS, Good, a_receipt, at
from tests.damage.kept import case_of
from tests.unit.records import made

# What a log that holds its own keys can do: all is signed, something in it is false.


def _signed(good: Good, entries: dict[int, Entry], **range_: int) -> Files:
    export = good.logs[0].rewritten(entries).export(**range_)
    return good.files(replace(export, private={}))


@case_of(
    "entries are dated before a checkpoint that does not hold them", reason="back-dated", index=12
)
def back_dating(good: Good) -> Files:
    early = {
        index: made.an_entry(number=index, time=at(8) + timedelta(seconds=index))
        for index in range(9, SIZE)
    }
    return _signed(good, early)


@case_of("entries are dated after a checkpoint that holds them", reason="back-dated", index=13)
def forward_dating(good: Good) -> Files:
    late = {
        index: made.an_entry(number=index, time=at(20) + timedelta(seconds=index))
        for index in range(13, SIZE)
    }
    return _signed(good, late)


@case_of("an entry is older than the one before it", reason="time-decreases", index=12)
def decreasing_time(good: Good) -> Files:
    return _signed(good, {12: made.an_entry(number=12, time=at(10))})


@case_of("an entry is another organisation's", reason="wrong-organisation", index=16)
def other_organisation(good: Good) -> Files:
    return _signed(good, {16: made.an_entry(number=16, time=at(16), organisation=PEER)})


@case_of("an entry is another slot's", reason="wrong-slot", index=16)
def other_slot(good: Good) -> Files:
    return _signed(good, {16: made.an_entry(number=16, time=at(16), slot=1)})


@case_of("a slot does not begin with its opening", reason="not-opened", index=0)
def not_opened(good: Good) -> Files:
    return _signed(good, {0: made.an_entry(number=0, time=STARTS)}, first=0)


@case_of("an entry is not written in the canonical way", reason="not-canonical", index=16)
def not_canonical(good: Good) -> Files:
    entry = good.logs[0].entries[16]
    return _signed(good, {16: replace(entry, raw=entry.raw.replace(b'"v":1', b'"v": 1'))})


@case_of("an entry is of a version that nobody knows", reason="bad-entry", index=16)
def unknown_version(good: Good) -> Files:
    entry = good.logs[0].entries[16]
    return _signed(good, {16: replace(entry, raw=entry.raw.replace(b'"v":1', b'"v":2'))})


# Private parts that were opened.


def _opened(good: Good, change: Callable[[dict[int, bytes]], object]) -> Files:
    private = dict(good.exports[0].private)
    change(private)
    return good.files(replace(good.exports[0], private=private))


@case_of("a character of an opened private part is another", reason="private-mismatch", index=12)
def edited_private_part(good: Good) -> Files:
    return _opened(good, lambda held: held.update({12: held[12].replace(b"12", b"13", 1)}))


@case_of(
    "a private part was opened with another month's key: it is that month's entry's",
    reason="private-mismatch",
    index=12,
)
def wrong_month_key(good: Good) -> Files:
    return _opened(good, lambda held: held.update({12: held[9]}))


@case_of("the private part of an entry that is not here", reason="private-mismatch", index=40)
def stray_private_part(good: Good) -> Files:
    return _opened(good, lambda held: held.update({40: held[12]}))


@case_of("the answers of two receipts changed places", reason="private-mismatch", index=13)
def swapped_receipt(good: Good) -> Files:
    return _opened(good, lambda held: held.update({13: held[14], 14: held[13]}))


def _received(good: Good, **more: Any) -> Files:
    receipt = a_receipt(13, good.peer, good.peer_note, **{"answer": 2, "exchange": 0, **more})
    return good.files(good.logs[0].rewritten({13: receipt}).export())


@case_of(
    "an organisation recorded another exchange's answer beside a permit",
    reason="receipt-mismatch",
    index=13,
)
def receipt_of_another_exchange(good: Good) -> Files:
    return _received(good, answer=3)


@case_of("a receipt names another answer than it holds", reason="receipt-mismatch", index=13)
def receipt_names_another(good: Good) -> Files:
    return _received(good, leaf="8" * 64)


@case_of(
    "a receipt holds an answer that its peer never recorded", reason="receipt-unproved", index=13
)
def invented_answer(good: Good) -> Files:
    answer = made.an_entry(
        "provision", members=_members(good), number=999, time=at(11), organisation=PEER
    )
    return _received(good, leaf=answer.leaf_hash.hex(), raw=answer.raw)


@case_of("the peer's checkpoint is not in the bundle", reason="receipt-unproved", index=13)
def no_peer_checkpoint(good: Good) -> Files:
    return good.files(peer_notes=())


# The bundle as a whole.


@case_of("the bundle is another network's", reason="other-log", slot=None)
def other_network(good: Good) -> Files:
    return good.files(network="othernet")


@case_of("the bundle is of nobody whom the directory lists", reason="other-log", slot=None)
def other_organisation_of_bundle(good: Good) -> Files:
    return good.files(organisation="nobody")


@case_of("the manifest is no manifest", reason="bad-bundle", slot=None)
def bad_manifest(good: Good) -> Files:
    return {**good.files(), "bundle.json": b"{}"}


@case_of("the manifest has a member that nobody knows", reason="bad-bundle", slot=None)
def unknown_member(good: Good) -> Files:
    files = dict(good.files())
    return files | {"bundle.json": files["bundle.json"].replace(b'{"begins"', b'{"a":1,"begins"')}


@case_of("a slot's description is missing", reason="bad-bundle")
def no_description(good: Good) -> Files:
    return {name: raw for name, raw in good.files().items() if name != "slots/0.json"}


@case_of("the file of leaf hashes is cut inside one", reason="bad-bundle")
def leaves_cut(good: Good) -> Files:
    files = dict(good.files())
    return files | {"slots/0.leaves": files["slots/0.leaves"][:-1]}


@case_of("the hashes left of the range are one short", reason="bad-bundle")
def left_edge_cut(good: Good) -> Files:
    export = good.exports[0]
    return good.files(replace(export, left=export.left[1:]))


@case_of("the directory was changed after it was signed", reason="signature-invalid", slot=None)
def directory_changed(good: Good) -> Files:
    raw = good.network.directory.raw
    changed = raw.replace(b'"slots":8', b'"slots":7', 1)
    assert changed != raw
    return good.files(directory=changed)


def _members(good: Good) -> dict[str, object]:
    public = good.logs[0].entries[13].public
    assert isinstance(public, Receipt)
    return {
        **made.PROVISION,
        "permit_id": public.permit_id,
        "inquiry_leaf": public.inquiry_leaf,
        "inquirer": ORGANISATION,
    }
