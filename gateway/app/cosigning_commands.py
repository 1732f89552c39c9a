"""What the operator may command about cosigning for others, over the control socket."""

from collections.abc import Mapping

from gateway.app.roles import Command
from gateway.errors import InvalidRequestError
from gateway.flows.cosigned_memory import CosignedMemory
from gateway.records.witness import parse_origin
from gateway.storage.witnessed import Witnessed


def cosigning_commands(memory: CosignedMemory) -> Mapping[str, Command]:
    """Return the commands by their names."""

    async def show(arguments: Mapping[str, object]) -> Mapping[str, object]:
        _nothing_but(arguments)
        return {
            "held_back": memory.is_held_back,
            "streams": [_row(stream) for stream in await memory.waiting()],
        }

    async def accept(arguments: Mapping[str, object]) -> Mapping[str, object]:
        _nothing_but(arguments)
        streams = await memory.waiting()
        await memory.accept()
        return {"held_back": memory.is_held_back, "streams": [_row(stream) for stream in streams]}

    return {"cosigning-list": show, "cosigning-accept": accept}


def _row(stream: Witnessed) -> dict[str, object]:
    name = parse_origin(stream.origin)
    return {
        "organisation": name.organisation,
        "slot": name.slot,
        "size": stream.size,
        "root": stream.root.hex(),
    }


def _nothing_but(arguments: Mapping[str, object]) -> None:
    if arguments:
        raise InvalidRequestError("cosigning: takes nothing")
