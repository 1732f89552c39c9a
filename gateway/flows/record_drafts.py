"""Drafts made ready before they queue: built, checked, encoded; only time and month are missing.

Whatever a draft holds that cannot be stored is found here, in the task of whoever brings it.
Inside the writer a single bad entry would cost everybody a batch.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.flows.record_types import Draft, EffectRefusedError, Outcome, SearchColumns
from gateway.records.entry import SALT_BYTES, build_entry
from gateway.records.kinds import Public
from gateway.storage.effects import EncodedEffect, UnstorableError, encode_effects

CALL_ENTRIES_MAX: Final = 512
SEARCH_CHARACTERS_MAX: Final = 255

# A valid instant that no clock of ours shows: it holds the place until the batch is stamped.
_PLACE: Final = "0001-01-01T00:00:00.000Z"
_TIME_MEMBER: Final = f'"time":"{_PLACE}"'.encode()
_BEFORE_TIME: Final = b'"time":"'
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(slots=True, kw_only=True, eq=False)
class Prepared:
    """A draft ready to be recorded, and later what became of it."""

    draft: Draft
    head: bytes
    tail: bytes
    public: Public
    """The public part, but for its time."""
    private: bytes
    effects: tuple[EncodedEffect, ...]
    outcome: Outcome | None = None

    def stamped(self, time: bytes) -> bytes:
        """Return the leaf's bytes with its time put in."""
        return self.head + time + self.tail

    def settled(self) -> Outcome:
        """Return the outcome, which the writer never leaves open."""
        if self.outcome is None:
            raise RuntimeError("a draft left the writer without an outcome")
        return self.outcome


def prepare_call(
    drafts: Sequence[Draft], *, organisation: str, slot: int, kinds: frozenset[str]
) -> list[Prepared]:
    """Return the drafts of one call, ready; `kinds` are the effects the database knows.

    A second draft with a unique effect of an earlier one is refused here: they cannot both be
    true.

    Raises:
        RecordsError: an entry that could not be built.
        UnstorableError: an effect or search column that could not be stored, or too many drafts.
    """
    if not 0 < len(drafts) <= CALL_ENTRIES_MAX:
        raise UnstorableError(f"1 to {CALL_ENTRIES_MAX} drafts a call, got {len(drafts)}")
    prepared = [_prepare(draft, organisation, slot, kinds) for draft in drafts]
    if len(prepared) > 1:
        _refuse_repeated(prepared)
    return prepared


def unique_keys(prepared: Prepared) -> list[tuple[str, str]]:
    """Return what must not meet the same of another draft inside a batch."""
    return [(effect.kind, effect.key) for effect in prepared.effects if effect.is_unique]


def _prepare(draft: Draft, organisation: str, slot: int, kinds: frozenset[str]) -> Prepared:
    entry = build_entry(
        kind=draft.kind,
        members=draft.members,
        private=draft.private,
        entry_id=draft.entry_id,
        time=_PLACE,
        organisation=organisation,
        slot=slot,
        salt=os.urandom(SALT_BYTES),
    )
    head, found, tail = entry.raw.partition(_TIME_MEMBER)
    if not found or _TIME_MEMBER in tail:
        raise UnstorableError(f"entry {draft.kind}: a member looks like the time")
    _check_search(draft.search)
    effects = encode_effects(draft.effects)
    _check_effects(effects, kinds)
    return Prepared(
        draft=draft,
        head=head + _BEFORE_TIME,
        tail=b'"' + tail,
        public=entry.public,
        private=entry.private_plaintext,
        effects=effects,
    )


def _check_effects(effects: Sequence[EncodedEffect], kinds: frozenset[str]) -> None:
    seen = set()
    for effect in effects:
        if effect.kind not in kinds:
            raise UnstorableError(f"effect {effect.kind}: the schema has no such function")
        if effect.is_unique and (effect.kind, effect.key) in seen:
            raise UnstorableError(f"effect {effect.kind}: one key twice in a draft")
        seen.add((effect.kind, effect.key))


def _check_search(search: SearchColumns) -> None:
    if search.permit_id is not None and not _ID.fullmatch(search.permit_id):
        raise UnstorableError("search column permit_id: 32 lower-case hex digits")
    for text in (
        search.outcome,
        search.counterparty,
        search.procedure,
        search.information,
        search.staff,
        search.system,
    ):
        if text is not None:
            _check_text(text)


def _check_text(text: str) -> None:
    if len(text) > SEARCH_CHARACTERS_MAX or "\0" in text:
        raise UnstorableError(
            f"search column: at most {SEARCH_CHARACTERS_MAX} characters, no U+0000"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        # `from None`: the original exception carries the refused text.
        raise UnstorableError("search column: lone surrogate") from None


def _refuse_repeated(prepared: Sequence[Prepared]) -> None:
    seen: set[tuple[str, str]] = set()
    for one in prepared:
        keys = unique_keys(one)
        repeated = [key for key in keys if key in seen]
        if repeated:
            one.outcome = EffectRefusedError(repeated[0][0])
        else:
            seen.update(keys)
