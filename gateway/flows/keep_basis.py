"""What decisions rest on is kept: the allow list, the bodies of the directory, the release rules.

At the start of a worker and after each adopted directory; a row and its entry (`allow-list-changed`
or `rules-changed`) are made only when one of the three is another one than before, so that versions
of the directory in which only keys changed leave nothing behind. Afterwards whoever checks a
decision finds what stood at its time (`check_provisions.py`).

Never a judgement: what is kept here was verified when it was adopted.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from certs.bodies import ListedBodies
from codes.canonical import instant, parse_instant
from gateway.errors import ConfigurationError, SekishoError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, new_id
from gateway.logs import get_logger
from gateway.storage import basis
from gateway.storage.basis import Basis, BasisInUse
from policies.release import ReleaseRules

LAW_KIND: Final = "allow-list-changed"
RULES_KIND: Final = "rules-changed"
SOURCE: Final = "basis"
TRIES: Final = 8
"""How often another worker may be quicker before the next directory is waited for."""

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Present:
    """What this worker decides by just now, and the documents of it."""

    basis: Basis
    allow_list: bytes = field(repr=False)
    bodies: bytes = field(repr=False)
    rules: bytes = field(repr=False)


class KeepBasis:
    """Keeps what one worker decides by; of several workers, whoever is first."""

    def __init__(self, context: Context, rules: ReleaseRules) -> None:
        self._context = context
        self._rules = rules
        self._rules_document = rules.to_document()
        self._rules_digest = hashlib.sha256(self._rules_document).hexdigest()
        self._turn = asyncio.Lock()
        self._adopted: str | None = None
        self._since = context.clock.now()
        self._kept: str | None = None

    async def begin(self) -> None:
        """At start: refuse rules that go by the name of others, and keep what there is.

        Raises:
            ConfigurationError: the version of the release rules was in use with other content.
            UnavailableError: there is no database.
        """
        async with self._context.database.read() as connection:
            self._require_own_version(await basis.every(connection))
        await self.keep()

    async def keep(self) -> None:
        """Keep what is in use since the last directory; nothing if that is kept already.

        What cannot be recorded just now is tried again with the next look for a directory, and
        has been in use since it was adopted all the same.
        """
        async with self._turn:
            trust = self._context.trust
            if trust.directory.digest != self._adopted:
                self._adopted, self._since = trust.directory.digest, self._context.clock.now()
            if self._adopted == self._kept or trust.is_rolled_back:
                return  # after a rollback nobody decides anything until a newer one is adopted
            try:
                await self._keep(await self._present())
            except ConfigurationError:
                raise
            except SekishoError as error:
                log.warning("basis_not_kept", problem=error.problem)

    async def _keep(self, present: _Present) -> None:
        for _ in range(TRIES):
            async with self._context.database.read() as connection:
                rows = await basis.every(connection)
                self._require_own_version(rows)
                due = next_basis(rows, present.basis, is_start=self._kept is None)
                if due is None:
                    self._kept = present.basis.directory
                    return
                await basis.store_document(connection, "allow-list", present.allow_list)
                await basis.store_document(connection, "bodies", present.bodies)
                await basis.store_document(connection, "rules", present.rules)
            kind, row = due
            draft = Draft(
                entry_id=row.entry_id,
                kind=kind,
                members={},
                private=row.to_json(),
                effects=(BasisInUse(basis=row),),
            )
            (outcome,) = await self._context.writer.append([draft], source=SOURCE)
            if isinstance(outcome, Recorded):
                log.info("basis_kept", kind=kind, directory_version=row.directory_version)
            elif not isinstance(outcome, EffectRefusedError):
                raise outcome
            # Refused: a worker beside this one was quicker, perhaps with the very same.
        log.warning("basis_not_kept", problem="effect-refused")

    def _require_own_version(self, rows: Sequence[Basis]) -> None:
        for row in rows:
            if row.rules_version == self._rules.version and row.rules != self._rules_digest:
                raise ConfigurationError(
                    f"release rules: version {row.rules_version} was in use with other content"
                    f" since {instant(row.since)} and stands in the records made under it;"
                    " give changed rules a version of their own"
                )

    async def _present(self) -> _Present:
        trust = self._context.trust
        directory, law, raw_list = trust.directory, trust.law, trust.raw_allow_list
        bodies = await asyncio.to_thread(ListedBodies.of, directory.organisations)
        return _Present(
            basis=Basis(
                number=1,
                entry_id=new_id(),
                since=_written(self._since),
                directory_version=directory.version,
                directory=directory.digest,
                allow_list_version=directory.allow_list_version,
                allow_list=directory.allow_list_digest,
                law_version=law.law_version,
                allow_list_document=hashlib.sha256(raw_list).hexdigest(),
                bodies=bodies.digest,
                rules_version=self._rules.version,
                rules=self._rules_digest,
            ),
            allow_list=raw_list,
            bodies=bodies.document,
            rules=self._rules_document,
        )


def next_basis(
    rows: Sequence[Basis], present: Basis, *, is_start: bool
) -> tuple[str, Basis] | None:
    """Return what is to be recorded next and as which kind; None if all of it is.

    Law and bodies follow the directory's versions; those of a version before the newest, from a
    worker that is behind, take their place in between. Rules change at a start and never with a
    directory: else two workers with different ones would change them for ever.
    """
    here = replace(
        present, number=1 + max((row.number for row in rows), default=0), entry_id=new_id()
    )
    if not rows:
        return LAW_KIND, here
    newest = rows[-1]
    before = [row for row in rows if row.directory_version <= here.directory_version]
    if not before or _law(before[-1]) != _law(here):
        return LAW_KIND, replace(here, rules_version=newest.rules_version, rules=newest.rules)
    if is_start and newest.rules != here.rules:
        return RULES_KIND, replace(
            newest,
            number=here.number,
            entry_id=here.entry_id,
            since=here.since,
            rules_version=here.rules_version,
            rules=here.rules,
        )
    return None


def _law(row: Basis) -> tuple[str, str]:
    return row.allow_list, row.bodies


def _written(moment: datetime) -> datetime:
    # As the entry will say it: to the millisecond.
    return parse_instant(instant(moment))
