"""Passphrases and PINs: asked on the terminal without echo, or one line of a descriptor.

They never stand in an argument or in the environment.
"""

import getpass
import os
import sys
from typing import Final

from certs.master_places import Typed
from certs.typed_secret import TypedSecret
from gateway.errors import ConfigurationError, InvalidRequestError

LINE_BYTES_MAX: Final = 8 * 1024
_NAMES: Final = {"passphrase": "passphrase", "pin": "PIN"}


def typed_secret(
    what: Typed | None, descriptor: int | None, *, whose: str = "", twice: bool = False
) -> TypedSecret | None:
    """Return what a person types or a script hands over; None where nothing is needed.

    Raises:
        ConfigurationError: there is neither descriptor nor terminal.
        InvalidRequestError: the line is no text, or the two typed ones differ.
    """
    if what is None:
        return None
    if descriptor is not None:
        return TypedSecret(_line(descriptor))
    if not sys.stdin.isatty():
        raise ConfigurationError(f"no terminal to ask for the {_NAMES[what]}: give a descriptor")
    typed = getpass.getpass(f"{whose}{_NAMES[what]}: ")
    if twice and getpass.getpass("again: ") != typed:
        raise InvalidRequestError("the two are not the same")
    return TypedSecret(typed)


def _line(descriptor: int) -> str:
    try:
        with os.fdopen(descriptor, "rb") as lines:
            raw = lines.readline(LINE_BYTES_MAX)
    except OSError:
        raise ConfigurationError(f"descriptor {descriptor} cannot be read") from None
    try:
        return raw.removesuffix(b"\n").decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequestError(f"descriptor {descriptor}: no UTF-8") from None
