"""Export of the record log over the control socket, for roles without people of their own."""

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from codes.canonical import instant, parse_instant
from codes.errors import CodesError
from gateway.app.roles import Command
from gateway.errors import ConflictError, InvalidRequestError
from gateway.flows.context import Context
from gateway.flows.export_records import ExportRecords
from gateway.flows.record_archive import archived

COMMAND: Final = "records-export"
BY: Final = "control-socket"
_PRIVATE_MODE: Final = 0o600


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `records-export`: where to write, and of which period."""

    target: str
    begins: str | None = None
    ends: str | None = None


def export_command(context: Context) -> Mapping[str, Command]:
    """Return the command that writes a bundle to a file of this machine."""
    export = ExportRecords(context)

    async def run(arguments: Mapping[str, object]) -> Mapping[str, object]:
        try:
            asked = msgspec.convert(arguments, Arguments)
            begins, ends = _instant(asked.begins), _instant(asked.ends)
        except (msgspec.ValidationError, CodesError):
            raise InvalidRequestError("records-export: target, begins, ends") from None
        descriptor = _create(Path(asked.target))
        period = await export.begin(begins=begins, ends=ends, by=BY)
        length = 0
        with os.fdopen(descriptor, "wb") as file:
            async for piece in archived(export.files(period)):
                length += await asyncio.to_thread(file.write, piece)
        return {
            "bytes": length,
            "begins": instant(period.begins),
            "ends": instant(period.ends),
        }

    return {COMMAND: run}


def _create(target: Path) -> int:
    """Return a new file; nothing that is there is written over."""
    try:
        return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
    except FileExistsError:
        raise ConflictError("records-export: the file is there already") from None
    except OSError as error:
        raise InvalidRequestError(f"records-export: {error.strerror}") from None


def _instant(text: str | None) -> datetime | None:
    return parse_instant(text) if text is not None else None
