"""The words a load says on its standard output, a line each, before its result."""

import sys
from typing import Final

BEGUN: Final = b"begun"
ENDED: Final = b"ended"


def tell(word: bytes) -> None:
    """Say a word, or a result, on standard output."""
    sys.stdout.buffer.write(word + b"\n")
    sys.stdout.flush()
