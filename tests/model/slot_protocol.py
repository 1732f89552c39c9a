"""The slot protocol in small (PROTOCOL §5): two workers, two database nodes, one slot.

A node that leads has a log and an epoch; a commit there is visible to others only when the standby
has it too, unless its wait is cancelled: then it is visible where it was made and nowhere else.
What follows gets everything before it. Workers take the slot, commit, sign; any worker may read
what is visible and sign that. Nodes change places, backups come back, workers die at every step.

A log is the tuple of its entries; two logs that were signed must be one the beginning of the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

Log: TypeAlias = tuple[int, ...]

IDLE, HELD, WAITING, COMMITTED = "idle", "held", "waiting", "committed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the protocol does about what can go wrong; each can be left out, to see what it is for.

    `entries`, `failovers`, `restores` and `deaths` bound how much happens.
    """

    barrier_at_takeover: bool = True
    barrier_at_read: bool = True
    clean_commits_only: bool = True
    epoch_compared: bool = True
    marks_compared: bool = True
    witness_asked: bool = True
    one_host: bool = True
    entries: int = 3
    failovers: int = 1
    restores: int = 0
    deaths: int = 1


@dataclass(frozen=True, slots=True)
class Node:
    """One PostgreSQL: what is visible there, and a commit that still waits for the standby."""

    log: Log = ()
    epoch: int = 0
    is_frozen: bool = False
    waiting: tuple[int, Log] | None = None
    """Who waits (-1: nobody any more) and the log that the commit makes."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker: where it is connected, what it holds."""

    state: str = IDLE
    node: int = 0
    log: Log = ()
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Everything."""

    nodes: tuple[Node, Node] = (Node(), Node())
    leader: int = 0
    has_old: bool = False
    """Whether the node that led before still believes that it does."""
    workers: tuple[Worker, Worker] = (Worker(), Worker())
    marks: tuple[Log, Log] = ((), ())
    witness: Log = ()
    signed: Log = ()
    forked: bool = False
    false_alarm: bool = False
    made: int = 0
    failovers: int = 0
    restores: int = 0
    deaths: int = 0


Moves: TypeAlias = Iterator[tuple[str, State]]


def wrong(state: State) -> str | None:
    """Return what must never be so."""
    if state.forked:
        return "fork"
    if state.false_alarm:
        return "frozen though nothing is missing"
    return None


def moves(state: State, rules: Rules) -> Moves:
    """Yield everything that can happen next."""
    for number in range(2):
        yield from _of_worker(state, rules, number)
    for node in range(2):
        yield from _of_waiting(state, node, rules)
    yield from _of_the_world(state, rules)


def _of_worker(state: State, rules: Rules, number: int) -> Moves:
    worker = state.workers[number]
    for node in _leading(state):
        if worker.state == IDLE:
            yield from _take(state, rules, number, node)
        yield from _read(state, rules, number, node)
    if worker.state == HELD and state.made < rules.entries:
        yield from _write(state, rules, number)
    if worker.state == COMMITTED:
        signed = _sign(state, number, worker.log, rules)
        yield f"{number} signs", _with(signed, number, replace(worker, state=HELD))
    if worker.state != IDLE and state.deaths < rules.deaths:
        dead = _orphan(_with(state, number, Worker()), number)
        yield f"{number} dies", replace(dead, deaths=state.deaths + 1)


def _take(state: State, rules: Rules, number: int, at: int) -> Moves:
    """Lock, barrier, read again, compare; on a node without a standby the barrier never ends."""
    node = state.nodes[at]
    if node.is_frozen or node.waiting is not None or _holder(state, at) is not None:
        return
    node = replace(node, epoch=node.epoch + 1)
    if at == state.leader:
        after = _replicated(state, at, node)
    elif not rules.barrier_at_takeover:
        after = _node(state, at, node)
    else:
        return
    node = after.nodes[at]
    missing = _is_missing(after, rules, number, node.log)
    if missing:
        frozen = replace(node, is_frozen=True)
        is_needed = node.log[: len(state.signed)] != state.signed
        after = _replicated(after, at, frozen) if at == state.leader else _node(after, at, frozen)
        yield f"{number} freezes", replace(after, false_alarm=not is_needed)
    else:
        held = Worker(HELD, at, node.log, node.epoch)
        yield f"{number} takes at {at}", _with(after, number, held)


def _is_missing(state: State, rules: Rules, number: int, log: Log) -> bool:
    known: list[Log] = []
    if rules.marks_compared:
        known.append(state.marks[_host(number, rules)])
    if rules.witness_asked:
        known.append(state.witness)
    return any(log[: len(each)] != each for each in known)


def _write(state: State, rules: Rules, number: int) -> Moves:
    worker = state.workers[number]
    node = state.nodes[worker.node]
    if worker.node not in _leading(state) or node.waiting is not None:
        return
    moved = node.epoch != worker.epoch if rules.epoch_compared else False
    if moved or len(node.log) != len(worker.log) or node.is_frozen:
        yield f"{number} lost its slot", _with(state, number, Worker())
        return
    log = (*worker.log, state.made)
    after = _node(state, worker.node, replace(node, waiting=(number, log)))
    waiting = replace(worker, state=WAITING, log=log)
    yield f"{number} commits", replace(_with(after, number, waiting), made=state.made + 1)


def _of_waiting(state: State, at: int, rules: Rules) -> Moves:
    """A commit that waits: the standby has it, or its wait is cancelled."""
    node = state.nodes[at]
    if node.waiting is None:
        return
    who, log = node.waiting
    if at == state.leader:
        after = _replicated(state, at, _settled(node))
        yield "the standby has it", _told(after, who, COMMITTED)
    after = _node(state, at, replace(node, log=log, waiting=None))
    yield (
        "the wait is cancelled",
        _told(after, who, IDLE if rules.clean_commits_only else COMMITTED),
    )


def _read(state: State, rules: Rules, number: int, at: int) -> Moves:
    """Any worker reads what is visible and signs it: a statement asked for again."""
    node = state.nodes[at]
    if not node.log or node.is_frozen:
        return
    if rules.barrier_at_read:
        if at != state.leader:
            return
        # What waited before the barrier is there once the barrier is.
        state = _replicated(state, at, _settled(node))
    yield f"{number} reads at {at} and signs", _sign(state, number, node.log, rules)


def _of_the_world(state: State, rules: Rules) -> Moves:
    if state.witness != state.signed:
        yield "the witness cosigns", replace(state, witness=state.signed)
    other = 1 - state.leader
    if state.failovers < rules.failovers and not state.has_old:
        yield (
            "the standby takes over",
            replace(state, leader=other, has_old=True, failovers=state.failovers + 1),
        )
    if state.has_old:
        # The old leader comes back as the standby: what it had beyond is gone.
        after = _node(state, other, replace(state.nodes[state.leader], waiting=None))
        yield "the old leader follows", replace(_cut_off(after, other), has_old=False)
    log = state.nodes[state.leader].log
    if state.restores < rules.restores and log and not state.has_old:
        back = Node(log[:-1], state.nodes[state.leader].epoch)
        after = replace(state, nodes=(back, back), workers=(Worker(), Worker()))
        yield "an older backup comes back", replace(after, restores=state.restores + 1)


def _leading(state: State) -> tuple[int, ...]:
    return (state.leader, 1 - state.leader) if state.has_old else (state.leader,)


def _holder(state: State, at: int) -> int | None:
    """Return who holds the slot's lock on a node, also as a commit that nobody waits for."""
    for number, worker in enumerate(state.workers):
        if worker.state != IDLE and worker.node == at:
            return number
    return None


