"""The retention job of a role: what ends each of its terms, and how an operator asks about them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from codes.canonical import instant
from gateway.app.roles import BackgroundTask, Command, periodic
from gateway.errors import ConflictError, InvalidRequestError
from gateway.flows.context import Context
from gateway.flows.key_store_copies import KeyStoreCopies
from gateway.jobs.ended_keys import FORGET_S, EndedKeys
from gateway.jobs.key_store_copies import TERM as COPIES
from gateway.jobs.key_store_copies import KeyStoreCopiesJob
from gateway.jobs.retention import INTERVAL_S, End, Planned, RetentionJob, plain_ends

PLAN: Final = "retention-plan"
RUN: Final = "retention-run"
_NAME: Final = "retention"
_FORGET: Final = "forget-keys"


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No arguments: nothing of what is kept is named."""


def retention_job(
    context: Context, ends: Mapping[str, End], copies: KeyStoreCopies, *, of_core: bool
) -> RetentionJob:
    """Return the job of one role over its flows."""
    keys = EndedKeys(context.database, context.vault, context.clock)
    of_copies = KeyStoreCopiesJob(context.clock, copies)
    return RetentionJob(
        context.database,
        context.clock,
        plain_ends(context.database, keys, of_core=of_core) | dict(ends) | {COPIES: of_copies.turn},
        dues={COPIES: of_copies.due},
    )


def retention_tasks(context: Context, job: RetentionJob) -> tuple[BackgroundTask, ...]:
    """Return the work of a worker: the job, which one of several does, and what each forgets."""
    return (
        periodic(_NAME, INTERVAL_S, job.turn),
        periodic(_FORGET, FORGET_S, context.vault.forget_destroyed),
    )


def retention_commands(job: RetentionJob) -> Mapping[str, Command]:
    """Return the commands of the control socket."""

    async def plan() -> Mapping[str, object]:
        return {"terms": [shown(planned) for planned in await job.plan()]}

    async def run() -> Mapping[str, object]:
        if await job.run() is None:
            raise ConflictError("retention: another worker is at it; ask for the plan later")
        return await plan()

    return {PLAN: _without_arguments(plan), RUN: _without_arguments(run)}


def shown(planned: Planned) -> dict[str, object]:
    """Return how a term stands as the operator sees it."""
    return {
        "term": planned.term.name,
        "what": planned.term.what,
        "kept": planned.term.kept,
        "due": planned.rows_due,
        "next": instant(planned.next_due) if planned.next_due else None,
        "done": instant(planned.done_at) if planned.done_at else None,
        "problem": planned.problem,
    }


def _without_arguments(do: Callable[[], Awaitable[Mapping[str, object]]]) -> Command:
    async def command(arguments: Mapping[str, object]) -> Mapping[str, object]:
        try:
            msgspec.convert(arguments, Nothing)
        except msgspec.ValidationError:
            raise InvalidRequestError("retention: no arguments") from None
        return await do()

    return command
