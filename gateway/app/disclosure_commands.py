"""What the core is asked for the disclosure system, over the control socket."""

from collections.abc import Mapping

import msgspec

from codes.canonical import parse_instant
from codes.errors import CodesError
from codes.numbers import ResidentCode
from gateway.app.roles import Command
from gateway.core.disclosures import DisclosureDesk, DisclosureOf
from gateway.errors import InvalidRequestError
from gateway.flows.exchanges_about import PeriodAsked

COMMAND = "core-disclose"


class _Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `core-disclose`: whose exchanges, and of which period."""

    resident_code: str
    since: str | None = None
    until: str | None = None
    page_from: str | None = None

    def __repr__(self) -> str:
        return "_Arguments(masked)"


def disclosure_commands(desk: DisclosureDesk) -> Mapping[str, Command]:
    """Return the command by its name."""

    async def disclose(arguments: Mapping[str, object]) -> Mapping[str, object]:
        merged = await desk.ask(_asked(arguments))
        built: dict[str, object] = msgspec.to_builtins(merged)
        return built

    return {COMMAND: disclose}


def _asked(arguments: Mapping[str, object]) -> DisclosureOf:
    try:
        given = msgspec.convert(arguments, _Arguments)
        since, until, _ = (
            parse_instant(text) if text is not None else None
            for text in (given.since, given.until, given.page_from)
        )
        return DisclosureOf(
            resident_code=ResidentCode.parse(given.resident_code),
            period=PeriodAsked(since=since, until=until),
            page_from=given.page_from,
        )
    except (msgspec.ValidationError, CodesError):
        # `from None`: the original exception may carry the code.
        raise InvalidRequestError("disclose: a resident-record code and instants") from None
