"""Messages carry people and secrets: whoever prints one sees its name and nothing of it."""

import importlib
import pkgutil

import msgspec
import pytest

from gateway import wire
from gateway.wire.problems import Nearest, Problem

TOLD = "123456789012345"
# What everybody may see: documents about a request that repeat nothing of it, and a word of a list.
_IN_CLEAR = {Problem.__name__, Nearest.__name__, "ReasonOfNull"}


def messages() -> list[type[msgspec.Struct]]:
    found: list[type[msgspec.Struct]] = []
    for module in pkgutil.iter_modules(wire.__path__):
        name = f"{wire.__name__}.{module.name}"
        found += [
            value
            for value in vars(importlib.import_module(name)).values()
            if isinstance(value, type)
            and issubclass(value, msgspec.Struct)
            and value.__module__ == name
            and value.__name__ not in _IN_CLEAR
        ]
    return found


def test_the_messages_are_found() -> None:
    assert {"NewInquiry", "TokenAnswer", "ReplicaRow", "Credential", "ResidentCode"} <= {
        message.__name__ for message in messages()
    }


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.__name__)
def test_a_message_prints_nothing_of_what_it_says(message: type[msgspec.Struct]) -> None:
    made = message(**dict.fromkeys(message.__struct_fields__, TOLD))

    assert repr(made) == f"{message.__name__}(masked)"
    assert TOLD not in f"{[made]}"
