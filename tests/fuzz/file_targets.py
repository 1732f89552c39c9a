"""More of what is fuzzed: files and answers that are not part of a log or of its proofs.

Backups, wrapped keys, held peers, facts of law, release rules, and the body of every request.
"""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Final

import msgspec

from certs.backup_manifest import read_manifest, sign_manifest
from certs.bodies import ListedBodies
from certs.errors import BackupError
from certs.held_peers import HeldPeer, read_held, write_held
from certs.master_file import WrappedMasterKey
from certs.master_key import MasterKey
from certs.master_passphrase import Argon2Cost, wrap_by_passphrase
from certs.sealed_files import FilePlace, SealedWriter, read_header
from certs.sealing_keys import SealingPrivateKey
from certs.typed_secret import TypedSecret
from codes.canonical import canonical_json, parse_canonical
from gateway.domain.backup import DATABASE, Manifest
from gateway.errors import InvalidRequestError
from gateway.records.witness import Holds, answer_text, parse_answer, parse_size_text, size_text
from gateway.storage.copy_rows import CopyRows, Row
from gateway.wire.codec import decode_json, encode_json
from policies.allow_list import AllowList
from policies.release import ReleaseRules, shipped_rules
from tests.fuzz import seeds
from tests.fuzz.accepted import AcceptedError, same, text_of
from tests.tools.zones import ZONES
from tests.unit.gateway.test_copy_rows import COPY
from tests.unit.policies.builders import an_allow_list
from tests.unit.records import made

REQUESTS: Final = tuple(
    {
        route.request.__name__: route.request
        for routes in ZONES.values()
        for route in routes
        if route.request is not None and issubclass(route.request, msgspec.Struct)
    }.values()
)
"""Every message that a listener reads; an input's first two bytes say which one it is for."""
_RULES: Final = b"""format = 1
version = "tests"
otherwise = "automatic"
[[rules]]
id = "nights"
from = 2026-07-01
when = { hours = { first = 22, last = 5 } }
then = "hold"
reason = "night"
approvals = 2
deadline_hours = 24
"""
_CHEAP: Final = Argon2Cost(memory_kib=64 * 1024, passes=3, lanes=1)
_LAW_BYTES_MAX: Final = 64 << 20


def _witness_answer(raw: bytes) -> None:
    lines = parse_answer(text_of(raw))
    same("".join(map(answer_text, lines)), raw)


def _witness_size(raw: bytes) -> None:
    same(size_text(parse_size_text(text_of(raw))), raw)


def _held_peers(raw: bytes) -> None:
    held = read_held(raw, network=seeds.directory().network)
    same(write_held(held), raw)
    if any(one.digest not in seeds.key_set_digests() for p in held.values() for one in p.key_sets):
        raise AcceptedError("a key set that nobody signed")


def _manifest(raw: bytes) -> None:
    try:
        msgspec.convert(read_manifest(raw), Manifest, strict=True)
    except msgspec.ValidationError:
        raise BackupError("manifest-unreadable", "another shape") from None


def _sealed_header(raw: bytes) -> None:
    read_header(BytesIO(raw))


def _copied(raw: bytes, step: int) -> tuple[list[Row], str]:
    rows, found = CopyRows(), list[Row]()
    try:
        for at in range(0, len(raw), step):
            found += rows.feed(raw[at : at + step])
        rows.end()
    except InvalidRequestError as error:
        return found, str(error)
    return found, ""


def _copy_rows(raw: bytes) -> None:
    """Read a COPY whole and in small pieces: that makes no difference."""
    found, refusal = whole = _copied(raw, max(1, len(raw)))
    pieces = _copied(raw, 7)
    if (refusal == "") != (pieces[1] == "") or (not refusal and pieces != whole):
        raise AcceptedError(f"in pieces it is {len(pieces[0])} rows, whole {len(found)}")
    if refusal:
        raise InvalidRequestError(refusal)


def _wrapped_key(raw: bytes) -> None:
    wrapped = WrappedMasterKey.parse(raw, name="master.key")
    same(wrapped.to_bytes().removesuffix(b"\n"), raw.removesuffix(b"\n"))


def _allow_list(raw: bytes) -> None:
    signed = parse_canonical(raw, bytes_max=_LAW_BYTES_MAX)
    law = AllowList.from_document(signed)
    if AllowList.from_document(law.to_document()) != law:
        raise AcceptedError("written and read again it is another law")


def _bodies(raw: bytes) -> None:
    same(ListedBodies.parse(raw).document, raw)


