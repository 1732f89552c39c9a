"""Every state that a small protocol can come to, breadth first: what breaks is shown shortest."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Explored(Generic[S]):
    """How far an exploration came, and the first thing that it found wrong."""

    states: int
    steps: int
    wrong: str | None = None
    trace: tuple[str, ...] = ()


def explore(
    start: S,
    *,
    moves: Callable[[S], Iterable[tuple[str, S]]],
    wrong: Callable[[S], str | None],
    stuck: Callable[[S], str | None] = lambda _: None,
) -> Explored[S]:
    """Visit every reachable state once.

    `wrong` says what is wrong with a state, `stuck` with one that nothing can follow. The trace
    is a shortest way to the first such state.
    """
    before: dict[S, tuple[S, str] | None] = {start: None}
    waiting = deque([start])
    steps = 0
    while waiting:
        state = waiting.popleft()
        found = wrong(state)
        following = [] if found else list(moves(state))
        if found is None and not following:
            found = stuck(state)
        if found is not None:
            return Explored(len(before), steps, found, _trace(before, state))
        for label, after in following:
            steps += 1
            if after not in before:
                before[after] = (state, label)
                waiting.append(after)
    return Explored(len(before), steps)


def hopeless(
    start: S,
    *,
    moves: Callable[[S], Iterable[tuple[str, S]]],
    is_good: Callable[[S], bool],
) -> Explored[S]:
    """Look for a state from which no good one can be reached any more, whatever happens."""
    reached: dict[S, tuple[S, str] | None] = {start: None}
    leads_to: dict[S, list[S]] = {}
    waiting = deque([start])
    steps = 0
    while waiting:
        state = waiting.popleft()
        for label, after in moves(state):
            steps += 1
            leads_to.setdefault(after, []).append(state)
            if after not in reached:
                reached[after] = (state, label)
                waiting.append(after)
    hopeful = {state for state in reached if is_good(state)}
    waiting.extend(hopeful)
    while waiting:
        for earlier in leads_to.get(waiting.popleft(), ()):
            if earlier not in hopeful:
                hopeful.add(earlier)
                waiting.append(earlier)
    for state in reached:  # in the order they were reached: the nearest first
        if state not in hopeful:
            return Explored(len(reached), steps, "hopeless", _trace(reached, state))
    return Explored(len(reached), steps)


def _trace(before: dict[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    labels: list[str] = []
    while (step := before[state]) is not None:
        state, label = step
        labels.append(label)
    return tuple(reversed(labels))
