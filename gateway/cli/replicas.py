"""`sekisho replicas`: supply replicas, look what became of a batch and what is published."""

from collections.abc import AsyncIterator
from typing import IO, Final

import msgspec
from cyclopts import App

from gateway.cli.backoffice_options import STDIN, Reach, opened, read_numbers
from gateway.cli.output import ExitCode, print_fields, print_json, print_rows
from gateway.client import BackofficeClient
from gateway.client.replicas import CHUNK_BYTES
from gateway.errors import InvalidRequestError
from gateway.wire.replicas import Batch, ReplicasFound

FIELDS: Final = (
    "id",
    "state",
    "reason",
    "kind",
    "term",
    "layout",
    "rows_put",
    "rows_deleted",
    "rows_refused",
    "applied_at",
)
RECORDS: Final = ("term", "record_key", "from", "to", "published_from", "published_until", "items")

app = App(name="replicas", help="Replicas: what this organisation may be asked for.")


@app.command
def load(file: str, *, key: str | None = None, reach: Reach) -> int:
    """Supply a batch; it is applied whole, but for rows that are told of.

    Args:
        file: JSON Lines, a header first (as `POST /v1/replica-batches` takes it), or `-`.
        key: An idempotency key: with the same one this is one batch however often it is sent.
        reach: Where the gateway is.
    """
    with opened(file) as source:

        async def do(client: BackofficeClient) -> Batch:
            return await client.load_lines(_chunks(source), idempotency_key=key)

        return reach.call(do, lambda batch: _show(reach, batch))


@app.command
def show(batch_id: str, *, reach: Reach) -> int:
    """Show what became of a batch, and which of its rows were refused.

    Args:
        batch_id: The batch's id.
        reach: Where the gateway is.
    """

    async def do(client: BackofficeClient) -> Batch:
        return await client.batch(batch_id)

    return reach.call(do, lambda batch: _show(reach, batch))


@app.command
def lookup(terms: tuple[str, ...], *, file: str = STDIN, reach: Reach) -> int:
    """Show what is published of one person today; that it was read is recorded.

    Args:
        terms: The term ids to look at.
        file: A file with the person's unified number, or `-`.
        reach: Where the gateway is.
    """
    numbers = read_numbers(file)
    if len(numbers) != 1:
        raise InvalidRequestError(f"{file}: one unified number")

    async def do(client: BackofficeClient) -> ReplicasFound:
        return await client.published(numbers[0], terms)

    def then(found: ReplicasFound) -> ExitCode:
        if reach.json:
            print_json(found)
        else:
            print_rows([msgspec.to_builtins(one) for one in found.records], columns=RECORDS)
        return ExitCode.DONE

    return reach.call(do, then)


def _show(reach: Reach, batch: Batch) -> ExitCode:
    if reach.json:
        print_json(batch)
    else:
        print_fields({name: getattr(batch, name) for name in FIELDS})
        if batch.findings:
            rows = [msgspec.to_builtins(one) for one in batch.findings]
            print_rows(rows, columns=("ordinal", "reason"), title="refused rows")
    return ExitCode.REFUSED if batch.state == "refused" else ExitCode.DONE


async def _chunks(source: IO[bytes]) -> AsyncIterator[bytes]:
    """Yield a file as it is read; a piece at a time is little to wait for."""
    while chunk := source.read(CHUNK_BYTES):
        yield chunk
