"""`sekisho records disclose`: what a person may see of the records about them (法31, 個情法76–)."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec
from cyclopts import Parameter

from gateway.cli.disclosure_form import as_csv, as_html
from gateway.cli.output import ExitCode, print_fields, print_json
from gateway.cli.staff_options import NEAR, Reach
from gateway.errors import ConfigurationError, UnavailableError
from gateway.wire.staff_disclosure import Disclosure

NUMBER: Final = "unified_number"
_PRIVATE_MODE: Final = 0o600

Form = Literal["html", "csv"]
_WRITERS: Final[Mapping[Form, Callable[[Disclosure], str]]] = MappingProxyType(
    {"html": as_html, "csv": as_csv}
)


def disclose(
    *,
    target: Path | None = None,
    form: Annotated[Form, Parameter(name="--format")] = "html",
    since: str | None = None,
    until: str | None = None,
    reach: Reach = NEAR,
) -> int:
    """Write the form of a person's exchanges for that person; that you did is recorded.

    The unified number is asked for after the credential, or is a line of the descriptor. Exchanges
    of which a mark of non-disclosure stands are left out: how many is told here and not in the
    form. With --json the answer is printed, and a form is written only where --target says so.

    Args:
        target: The file to write; nothing that is there is written over.
        form: A page to print (html), or csv.
        since: Exchanges requested from this instant on, as 2026-07-01T00:00:00.000Z.
        until: And before this instant.
        reach: Where the gateway is.
    """
    if target is None and not reach.json:
        raise ConfigurationError("--target: where to write the form; or --json")
    period = {"since": since, "until": until}
    body: dict[str, object] = {name: value for name, value in period.items() if value is not None}
    client = reach.client()
    with reach.answers() as answers:
        credential = answers.credential()
        # Never an argument: those stand in histories and process lists.
        body |= answers.ask(NUMBER)
    with client.signed_in(credential):
        answer = client.post("/v1/records:disclose", body)
    disclosure = _read(answer)
    if target is not None:
        _write(target, _WRITERS[form](disclosure))
    if reach.json:
        print_json(answer)
    else:
        print_fields(
            {
                "target": str(target),
                "exchanges": len(disclosure.exchanges),
                "left_out": disclosure.left_out,
                "erased_through": disclosure.erased_through,
            }
        )
    return ExitCode.DONE


def _read(answer: Mapping[str, object]) -> Disclosure:
    try:
        return msgspec.convert(answer, Disclosure)
    except msgspec.ValidationError:
        # `from None`: the original exception may carry something personal.
        raise UnavailableError("the answer cannot be read") from None


def _write(target: Path, text: str) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
