"""`sekisho core disclose`: what the disclosure system would have from all who know a person."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from gateway.cli.control_calls import call
from gateway.cli.output import ExitCode, errors, print_json, print_rows
from gateway.cli.staff_options import Json, Reach
from gateway.errors import ConfigurationError, UnavailableError
from gateway.settings import Settings, config_path, load_settings
from gateway.wire.disclosures import ExchangeOfParty, MergedDisclosure, PartyAsked

COMMAND: Final = "core-disclose"
CODE: Final = "resident_code"
COLUMNS: Final = ("organisation", "requested_at", "direction", "inquirer", "provider", "outcome")

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]


def disclose(
    *,
    since: str | None = None,
    until: str | None = None,
    credentials_fd: int | None = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Show what a person may see of the records that gateways have about them.

    The reference for the disclosure system's connection: that the person asked, and who they are,
    has to be established before. The resident-record code is asked for on the terminal, or is a
    line `{"resident_code": …}` of the descriptor. That it was looked for is on record here and
    at every gateway asked. Where a gateway gave nothing, it is named and the command fails.

    Args:
        since: Exchanges requested from this instant on, as 2026-07-01T00:00:00.000Z.
        until: And before this instant.
        credentials_fd: A descriptor with the resident-record code.
        config: The settings of the core's instance.
        json: Print one JSON document.
    """
    path = config_path(config)
    settings = load_settings(path)
    if settings.role != "core":
        raise ConfigurationError(f"{path}: role is {settings.role}, not core")
    # Never an argument: those stand in histories and process lists.
    with Reach(credentials_fd=credentials_fd).answers() as answers:
        asked: dict[str, object] = {**answers.ask(CODE)}
    period = {"since": since, "until": until}
    asked |= {name: value for name, value in period.items() if value is not None}
    merged, code = _all_pages(settings, asked)
    if merged is None:
        return code
    if json:
        print_json(merged)
    else:
        print_rows([_row(one) for one in merged.exchanges], columns=COLUMNS)
    silent = [party for party in merged.parties if party.problem is not None]
    for party in silent:
        errors.print(f"sekisho: {party.organisation}: {party.problem}", markup=False)
    return ExitCode.FAILED if silent else ExitCode.DONE


def _all_pages(
    settings: Settings, asked: Mapping[str, object]
) -> tuple[MergedDisclosure | None, ExitCode]:
    exchanges: list[ExchangeOfParty] = []
    parties: dict[str, PartyAsked] = {}
    page_from: dict[str, str] = {}
    while True:
        answer, code = call(settings, COMMAND, {**asked, **page_from})
        if code != ExitCode.DONE:
            return None, code
        page = _read(answer)
        exchanges += page.exchanges
        for party in page.parties:
            # Who failed once has not given everything, whatever comes later.
            if parties.setdefault(party.organisation, party).problem is None:
                parties[party.organisation] = party
        if page.next is None:
            return MergedDisclosure(exchanges=exchanges, parties=list(parties.values())), code
        page_from = {"page_from": page.next}


def _read(answer: Mapping[str, object]) -> MergedDisclosure:
    try:
        return msgspec.convert(answer, MergedDisclosure)
    except msgspec.ValidationError:
        # `from None`: the original exception may carry something personal.
        raise UnavailableError("the answer cannot be read") from None


def _row(one: ExchangeOfParty) -> dict[str, object]:
    exchange = one.exchange
    inquirer, provider = exchange.inquirer, exchange.provider
    return {
        "organisation": one.organisation,
        "requested_at": exchange.requested_at,
        "direction": exchange.direction,
        "inquirer": inquirer and (inquirer.name or inquirer.code),
        "provider": provider and (provider.name or provider.code),
        "outcome": exchange.outcome,
    }