def _rules(raw: bytes) -> None:
    ReleaseRules.parse(text_of(raw))


def _rules_document(raw: bytes) -> None:
    rules = ReleaseRules.from_document(raw)
    if ReleaseRules.from_document(rules.to_document()) != rules:
        raise AcceptedError("written and read again it is other rules")


def _request(raw: bytes) -> None:
    """Read two bytes: which request; the rest is its body. Written again, it says the same."""
    type_ = REQUESTS[int.from_bytes(raw[:2], "big") % len(REQUESTS)]
    message = decode_json(raw[2:], type_)
    if decode_json(encode_json(message), type_) != message:
        raise AcceptedError(f"written and read again it is another {type_.__name__}")


def _held_seed() -> dict[str, bytes]:
    (part,) = (
        one
        for one in json.loads(seeds.directory().raw)["signed"]["organisations"]
        if one["name"] == "nagaoka"
    )
    organisation = seeds.directory().organisation("nagaoka")
    peer = HeldPeer(
        organisation="nagaoka",
        status=organisation.status,
        key_sets=organisation.key_sets,
        documents=tuple(part["key_sets"]),
        claimed="a" * 64,
    )
    return {"one": write_held({"nagaoka": peer}), "none": write_held({})}


def _manifest_seed() -> dict[str, bytes]:
    manifest = {
        "type": "backup",
        "version": 1,
        "kind": DATABASE,
        "id": "0" * 32,
        "network": seeds.NETWORK,
        "organisation": seeds.ORGANISATION,
        "program": "2026.11.0",
        "taken_at": "2026-11-23T02:00:00.000Z",
        "key_id": "0" * 64,
    }
    return {"empty": sign_manifest(manifest, made.a_signer())}


def _sealed_seed() -> dict[str, bytes]:
    file = BytesIO()
    place = FilePlace(network="n", organisation="o", backup_id="0" * 32, name="t.sealed")
    SealedWriter(file, place, SealingPrivateKey.generate().public).finish()
    return {"empty": file.getvalue()}


def _bodies_seed() -> dict[str, bytes]:
    return {"network": ListedBodies.of(seeds.directory().organisations).document}


def _request_seeds() -> dict[str, bytes]:
    bodies: dict[str, dict[str, object]] = {
        "RecordsSearch": {"kinds": ["inquiry"], "limit": 3, "permit_id": "a" * 32},
        "ProvidersRequest": {"items": [{"procedure": "第119条", "information": "x"}]},
        "StatementsFetchRequest": {"items": [{"permit_id": "b" * 32}]},
        "ReconciliationPeriod": {
            "begins": "2026-07-01T00:00:00.000Z",
            "ends": "2026-07-02T00:00:00.000Z",
        },
        "CorrectionNoticesRequest": {
            "groups": [json.loads(raw) for raw in seeds.of("group").values()],
            "items": [{"permit_id": "c" * 32, "group": 0, "index": 2}],
        },
    }
    names = [type_.__name__ for type_ in REQUESTS]
    return {
        name: names.index(name).to_bytes(2, "big") + json.dumps(body).encode()
        for name, body in bodies.items()
    }


READERS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "witness-answer": _witness_answer,
    "witness-size": _witness_size,
    "held-peers": _held_peers,
    "backup-manifest": _manifest,
    "sealed-header": _sealed_header,
    "copy-rows": _copy_rows,
    "wrapped-key": _wrapped_key,
    "allow-list": _allow_list,
    "bodies": _bodies,
    "rules": _rules,
    "rules-document": _rules_document,
    "request": _request,
}

SEEDS: Final[Mapping[str, Callable[[], Mapping[str, bytes]]]] = {
    "witness-answer": lambda: {"one": answer_text(seeds.cosigned_note().lines[-1]).encode()},
    "witness-size": lambda: {"some": size_text(Holds(812)).encode()},
    "held-peers": _held_seed,
    "backup-manifest": _manifest_seed,
    "sealed-header": _sealed_seed,
    "copy-rows": lambda: {"two": COPY},
    "wrapped-key": lambda: {
        "one": wrap_by_passphrase(
            MasterKey.generate(), TypedSecret("a passphrase of tests"), cost=_CHEAP
        ).to_bytes()
    },
    "allow-list": lambda: {
        "small": canonical_json(an_allow_list().to_document(), bytes_max=_LAW_BYTES_MAX)
    },
    "bodies": _bodies_seed,
    "rules": lambda: {"one": _RULES},
    "rules-document": lambda: {"shipped": shipped_rules().to_document()},
    "request": _request_seeds,
}
