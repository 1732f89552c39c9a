"""Whom this organisation trusts just now, and by which keys: one verified directory at a time.

The directory and the allow list come from the core, but nothing here believes the core: both are
verified down to the pinned root, their continuity with what was seen before is required, and what
has expired stops every new exchange (PROTOCOL §1).
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from certs.continuity import broken_chains, require_continuity
from certs.directory import Directory
from certs.errors import CertsError, DirectoryError, KeyMaterialError
from certs.held_peers import HeldPeer, read_held
from certs.log_keys import LogPublicKeys, LogSigner, WitnessKey
from certs.organisations import Organisation
from certs.own_keys import CertificateFiles, PrivateKeySet
from certs.sealing import SealingPrivateKey
from codes.canonical import tokyo_day
from gateway.clock import CLOCK_OFF_MAX, Clock
from gateway.errors import ClockOffError, StaleDirectoryError
from gateway.flows.own_keys import OwnKeys
from gateway.records.statements import VerifiedNotes
from policies.allow_list import AllowList

CORE: Final = "core"

Adopted = Callable[[Directory, Directory | None], None]
LookForDirectory = Callable[[], Awaitable[object]]


class Trust:
    """The present directory and allow list beside this organisation's own private keys."""

    def __init__(
        self,
        *,
        keys: PrivateKeySet,
        directory: Directory,
        law: AllowList,
        raw_allow_list: bytes,
        clock: Clock,
        environment: str,
        held: Mapping[str, HeldPeer] = MappingProxyType({}),
        holds_peers: bool = True,
    ) -> None:
        self._own = OwnKeys(keys)
        self.organisation: Final = keys.organisation
        self.network: Final = keys.network
        self.verified_notes: Final = VerifiedNotes()
        self._clock = clock
        self._holds_peers = holds_peers
        self._listed = directory
        self._held = held
        self._directory = directory.holding(held, clock.now())
        self._law = law
        self._raw_allow_list = raw_allow_list
        self._environment = environment
        self._watchers: list[Adopted] = []
        self._fetch: LookForDirectory | None = None
        self._floor = (directory.version, directory.digest)
        self.is_clock_off = False
        self.is_rolled_back = False
        """Whether somebody of us has seen a higher version than the one this trust opened with."""
        self.is_disowned = False
        """Whether the directory last seen says something else of us than we do (PROTOCOL §1)."""

    @classmethod
    def open(
        cls,
        *,
        keys: PrivateKeySet,
        raw_directory: bytes,
        raw_allow_list: bytes,
        clock: Clock,
        environment: str,
        raw_held: bytes | None = None,
        holds_peers: bool = True,
    ) -> "Trust":
        """Return trust from the last documents kept beside the keys; an expired one opens too.

        `raw_held` are the peers held on keys from before (`write_held`), if there are any.

        What expired while the gateway was down must still authenticate the core it is renewed
        from; `require_fresh` keeps every exchange shut until then.
        """
        try:
            directory = Directory.parse(
                raw_directory, root=keys.root, now=clock.now(), environment=environment
            )
        except CertsError as error:
            if error.reason != "directory-expired":
                raise
            directory = Directory.parse_archived(raw_directory, root=keys.root)
        law = AllowList.from_document(directory.verify_allow_list(raw_allow_list))
        held = read_held(raw_held, network=keys.network) if raw_held is not None else {}
        return cls(
            keys=keys,
            directory=directory,
            law=law,
            raw_allow_list=raw_allow_list,
            clock=clock,
            environment=environment,
            held=_still_broken(held, directory),
            holds_peers=holds_peers,
        )

    @property
    def directory(self) -> Directory:
        """The newest directory that was verified, with held peers under the keys from before."""
        return self._directory

    def listed(self, organisation: str) -> Organisation:
        """Return an organisation as the directory itself lists it, or raise a `CertsError`."""
        return self._listed.organisation(organisation)

    @property
    def held(self) -> Mapping[str, HeldPeer]:
        """Peers held on the keys they had before their chain broke, by name."""
        return self._held

    @property
    def keys(self) -> PrivateKeySet:
        """Our own keys as they were read last."""
        return self._own.all

    @property
    def network_certificate(self) -> CertificateFiles:
        """The certificate to show to others now."""
        return self._own.certificate(self._directory, self._clock.now())

    def log_signer_at(self, moment: datetime) -> LogSigner:
        """Return the log key to sign with at that moment."""
        return self._own.log_signer(self._directory, moment)

    def witness_key_at(self, moment: datetime) -> WitnessKey:
        """Return the witness key to cosign with at that moment."""
        return self._own.witness_key(self._directory, moment)

    def live_log_keys(self, organisation: str, signed_at: datetime) -> LogPublicKeys:
        """Return the keys a checkpoint shown just now verifies by, or raise a `CertsError`."""
        party = self._directory.organisation(organisation)
        return party.live_log_keys(signed_at, self._clock.now())

    @property
    def law(self) -> AllowList:
        """The allow list that the present directory names."""
        return self._law

    @property
    def raw_allow_list(self) -> bytes:
        """The same as it was signed."""
        return self._raw_allow_list

    @property
    def core(self) -> str:
        """The core's name."""
        return CORE

    def watch(self, adopted: Adopted) -> None:
        """Call `adopted(new, old)` whenever another directory takes the place of the present."""
        self._watchers.append(adopted)

    def adopt(self, raw_directory: bytes, raw_allow_list: bytes | None) -> bool:
        """Take a newer directory; tells whether anything changed.

        `raw_allow_list` may be left out where the directory names the present list. Raises a
        `CertsError` and changes nothing when it does not verify, is older than what was seen, or
        breaks continuity.
        """
        now = self._clock.now()
        following = self._read(raw_directory, now)
        is_new = following.digest != self._listed.digest
        if is_new:
            self._own.read_again()
            self._own.follow()
        self.is_disowned = True
        self._own.require_listed(following, now)
        self.is_disowned = False
        if not is_new:
            return False
        self._require_floor(following)
        broken = broken_chains(self._directory, following)
        require_continuity(self._directory, following, broken=broken)
        held = {name: peer for name, peer in broken.items() if self._is_held(peer)}
        shown = following.holding(held, now)
        law, raw_law = self._law, self._raw_allow_list
        if following.allow_list_digest != self._listed.allow_list_digest:
            if raw_allow_list is None:
                raise KeyMaterialError("allow-list-missing", f"version {following.version}")
            raw_law = raw_allow_list
            law = AllowList.from_document(following.verify_allow_list(raw_law))
        self._listed, self._law, self._held = following, law, held
        self._raw_allow_list = raw_law
        self.hold_to(following.version, following.digest)
        self.is_rolled_back = False
        self._show(shown)
        return True

    def accept(self, organisation: str, claimed: str) -> bool:
        """Believe what the directory claims of a held peer; tells whether it claims just that."""
        peer = self._held.get(organisation)
        if peer is None or peer.claimed != claimed:
            return False
        held = {name: one for name, one in self._held.items() if name != organisation}
        shown = self._listed.holding(held, self._clock.now())
        self._held = held
        self._show(shown)
        return True

    def turn(self) -> None:
        """Follow the clock: key sets announced for later begin, certificates end."""
        now = self._clock.now()
        if self._directory.is_turning(now):
            self._show(self._directory.at(now))

    def read_keys_again(self) -> None:
        """Take our keys as they lie in their folder now; what was destroyed is forgotten."""
        self._own.read_again()

    def go_ahead(self) -> None:
        """Show ourselves by our newest certificate: the core refused the one in use."""
        self._own.go_ahead()
        self._show(self._directory)

    def fetch_with(self, fetch: LookForDirectory) -> None:
        """Use `fetch` to look for a newer directory."""
        self._fetch = fetch

    async def look(self) -> None:
        """Look for a newer directory once, because somebody showed us something unknown."""
        if self._fetch is not None:
            await self._fetch()

    def needs_allow_list(self, raw_directory: bytes) -> bool:
        """Tell whether this directory names another allow list than the present one."""
        following = self._read(raw_directory, self._clock.now())
        return following.allow_list_digest != self._listed.allow_list_digest

    def hold_to(self, version: int, digest: str) -> None:
        """Adopt nothing older than this version, and under its number nothing else."""
        if version > self._floor[0]:
            self._floor = version, digest

    def look_back(self, version: int, digest: str) -> None:
        """Compare what this trust opened with to the highest version anybody of us has seen.

        If it is older, or another one under the same number, no exchange begins until one that
        is as new was adopted.
        """
        ours = self._directory
        self.is_rolled_back = version > ours.version or (
            version == ours.version and digest != ours.digest
        )
        self._floor = max(self._floor, (version, digest), key=lambda seen: seen[0])

    def troubles(self, now: datetime) -> tuple[str, ...]:
        """Return the slugs of what keeps every exchange shut, each thing once."""
        found = {
            "directory-expired": now >= self._directory.expires,
            "directory-rollback": self.is_rolled_back,
            "clock-off": self.is_clock_off,
            "own-entry-differs": self.is_disowned,
        }
        return tuple(slug for slug, is_so in found.items() if is_so)

    def compare_clocks(self, theirs: datetime | None, ours: datetime) -> None:
        """Remember whether our clock and the core's are further apart than an exchange bears."""
        if theirs is not None:
            self.is_clock_off = abs(theirs - ours) > CLOCK_OFF_MAX

    def require_fresh(self, now: datetime) -> None:
        """Return quietly while directory and clock can be relied on, else raise: no new exchange.

        Raises `StaleDirectoryError` and `ClockOffError`.
        """
        if self.is_clock_off:
            raise ClockOffError("clock: too far from the core's")
        if self.is_rolled_back:
            raise StaleDirectoryError(f"directory: version {self._floor[0]} was seen before")
        try:
            self._directory.require_fresh(now)
        except CertsError:
            raise StaleDirectoryError(f"directory: version {self._directory.version}") from None

    def law_day(self, now: datetime) -> date:
        """Return the day whose law counts: today in Tokyo, or a development network's own day."""
        return self._directory.law_day or tokyo_day(now)

    def sealing_public_key(self, organisation: str) -> bytes:
        """Return the key to seal to an organisation now, or raise a `CertsError`."""
        return self._directory.current_sealing_key(organisation, self._clock.now()).public

    def reply_key(self) -> str:
        """Return the id of our own sealing key that answers are asked to be sealed to now."""
        key = self._directory.current_sealing_key(self.organisation, self._clock.now())
        self.sealing_private(key.key_id)
        return key.key_id

    def sealing_private(self, key_id: str) -> SealingPrivateKey:
        """Return the private half of one of our sealing keys, or raise `KeyMaterialError`."""
        return self._own.sealing(key_id)

    def _is_held(self, peer: HeldPeer) -> bool:
        # Of ourselves we know better than any directory; the core enrols, and compares by that.
        return self._holds_peers and peer.organisation != self.organisation

    def _show(self, shown: Directory) -> None:
        before, self._directory = self._directory, shown
        for watcher in self._watchers:
            watcher(shown, before)

    def _read(self, raw: bytes, now: datetime) -> Directory:
        """Return the verified directory; the one in use, shown again, is not verified anew."""
        if raw == self._listed.raw and self._listed.issued <= now:
            self._listed.require_fresh(now)
            return self._listed
        return Directory.parse(
            raw,
            root=self.keys.root,
            now=now,
            environment=self._environment,
            previous=self._listed,
        )

    def _require_floor(self, following: Directory) -> None:
        version, digest = self._floor
        if following.version < version:
            raise DirectoryError("rollback", f"version {following.version}, seen {version}")
        if following.version == version and following.digest != digest:
            raise DirectoryError("equivocation", f"version {version}")


def _still_broken(held: Mapping[str, HeldPeer], listed: Directory) -> dict[str, HeldPeer]:
    """Return those of the peers held before that the directory does not continue even now."""
    return {
        name: peer
        for name, peer in held.items()
        if name in listed.organisations
        and HeldPeer.of(peer.shown_in(listed.organisations[name]), listed.organisations[name])
        is not None
    }