def _sign(state: State, number: int, log: Log, rules: Rules) -> State:
    longest = max(state.signed, log, key=len)
    marks = list(state.marks)
    host = _host(number, rules)
    marks[host] = max(marks[host], log, key=len)
    is_fork = longest[: len(log)] != log or longest[: len(state.signed)] != state.signed
    return replace(
        state, signed=longest, marks=(marks[0], marks[1]), forked=state.forked or is_fork
    )


def _host(number: int, rules: Rules) -> int:
    return 0 if rules.one_host else number


def _settled(node: Node) -> Node:
    return node if node.waiting is None else replace(node, log=node.waiting[1], waiting=None)


def _replicated(state: State, at: int, node: Node) -> State:
    """Put a node's state there and on its standby, if that follows."""
    after = _node(state, at, node)
    if node.waiting is None and state.nodes[at].waiting is not None:
        after = _told(after, state.nodes[at].waiting[0], COMMITTED)  # type: ignore[index]
    return after if state.has_old else _node(after, 1 - at, replace(node, waiting=None))


def _told(state: State, who: int, outcome: str) -> State:
    if who < 0 or state.workers[who].state != WAITING:
        return state
    worker = state.workers[who]
    return _with(state, who, Worker() if outcome == IDLE else replace(worker, state=outcome))


def _orphan(state: State, number: int) -> State:
    """Leave a dead worker's commit waiting with nobody to tell."""
    for at, node in enumerate(state.nodes):
        if node.waiting is not None and node.waiting[0] == number:
            state = _node(state, at, replace(node, waiting=(-1, node.waiting[1])))
    return state


def _cut_off(state: State, at: int) -> State:
    workers = [Worker() if worker.node == at else worker for worker in state.workers]
    return replace(state, workers=(workers[0], workers[1]))


def _node(state: State, at: int, node: Node) -> State:
    nodes = (node, state.nodes[1]) if at == 0 else (state.nodes[0], node)
    return replace(state, nodes=nodes)


def _with(state: State, number: int, worker: Worker) -> State:
    workers = (worker, state.workers[1]) if number == 0 else (state.workers[0], worker)
    return replace(state, workers=workers)
