"""`sekisho inquiries`: ask other organisations, fetch and acknowledge their answers."""

from typing import Final

import msgspec
from cyclopts import App

from gateway.cli.backoffice_options import STDIN, Reach, read_message
from gateway.cli.output import ExitCode, print_fields, print_json, print_one, print_rows
from gateway.client import BackofficeClient
from gateway.wire.backoffice import Inquiries, Inquiry, NewInquiry

COLUMNS: Final = ("id", "state", "reason", "provider", "procedure", "accepted_at", "finished_at")
_ENDS: Final = {
    "open": ExitCode.DONE,
    "provided": ExitCode.DONE,
    "no-information": ExitCode.DONE,
    "withheld": ExitCode.WITHHELD,
    "refused": ExitCode.REFUSED,
    "denied": ExitCode.REFUSED,
}

app = App(name="inquiries", help="Ask other organisations; fetch, acknowledge, take back.")


@app.command
def ask(file: str = STDIN, *, wait: int = 0, key: str | None = None, reach: Reach) -> int:
    """Begin an inquiry, and wait for its answer if told to.

    Ends with 3 where it is refused and with 4 where the answer is withheld.

    Args:
        file: The inquiry as JSON (as `POST /v1/inquiries` takes it), or `-`.
        wait: How many seconds to wait for the answer, up to 30.
        key: An idempotency key: with the same one this is one inquiry however often it is sent.
        reach: Where the gateway is.
    """
    new = read_message(file, NewInquiry)

    async def do(client: BackofficeClient) -> Inquiry:
        return await client.ask(new, wait_s=wait, idempotency_key=key)

    return reach.call(do, lambda inquiry: _end(reach, inquiry))


@app.command
def show(inquiry_id: str, *, reach: Reach) -> int:
    """Show an inquiry, with its result until that is acknowledged.

    Ends with 3 where it was refused and with 4 while the answer is withheld.

    Args:
        inquiry_id: The inquiry's id.
        reach: Where the gateway is.
    """

    async def do(client: BackofficeClient) -> Inquiry:
        return await client.inquiry(inquiry_id)

    return reach.call(do, lambda inquiry: _end(reach, inquiry))


@app.command(name="list")
def list_inquiries(
    *, state: str | None = None, after: str | None = None, limit: int | None = None, reach: Reach
) -> int:
    """List this client's inquiries, newest first, without results.

    Args:
        state: Only those in this state.
        after: Where the page before ended.
        limit: How many, up to 200.
        reach: Where the gateway is.
    """

    async def do(client: BackofficeClient) -> Inquiries:
        return await client.inquiries(state=state, after=after, limit=limit)

    def then(page: Inquiries) -> ExitCode:
        if reach.json:
            print_json(page)
        else:
            print_rows([_row(inquiry) for inquiry in page.inquiries], columns=COLUMNS)
            if page.next is not None:
                print_fields({"next": page.next})
        return ExitCode.DONE

    return reach.call(do, then)


@app.command
def acknowledge(inquiry_id: str, *, reach: Reach) -> int:
    """Say that the result is safely kept; the gateway forgets it.

    Args:
        inquiry_id: The inquiry's id.
        reach: Where the gateway is.
    """

    async def do(client: BackofficeClient) -> str:
        await client.acknowledge(inquiry_id)
        return "acknowledged"

    return reach.call(do, lambda done: _done(reach, inquiry_id, done))


@app.command
def withdraw(inquiry_id: str, *, reach: Reach) -> int:
    """Take an unanswered inquiry back.

    Args:
        inquiry_id: The inquiry's id.
        reach: Where the gateway is.
    """

    async def do(client: BackofficeClient) -> str:
        await client.withdraw(inquiry_id)
        return "withdrawn"

    return reach.call(do, lambda done: _done(reach, inquiry_id, done))


def _end(reach: Reach, inquiry: Inquiry) -> ExitCode:
    if reach.json:
        print_json(inquiry)
    else:
        fields = _row(inquiry)
        if inquiry.result is not None:
            fields["result"] = msgspec.to_builtins(inquiry.result)
        print_fields(fields)
    return _ENDS.get(inquiry.state, ExitCode.FAILED)


def _done(reach: Reach, inquiry_id: str, done: str) -> ExitCode:
    told = {"id": inquiry_id, "done": done}
    print_one(told, as_json=reach.json)
    return ExitCode.DONE


def _row(inquiry: Inquiry) -> dict[str, object]:
    return {name: getattr(inquiry, name) for name in COLUMNS}
