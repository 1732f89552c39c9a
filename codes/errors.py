"""What goes wrong with the words of the network, never with the text that was wrong in it.

CodesError
├── MalformedError        a text or a value that is not what it should be
│   └── CanonicalError    JSON that is not canonical, or cannot become so
├── ForeignCodeError      a network code that this key did not make
└── TableError            code tables: see `codes.tables`
    ├── UnknownCodeError
    └── LapsedCodeError
"""


class CodesError(ValueError):
    """A refusal with a stable reason slug; the message never repeats the refused text."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.message else self.reason


class MalformedError(CodesError):
    """A text or value is not what it should be."""


class CanonicalError(MalformedError):
    """JSON is not canonical, or a value has no canonical form."""


class ForeignCodeError(CodesError):
    """A network code was not made under this organisation's key."""


class TableError(CodesError):
    """A code table contradicts itself, or does not hold what is asked."""


class UnknownCodeError(TableError):
    """No table entry has this code."""


class LapsedCodeError(TableError):
    """The code is known, but not on the asked day."""
