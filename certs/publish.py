"""Making the next version of the directory and of the allow list, and keeping every one made.

published/directory.json                the current version
published/directories/00000001.json …   every version, kept so that old records verify
published/allow-lists/<digest>.json     every allow list, found by the directory's digest
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Final, Literal, TypeAlias

from certs.continuity import require_continuity
from certs.directory import (
    ALLOW_LIST_BYTES_MAX,
    ALLOW_LIST_TYPE,
    DIRECTORY_BYTES_MAX,
    DIRECTORY_TYPE,
    VALIDITY,
    Directory,
)
from certs.documents import (
    DocumentSigner,
    read_document,
    read_parsed,
    sign_document,
)
from certs.errors import DirectoryError
from certs.key_files import make_private_directory, write_file
from certs.keysets import KEY_SET_TYPE
from certs.names import CORE
from certs.organisations import ENROLLED, PermitPublicKey
from certs.own_keys import KEYS, load_directory_key, read_public, read_root
from codes.canonical import instant, parse_canonical
from codes.errors import CodesError

PUBLISHED: Final = "published"


class Keep(Enum):
    """Says that a change leaves something as it is, where nothing is itself a value."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
LawDay: TypeAlias = date | Literal[Keep.KEEP] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryChanges:
    """What the next version changes; an empty one only refreshes the validity."""

    law_day: LawDay = KEEP
    """A new law day, none to return to real days, or `KEEP`."""
    allow_list: Mapping[str, object] | None = None
    """The `signed` body of a new allow list; a version it does not state is counted up."""
    key_sets: tuple[bytes, ...] = ()
    """Signed key sets, each appended to its own organisation's chain."""
    re_enrolled: tuple[bytes, ...] = ()
    """First key sets that begin their organisation's chain anew: nobody before vouches for them.

    Whoever publishes one has compared its digest with the organisation; every gateway holds the
    peer on its old keys until its own operator has done the same, or a day has passed.
    """
    endpoints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Organisation → endpoint name → URL."""
    witnesses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    organisations: tuple[Mapping[str, object], ...] = ()
    """Whole entries of organisations to enrol (`Organisation.to_json`)."""
    withdrawn: tuple[str, ...] = ()
    permit_keys: tuple[PermitPublicKey, ...] = ()
    """Further permit keys of the core; expired ones are dropped."""
    permit_keys_revoked: bool = False
    """Drop the permit keys there are, also those that have not expired."""
    minimum_suite: str | None = None
    root: bytes | None = None
    """A new root, signed by the one before."""
    directory_key: bytes | None = None
    """A new directory key, signed by the newest root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The current directory and the allow list it names, as they go over the wire."""

    directory: bytes = field(repr=False)
    allow_list: bytes = field(repr=False)


def publish_directory(
    network_dir: Path,
    *,
    changes: DirectoryChanges,
    now: datetime,
    validity: timedelta = VALIDITY,
    signer: DocumentSigner | None = None,
) -> Directory:
    """Make, check, sign and store the next version; return it.

    `network_dir` is the network's directory or the core's `keys` directory alone, as a running
    core has it. `signer` is given only when the directory key changes with this version. What a
    gateway would refuse is refused here first, and nothing is stored. Raises `CertsError`.
    """
    keys = core_keys(network_dir)
    with _locked(keys):
        signer = signer or load_directory_key(keys)
        previous = read_directory(keys)
        allow_list = _next_allow_list(keys, previous, changes, signer)
        raw = next_directory(
            previous, changes, allow_list=allow_list, signer=signer, now=now, validity=validity
        )
        following = Directory.parse_archived(raw, root=read_root(keys / "root.json"))
        require_continuity(previous, following, broken=_re_enrolled(changes))
        store_published(keys, following, allow_list)
    return following


def next_directory(
    previous: Directory,
    changes: DirectoryChanges,
    *,
    allow_list: bytes,
    signer: DocumentSigner,
    now: datetime,
    validity: timedelta = VALIDITY,
) -> bytes:
    """Return the signed next version of `previous`; pure but for the signature's randomness."""
    signed = _signed_of(previous.raw)
    _change_trust(signed, changes)
    _change_organisations(signed, changes, now)
    if changes.law_day is None:
        signed.pop("law_day", None)
    elif changes.law_day is not KEEP:
        signed["law_day"] = changes.law_day.isoformat()
    if changes.minimum_suite is not None:
        signed["minimum_suite"] = changes.minimum_suite
    issued = max(now, previous.issued)
    signed |= {
        "version": previous.version + 1,
        "issued": instant(issued),
        "expires": _expiry(signed, issued + validity),
        "allow_list": allow_list_reference(allow_list),
    }
    return sign_document(signed, [signer], bytes_max=DIRECTORY_BYTES_MAX)


def sign_allow_list(body: Mapping[str, object], signer: DocumentSigner) -> bytes:
    """Return the allow list's document, signed by the directory key.

    `body` is the `signed` part as the policies make it; type and version 1 are added if absent.
    """
    signed = {"version": 1, **body, "type": ALLOW_LIST_TYPE}
    return sign_document(signed, [signer], bytes_max=ALLOW_LIST_BYTES_MAX)


def allow_list_reference(raw: bytes) -> dict[str, object]:
    """Return what the directory says of an allow list: its version and digest."""
    document = read_document(raw, type_=ALLOW_LIST_TYPE, bytes_max=ALLOW_LIST_BYTES_MAX)
    return {"version": document.signed["version"], "digest": document.digest}


def read_published(network_dir: Path) -> Published:
    """Return the current directory and its allow list, bytes as they were published."""
    keys = core_keys(network_dir)
    directory = read_directory(keys)
    return Published(directory=directory.raw, allow_list=_read_allow_list(keys, directory))


