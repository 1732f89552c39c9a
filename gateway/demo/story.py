"""What is told of a run: who asked whom for what, on what ground, what came out and why."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

_INDENT: Final = "   "
_GOOD: Final = "green"
_BAD: Final = "bold red"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step as it came out."""

    name: str
    outcome: str
    reason: str | None
    ms: int


@dataclass(frozen=True, slots=True)
class Expected:
    """How a step must come out."""

    outcome: str
    reason: str | None = None


@dataclass(slots=True, kw_only=True)
class Scene:
    """What a step says about itself while it runs."""

    outcome: str = "failed"
    reason: str | None = None
    lines: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, what: str, words: str) -> None:
        """Add a line to the story."""
        self.lines.append((what, words))

    def came_out(self, outcome: str, reason: str | None = None) -> None:
        """Say how the step came out."""
        self.outcome, self.reason = outcome, reason


class Story:
    """Collects the steps of one run, and tells them where somebody listens."""

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._steps: list[Step] = []
        self._is_as_said = True

    @property
    def steps(self) -> Sequence[Step]:
        """Return the steps so far."""
        return tuple(self._steps)

    @property
    def is_as_said(self) -> bool:
        """Tell whether every step so far came out as it must."""
        return self._is_as_said

    def say(self, words: str, style: str = "") -> None:
        """Tell something between the steps."""
        if self._console is not None:
            self._console.print(Text(words, style=style))

    @contextmanager
    def step(self, name: str, title: str, expected: Expected) -> Iterator[Scene]:
        """Run one step; what it raises ends the run, after it was told."""
        scene = Scene()
        began = time.perf_counter()
        try:
            yield scene
        finally:
            taken = round((time.perf_counter() - began) * 1000)
            step = Step(name=name, outcome=scene.outcome, reason=scene.reason, ms=taken)
            self._steps.append(step)
            is_as_said = (step.outcome, step.reason) == (expected.outcome, expected.reason)
            self._is_as_said = self._is_as_said and is_as_said
            self._tell(title, scene, step, expected, is_as_said=is_as_said)

    def _tell(
        self, title: str, scene: Scene, step: Step, expected: Expected, *, is_as_said: bool
    ) -> None:
        if self._console is None:
            return
        head = Text.assemble(
            ("✓ " if is_as_said else "✗ ", _GOOD if is_as_said else _BAD),
            (title, "bold"),
            (f"  {step.ms} ms", "dim"),
        )
        self._console.print(head)
        for what, words in scene.lines:
            self._console.print(Text.assemble(_INDENT, (f"{what} ", "cyan"), words))
        result = Text.assemble(
            _INDENT,
            ("→ ", "dim"),
            (_shown(step.outcome, step.reason), _GOOD if is_as_said else _BAD),
        )
        if not is_as_said:
            result.append(f"  (expected {_shown(expected.outcome, expected.reason)})", _BAD)
        self._console.print(result)


def _shown(outcome: str, reason: str | None) -> str:
    return outcome if reason is None else f"{outcome}: {reason}"
