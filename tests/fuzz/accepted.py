"""What a parser under fuzzing must never do, and what an input has to be at the least."""

from gateway.records.errors import RecordsError


class AcceptedError(AssertionError):
    """Something was taken that had to be refused."""


def same(written: bytes | str, raw: bytes) -> None:
    """Require that what was read is written again as it came: there is one way to say it."""
    again = written.encode() if isinstance(written, str) else written
    if again != raw:
        raise AcceptedError(f"written again it is {again[:80]!r}")


def text_of(raw: bytes) -> str:
    """Return an input as text, or refuse it."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise RecordsError("not-utf-8") from None