def read_directory(keys: Path) -> Directory:
    """Return the current version from the core's `keys` directory; it may have expired."""
    raw = read_public(keys / PUBLISHED / "directory.json")
    return Directory.parse_archived(raw, root=read_root(keys / "root.json"))


def store_published(keys: Path, directory: Directory, allow_list: bytes) -> None:
    """Keep this version and its allow list, then make it the current one."""
    place = make_private_directory(keys / PUBLISHED)
    versions = make_private_directory(place / "directories")
    lists = make_private_directory(place / "allow-lists")
    # The current file changes last: whoever reads it finds everything that it names.
    write_file(lists / f"{directory.allow_list_digest}.json", allow_list)
    write_file(versions / f"{directory.version:08d}.json", directory.raw)
    write_file(place / "directory.json", directory.raw)


def core_keys(network_dir: Path) -> Path:
    """Return the core's `keys` directory inside a network's directory, or the path itself."""
    inside = network_dir / "organisations" / CORE / KEYS
    return inside if inside.is_dir() else network_dir


@contextmanager
def _locked(keys: Path) -> Iterator[None]:
    # The running core refreshes while an operator publishes: one version number each.
    place = make_private_directory(keys / PUBLISHED)
    with (place / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read_allow_list(keys: Path, directory: Directory) -> bytes:
    return read_public(keys / PUBLISHED / "allow-lists" / f"{directory.allow_list_digest}.json")


def _next_allow_list(
    keys: Path, previous: Directory, changes: DirectoryChanges, signer: DocumentSigner
) -> bytes:
    current = _read_allow_list(keys, previous)
    if changes.allow_list is not None:
        body = {"version": previous.allow_list_version + 1, **changes.allow_list}
        return sign_allow_list(body, signer)
    if changes.directory_key is None:
        return current
    # The list in force is verified by the directory key in force: signed anew, same content.
    document = read_document(current, type_=ALLOW_LIST_TYPE, bytes_max=ALLOW_LIST_BYTES_MAX)
    return sign_allow_list(document.signed, signer)


def _signed_of(raw: bytes) -> dict[str, object]:
    document = read_document(raw, type_=DIRECTORY_TYPE, bytes_max=DIRECTORY_BYTES_MAX)
    return dict(document.signed)


def _change_trust(signed: dict[str, object], changes: DirectoryChanges) -> None:
    if changes.root is not None:
        roots = signed["roots"]
        assert isinstance(roots, list)  # a verified directory has them
        signed["roots"] = [*roots, _parsed(changes.root)]
    if changes.directory_key is not None:
        signed["directory_key"] = _parsed(changes.directory_key)


def _change_organisations(
    signed: dict[str, object], changes: DirectoryChanges, now: datetime
) -> None:
    listed = signed["organisations"]
    assert isinstance(listed, list)  # a verified directory has them
    entries: dict[str, dict[str, object]] = {entry["name"]: dict(entry) for entry in listed}
    for raw in changes.key_sets:
        value = _parsed(raw)
        entry = _entry(entries, _owner(value))
        chain = entry["key_sets"]
        assert isinstance(chain, list)  # a verified directory has them
        entry["key_sets"] = [*chain, value]
    for raw in changes.re_enrolled:
        value = _parsed(raw)
        _entry(entries, _owner(value)).update(key_sets=[value], status=ENROLLED)
    for name, endpoints in changes.endpoints.items():
        _entry(entries, name)["endpoints"] = dict(endpoints)
    for name, witnesses in changes.witnesses.items():
        _entry(entries, name)["witnesses"] = list(witnesses)
    for name in changes.withdrawn:
        _entry(entries, name)["status"] = "withdrawn"
    if changes.permit_keys:
        core = _entry(entries, CORE)
        if changes.permit_keys_revoked:
            del core["permit_keys"]
        _add_permit_keys(core, changes.permit_keys, now)
    signed["organisations"] = [*entries.values(), *map(dict, changes.organisations)]


def _re_enrolled(changes: DirectoryChanges) -> frozenset[str]:
    return frozenset(_owner(_parsed(raw)) for raw in changes.re_enrolled)


def _owner(key_set: object) -> str:
    return str(read_parsed(key_set, type_=KEY_SET_TYPE).signed.get("organisation"))


def _add_permit_keys(
    entry: dict[str, object], added: tuple[PermitPublicKey, ...], now: datetime
) -> None:
    held = entry.get("permit_keys", [])
    assert isinstance(held, list)  # a verified directory has them
    living = [key for key in map(PermitPublicKey.from_json, held) if now < key.not_after]
    entry["permit_keys"] = [key.to_json() for key in (*living, *added)]


def _entry(entries: Mapping[str, dict[str, object]], name: str) -> dict[str, object]:
    if name not in entries:
        raise DirectoryError("unknown-organisation", "directory change")
    return entries[name]


def _expiry(signed: Mapping[str, object], wished: datetime) -> str:
    # Instants of one written form compare as text; nothing outlives the keys that vouch for it.
    roots = signed["roots"]
    assert isinstance(roots, list)  # a verified directory has them
    directory_key = read_parsed(signed["directory_key"], type_="directory-key").signed
    root = read_parsed(roots[-1], type_="root").signed
    return min(instant(wished), str(directory_key["not_after"]), str(root["not_after"]))


def _parsed(raw: bytes) -> dict[str, object]:
    try:
        return parse_canonical(raw, bytes_max=DIRECTORY_BYTES_MAX)
    except CodesError as error:
        raise DirectoryError(error.reason, "directory change") from error
