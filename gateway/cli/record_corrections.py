"""`sekisho records correct`: say by a later entry what a record should have said (法31)."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from gateway.cli.output import ExitCode, print_one
from gateway.cli.staff_options import NEAR, Reach, path_id
from gateway.errors import InvalidRequestError
from gateway.records.corrections import CorrectionGround
from gateway.records.marks import MARKS

INFORMATION: Final = "information"
NUMBERS: Final = frozenset({"act21_2", *MARKS})
"""Members that are 0 or 1."""

Members = Annotated[tuple[str, ...], Parameter(name="--set", negative="")]


def correct(
    entry_id: str, *, members: Members, ground: CorrectionGround, reach: Reach = NEAR
) -> int:
    """Correct a record of ours; whoever proves a credential now is who corrected it.

    The entry stays as it is and is shown with its correction. The core and the other party are told
    until they acknowledge. To lift or set the mark of 法23② afterwards, set `non_disclosure` (we
    asked) or `non_disclosure_provider` (we were asked) to 0 or 1.

    Args:
        entry_id: The id of the entry that is wrong.
        members: NAME=VALUE, what it shall say instead; may be repeated. `information` is given as
            JSON: {"term": …, "scope": …, "items": […]}.
        ground: Why.
        reach: Where the gateway is.
    """
    body: dict[str, object] = {"members": members_of(members), "ground": ground.value}
    client = reach.client()
    with reach.answers() as answers:
        body["credential"] = answers.credential()
        made = client.post(f"/v1/records/{path_id(entry_id)}/corrections", body)
    print_one(made, as_json=reach.json)
    return ExitCode.DONE


def members_of(given: Sequence[str]) -> dict[str, object]:
    """Return members by name as they are typed, or raise `InvalidRequestError`."""
    members: dict[str, object] = {}
    for text in given:
        name, found, value = text.partition("=")
        if not found or not name or name in members:
            raise InvalidRequestError("--set: NAME=VALUE, each name once")
        members[name] = _value(name, value)
    return members


def _value(name: str, text: str) -> object:
    if name in NUMBERS:
        if text not in {"0", "1"}:
            raise InvalidRequestError(f"--set {name}: 0 or 1")
        return int(text)
    if name == INFORMATION:
        try:
            return msgspec.json.decode(text.encode(), type=dict[str, object])
        except msgspec.DecodeError:
            raise InvalidRequestError(f"--set {name}: a JSON object") from None
    return text
