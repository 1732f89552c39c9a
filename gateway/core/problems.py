"""Problems of single items in the core's lists: one refused item never fails its message."""

from typing import Final

from gateway.errors import SekishoError
from gateway.http import items
from gateway.wire.problems import Problem

LISTENER: Final = "network"


def item_problem(error: SekishoError) -> Problem:
    """Return the problem document of one item, with its own status."""
    return items.item_problem(error, listener=LISTENER)
