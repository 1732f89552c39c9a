"""One parser under atheris: started by `tests.fuzz`, ends at the first thing it should not do."""

import sys
from pathlib import Path
from random import Random
from typing import Final

import atheris

with atheris.instrument_imports(include=["certs", "codes", "gateway"]):
    from tests.fuzz.__main__ import TELL_EVERY
    from tests.fuzz.mutate import mutated
    from tests.fuzz.targets import TARGETS

LENGTH_ROOM: Final = 64


def main() -> None:
    """Take the parser's name, the files for count and corpus, then what libFuzzer takes."""
    name, counter, corpus = sys.argv[1:4]
    target, count, longest = TARGETS[name], 0, LENGTH_ROOM
    for seed, raw in target.seeds().items():
        (Path(corpus) / seed).write_bytes(raw)
        longest = max(longest, 2 * len(raw))

    def one(raw: bytes) -> None:
        nonlocal count
        target.try_one(raw)
        count += 1
        if count % TELL_EVERY == 0:
            Path(counter).write_text(str(count), encoding="ascii")

    def change(raw: bytes, bytes_max: int, seed: int) -> bytes:
        random = Random(seed)
        return (mutated(raw, random) if seed % 2 else atheris.Mutate(raw, bytes_max))[:bytes_max]

    arguments = [sys.argv[0], *sys.argv[4:], f"-max_len={longest}", corpus]
    atheris.Setup(arguments, one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
