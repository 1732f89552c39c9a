"""A case of damage: what is kept of each, and how one is declared."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.records.bundle import Files
from tests.damage.good import Good

UNPROVED = "unproved"
"""What is said where nothing is false and something is not shown."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A damaged bundle: what was done to it, and the first thing to be said about it."""

    name: str
    what: str
    files: Files = field(repr=False)
    reason: str
    slot: int | None = 0
    index: int | None = None
    peer_notes: Sequence[str] = field(default=(), repr=False)


Made = Callable[[Good], Files | tuple[Files, Sequence[str]]]
Maker = Callable[[Good], Case]
MAKERS: list[Maker] = []
NAMES: list[str] = []
"""What the cases are called, known without making them."""


def all_cases(good: Good) -> Iterator[Case]:
    """Yield every damaged bundle."""
    for make in MAKERS:
        yield make(good)


def case_of(
    what: str, *, reason: str, slot: int | None = 0, index: int | None = None
) -> Callable[[Made], Maker]:
    """Keep a maker: its name is the case's, what it returns the files (and peers' notes)."""

    def kept(make: Made) -> Maker:
        name = make.__name__.replace("_", "-")
        NAMES.append(name)

        def maker(good: Good) -> Case:
            made_of = make(good)
            files, notes = made_of if isinstance(made_of, tuple) else (made_of, ())
            return Case(
                name=name,
                what=what,
                files=files,
                reason=reason,
                slot=slot,
                index=index,
                peer_notes=notes,
            )

        MAKERS.append(maker)
        return maker

    return kept
