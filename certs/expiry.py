"""Everything that runs out, in one table: for `sekisho certs expiry` and for a metric."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from certs.directory import Directory
from certs.own_keys import (
    LISTENERS,
    PrivateKeySet,
    certificate_files,
    read_certificate,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """One thing that stops being valid at `not_after`."""

    what: str
    """Stable slug: `tls-network`, `sealing-key`, `directory` …"""
    name: str
    """Which one: a short fingerprint, key id or version; nothing personal."""
    not_after: datetime

    def days_left(self, now: datetime) -> float:
        """Return the days until it runs out, negative afterwards."""
        return (self.not_after - now).total_seconds() / 86_400


def expiries(keys: Path, directory: Directory | None = None) -> list[Expiry]:
    """Return all that runs out of one organisation's `keys` directory and of the directory.

    Soonest first. Raises `KeyMaterialError` or another refusal if the keys cannot be read.
    """
    own = PrivateKeySet.load(keys)
    table = [*_of_keys(own), *_of_listeners(keys)]
    if directory is not None:
        table += _of_directory(directory)
    return sorted(table, key=lambda expiry: (expiry.not_after, expiry.what, expiry.name))


def _of_keys(own: PrivateKeySet) -> Iterable[Expiry]:
    newest = own.key_set
    yield Expiry(what="key-set", name=str(newest.version), not_after=newest.not_after)
    for certificate in newest.tls:
        yield Expiry(
            what="tls-network", name=certificate.sha256[:16], not_after=certificate.not_after
        )
    for key in newest.sealing:
        yield Expiry(what="sealing-key", name=key.key_id[:16], not_after=key.not_after)
    yield Expiry(what="root", name=str(own.root.version), not_after=own.root.not_after)


def _of_listeners(keys: Path) -> Iterable[Expiry]:
    for name in (name for listener in LISTENERS for name in (listener, f"{listener}-ca")):
        path = certificate_files(keys, name).certificate
        if path.exists():
            certificate = read_certificate(path)
            yield Expiry(
                what=f"tls-{name}", name=path.name, not_after=certificate.not_valid_after_utc
            )


def _of_directory(directory: Directory) -> Iterable[Expiry]:
    yield Expiry(what="directory", name=str(directory.version), not_after=directory.expires)
    key = directory.directory_key
    yield Expiry(what="directory-key", name=str(key.version), not_after=key.not_after)
    for permit_key in directory.core.permit_keys:
        yield Expiry(what="permit-key", name=permit_key.kid[:16], not_after=permit_key.not_after)
