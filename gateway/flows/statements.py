"""Statements as they travel: groups from the wire verified, groups of our own log sent.

Whoever calls says whose certificate was authenticated; everything else must be equal to that, or
nothing of the message is believed (PROTOCOL §2 *Equal or refuse*).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from certs.errors import CertsError
from codes.canonical import b64, unb64
from codes.errors import CodesError
from gateway.errors import SekishoError
from gateway.flows.trust import Trust
from gateway.records.errors import RecordsError
from gateway.records.statements import Statement, StatementGroup, verify_group
from gateway.wire.network import Group

__all__ = ["Statement", "StatementInvalidError", "Statements", "received", "to_wire"]


_UNKNOWN_YET: Final = frozenset(
    {"log-line-missing", "no-log-keys", "unknown-organisation", "wrong-slot"}
)
"""What a statement lacks whose sender follows a newer directory than we do."""


class StatementInvalidError(SekishoError):
    """A statement is not what its sender would have to have recorded; `reason` says in what."""

    problem = "statement-invalid"

    def __init__(self, message: str = "", *, reason: str) -> None:
        super().__init__(message or reason, members={"reason": reason})
        self.reason = reason


class Statements:
    """The verified statements of one message, found by group and index."""

    __slots__ = ("_by_place",)

    def __init__(self, groups: Iterable[Sequence[Statement]]) -> None:
        self._by_place = {
            (place, statement.index): statement
            for place, group in enumerate(groups)
            for statement in group
        }

    def at(self, group: int, index: int) -> Statement:
        """Return the statement an item names, or raise `StatementInvalidError`."""
        try:
            return self._by_place[group, index]
        except KeyError:
            raise StatementInvalidError("item: names no statement", reason="no-statement") from None

    def has(self, group: int, index: int) -> bool:
        """Tell whether a statement stands there."""
        return (group, index) in self._by_place


def received(trust: Trust, groups: Iterable[Group], *, sender: str) -> Statements:
    """Return the statements of a message from `sender`, whose certificate was authenticated.

    Raises `StatementInvalidError`; nothing of a message with a bad group is believed.
    """

    def keys_at(moment: datetime) -> object:
        return trust.live_log_keys(sender, moment)

    try:
        slots = trust.directory.organisation(sender).slots
        return Statements(
            [
                verify_group(
                    _group(group),
                    organisation=sender,
                    network=trust.network,
                    log_keys=keys_at,  # type: ignore[arg-type]  # certs' keys have the protocol's shape
                    slots=slots,
                    verified=trust.verified_notes,
                )
                for group in groups
            ]
        )
    except (RecordsError, CertsError, CodesError) as error:
        raise StatementInvalidError("group: not verified", reason=error.reason) from None


async def received_or_fetched(trust: Trust, groups: Sequence[Group], *, sender: str) -> Statements:
    """Do as `received`; where a newer directory may know better, look for one before refusing."""
    try:
        return received(trust, groups, sender=sender)
    except StatementInvalidError as error:
        if error.reason not in _UNKNOWN_YET:
            raise
    await trust.look()
    return received(trust, groups, sender=sender)


def to_wire(groups: Iterable[StatementGroup]) -> list[Group]:
    """Return groups of our own log as a message carries them."""
    return [
        Group(
            checkpoint=group.checkpoint,
            indexes=list(group.indexes),
            entries=[b64(entry) for entry in group.entries],
            hashes=[b64(node) for node in group.hashes],
        )
        for group in groups
    ]


def _group(group: Group) -> StatementGroup:
    return StatementGroup(
        checkpoint=group.checkpoint,
        indexes=tuple(group.indexes),
        entries=tuple(unb64(entry) for entry in group.entries),
        hashes=tuple(unb64(node) for node in group.hashes),
    )
