"""`sekisho codes`: acquire network codes, look how they stand."""

from collections.abc import Sequence
from typing import Final

import msgspec
from cyclopts import App

from gateway.cli.backoffice_options import STDIN, Reach, read_numbers
from gateway.cli.output import ExitCode, print_fields, print_json, print_rows
from gateway.client import BackofficeClient
from gateway.wire.acquisitions import Acquisition, AcquisitionPage, CodeStanding
from gateway.wire.fields import ITEMS_MAX

ACQUIRED: Final = ("unified_number", "state", "acquisition_number", "problem")
LISTED: Final = ("id", "state", "requested_at", "finished_at")
STANDING: Final = ("unified_number", "state")

app = App(name="codes", help="Network codes: acquire them, look how they stand.")


@app.command
def acquire(file: str = STDIN, *, reach: Reach) -> int:
    """Begin to acquire codes; prints the acquisition numbers for the resident network.

    Args:
        file: Unified numbers, one a line, or `-`.
        reach: Where the gateway is.
    """
    numbers = read_numbers(file)

    async def do(client: BackofficeClient) -> list[Acquisition]:
        return [
            one for some in _parts(numbers) for one in (await client.acquire(some)).acquisitions
        ]

    def then(acquired: list[Acquisition]) -> ExitCode:
        if reach.json:
            print_json({"acquisitions": acquired})
        else:
            print_rows([_row(one) for one in acquired], columns=ACQUIRED)
        failed = any(one.problem is not None for one in acquired)
        return ExitCode.FAILED if failed else ExitCode.DONE

    return reach.call(do, then)


@app.command(name="list")
def list_acquisitions(
    *, state: str | None = None, after: str | None = None, limit: int | None = None, reach: Reach
) -> int:
    """List this client's acquisitions, newest first, without the people.

    Args:
        state: requested, linked, already-acquired or lapsed.
        after: Where the page before ended.
        limit: How many, up to 200.
        reach: Where the gateway is.
    """

    async def do(client: BackofficeClient) -> AcquisitionPage:
        return await client.acquisitions(state=state, after=after, limit=limit)

    def then(page: AcquisitionPage) -> ExitCode:
        if reach.json:
            print_json(page)
        else:
            print_rows([msgspec.to_builtins(one) for one in page.acquisitions], columns=LISTED)
            if page.next is not None:
                print_fields({"next": page.next})
        return ExitCode.DONE

    return reach.call(do, then)


@app.command
def lookup(file: str = STDIN, *, reach: Reach) -> int:
    """Look how people's codes stand.

    Args:
        file: Unified numbers, one a line, or `-`.
        reach: Where the gateway is.
    """
    numbers = read_numbers(file)

    async def do(client: BackofficeClient) -> list[CodeStanding]:
        return [
            one for some in _parts(numbers) for one in (await client.code_standings(some)).people
        ]

    def then(standings: list[CodeStanding]) -> ExitCode:
        if reach.json:
            print_json({"people": standings})
        else:
            print_rows([msgspec.to_builtins(one) for one in standings], columns=STANDING)
        return ExitCode.DONE

    return reach.call(do, then)


def _parts(numbers: Sequence[str]) -> list[Sequence[str]]:
    return [numbers[start : start + ITEMS_MAX] for start in range(0, len(numbers), ITEMS_MAX)]


def _row(one: Acquisition) -> dict[str, object]:
    return {
        "unified_number": one.unified_number,
        "state": one.state,
        "acquisition_number": one.acquisition_number,
        "problem": one.problem.type if one.problem is not None else None,
    }
