"""The slot protocol in small (PROTOCOL §5): two workers, two database nodes, one slot.

A node that leads has a log and an epoch; a commit there is visible to others only when the standby
has it too, unless its wait is cancelled: then it is visible where it was made and nowhere else.
What follows gets everything before it. Workers take the slot, commit, sign; any worker may read
what is visible and sign that. Nodes change places, backups come back, workers die at every step.
An administrator of the database writes any row: what he makes up, without a seal, or what a worker
ever sent, committed or not, which is sealed.

A log is the tuple of its entries; two logs that were signed must be one the beginning of the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

Log: TypeAlias = tuple[int, ...]
Row: TypeAlias = tuple[Log, Log]
"""A log, and how far it had been signed when it was written."""

MADE_UP = -1
"""An entry that no worker recorded."""

IDLE, HELD, WAITING, COMMITTED = "idle", "held", "waiting", "committed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the protocol does about what can go wrong; each can be left out, to see what it is for.

    `entries`, `failovers`, `restores`, `deaths`, `rewrites` and `refusals` bound how much happens.
    """

    barrier_at_takeover: bool = True
    barrier_at_read: bool = True
    clean_commits_only: bool = True
    epoch_compared: bool = True
    marks_compared: bool = True
    witness_asked: bool = True
    seal_asked: bool = True
    mark_compared: bool = True
    """Whatever is signed, by whomever, continues the mark or is its beginning."""
    proven_alone: bool = True
    """A log behind the mark is signed as far as its row says that it was signed before."""
    one_host: bool = True
    entries: int = 3
    failovers: int = 1
    restores: int = 0
    deaths: int = 1
    rewrites: int = 0
    refusals: int = 0
    """Batches that were sent, and that the database refused."""


@dataclass(frozen=True, slots=True)
class Node:
    """One PostgreSQL: what is visible there, and a commit that still waits for the standby."""

    log: Log = ()
    epoch: int = 0
    signed: Log = ()
    is_sealed: bool = True
    is_frozen: bool = False
    waiting: tuple[int, Log, Log] | None = None
    """Who waits (-1: nobody any more) and the row that the commit makes."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker: where it is connected, what it holds."""

    state: str = IDLE
    node: int = 0
    log: Log = ()
    signed: Log = ()
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
    sent: frozenset[Row] = frozenset()
    """What a database was shown with its seal: an administrator may put each there again."""
    forked: bool = False
    is_made_up_signed: bool = False
    false_alarm: bool = False
    made: int = 0
    failovers: int = 0
    restores: int = 0
    deaths: int = 0
    rewrites: int = 0
    refusals: int = 0


Moves: TypeAlias = Iterator[tuple[str, State]]


def wrong(state: State) -> str | None:
    """Return what must never be so."""
    if state.forked:
        return "fork"
    if state.is_made_up_signed:
        return "what nobody recorded is signed"
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
    if state.rewrites < rules.rewrites:
        yield from _of_the_administrator(state)


def _of_worker(state: State, rules: Rules, number: int) -> Moves:
    worker = state.workers[number]
    for node in _leading(state):
        if worker.state == IDLE:
            yield from _take(state, rules, number, node)
        yield from _read(state, rules, number, node)
    if worker.state == HELD and state.made < rules.entries:
        yield from _write(state, rules, number)
    if worker.state == HELD and rules.rewrites:
        yield from _send_in_vain(state, rules, number)
        yield from _seal_signed(state, number)
    if worker.state == COMMITTED:
        mark = _mark(state, number, rules)
        if rules.mark_compared and not (_begins(worker.log, mark) or _begins(mark, worker.log)):
            yield f"{number} stops", _with(state, number, Worker())
        else:
            signed = _sign(state, number, worker.log, rules)
            held = replace(worker, state=HELD, signed=worker.log)
            yield f"{number} signs", _with(signed, number, held)
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
    if _is_missing(after, rules, number, node):
        frozen = replace(node, is_frozen=True)
        # What was taken after a barrier may only go with a backup, or by somebody's hand.
        is_needed = not _begins(node.log, state.signed) or state.restores or state.rewrites
        after = _replicated(after, at, frozen) if at == state.leader else _node(after, at, frozen)
        is_needed = is_needed or not node.is_sealed
        yield f"{number} freezes", replace(after, false_alarm=not is_needed)
    else:
        held = Worker(HELD, at, node.log, node.log, node.epoch)
        marked = _marked(after, number, node.log, rules)
        yield f"{number} takes at {at}", _with(marked, number, held)


def _is_missing(state: State, rules: Rules, number: int, node: Node) -> bool:
    known: list[Log] = []
    if rules.seal_asked and not node.is_sealed:
        return True
    if rules.marks_compared:
        known.append(state.marks[_host(number, rules)])
    if rules.witness_asked:
        known.append(state.witness)
    return not all(_begins(node.log, each) for each in known)


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
    row = replace(node, waiting=(number, log, worker.signed))
    after = _sent(_node(state, worker.node, row), rules, (log, worker.signed))
    waiting = replace(worker, state=WAITING, log=log)
    yield f"{number} commits", replace(_with(after, number, waiting), made=state.made + 1)


def _send_in_vain(state: State, rules: Rules, number: int) -> Moves:
    """Send a batch that the database refuses; the next one is another."""
    worker = state.workers[number]
    if state.refusals >= rules.refusals:
        return
    for length in (1, 2):
        batch = tuple(range(state.made, state.made + length))
        after = _sent(state, rules, ((*worker.log, *batch), worker.signed))
        refused = replace(after, made=state.made + length, refusals=state.refusals + 1)
        yield f"{number} is refused {length}", refused


def _seal_signed(state: State, number: int) -> Moves:
    """Let the row say in a lull that all of it is signed."""
    worker = state.workers[number]
    node = state.nodes[worker.node]
    is_there = (node.epoch, len(node.log)) == (worker.epoch, len(worker.log))
    if not is_there or node.is_frozen or node.waiting or worker.signed != worker.log:
        return
    sealed = replace(node, signed=worker.log, is_sealed=node.log == worker.log)
    if sealed != node:
        after = replace(state, sent=state.sent | {(worker.log, worker.log)})
        yield f"{number} seals as signed", _replicated(after, worker.node, sealed)


def _of_the_administrator(state: State) -> Moves:
    at = state.leader
    node = state.nodes[at]
    if node.waiting is not None or state.has_old:
        return
    counted = replace(state, rewrites=state.rewrites + 1)
    for kept in range(len(node.log) + 1):
        log = (*node.log[:kept], MADE_UP)
        row = replace(node, log=log, signed=log, is_sealed=False, is_frozen=False)
        yield f"somebody makes up entry {kept}", _replicated(counted, at, row)
    for log, signed in sorted(state.sent):
        row = replace(node, log=log, signed=signed, is_sealed=True, is_frozen=False)
        if row != node:
            yield f"somebody puts back {log}", _replicated(counted, at, row)


def _of_waiting(state: State, at: int, rules: Rules) -> Moves:
    """A commit that waits: the standby has it, or its wait is cancelled."""
    node = state.nodes[at]
    if node.waiting is None:
        return
    who, log, signed = node.waiting
    if at == state.leader:
        after = _replicated(state, at, _settled(node))
        yield "the standby has it", _told(after, who, COMMITTED)
    cancelled = replace(node, log=log, signed=signed, is_sealed=True, waiting=None)
    after = _node(state, at, cancelled)
    yield (
        "the wait is cancelled",
        _told(after, who, IDLE if rules.clean_commits_only else COMMITTED),
    )


def _read(state: State, rules: Rules, number: int, at: int) -> Moves:
    """Any worker reads what is visible and signs it: a statement asked for again."""
    node = state.nodes[at]
    if rules.barrier_at_read:
        if at != state.leader:
            return
        # What waited before the barrier is there once the barrier is.
        state = _replicated(state, at, _settled(node))
    log = _signable(node, _mark(state, number, rules), rules)
    if log:
        yield f"{number} reads at {at} and signs", _sign(state, number, log, rules)


def _signable(node: Node, mark: Log, rules: Rules) -> Log:
    """Return how much of what is visible may be signed by whoever reads it."""
    if rules.seal_asked and not node.is_sealed:
        return ()
    if len(mark) > len(node.log):
        return node.signed if rules.proven_alone else node.log
    if rules.mark_compared and not _begins(node.log, mark):
        return ()
    return max(node.signed, mark, key=len) if node.is_frozen else node.log


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
        back = Node(log[:-1], state.nodes[state.leader].epoch, log[:-2])
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
    is_fork = not (_begins(longest, log) and _begins(longest, state.signed))
    return replace(
        _marked(state, number, log, rules),
        signed=longest,
        forked=state.forked or is_fork,
        is_made_up_signed=state.is_made_up_signed or MADE_UP in log,
    )


def _marked(state: State, number: int, log: Log, rules: Rules) -> State:
    marks = list(state.marks)
    host = _host(number, rules)
    marks[host] = max(marks[host], log, key=len)
    return replace(state, marks=(marks[0], marks[1]))


def _mark(state: State, number: int, rules: Rules) -> Log:
    return state.marks[_host(number, rules)] if rules.marks_compared else ()


def _begins(log: Log, other: Log) -> bool:
    return log[: len(other)] == other


def _sent(state: State, rules: Rules, row: Row) -> State:
    """Let an administrator keep what he sees, if there is one."""
    return replace(state, sent=state.sent | {row}) if rules.rewrites else state


def _host(number: int, rules: Rules) -> int:
    return 0 if rules.one_host else number


def _settled(node: Node) -> Node:
    if node.waiting is None:
        return node
    _, log, signed = node.waiting
    return replace(node, log=log, signed=signed, is_sealed=True, waiting=None)


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
            state = _node(state, at, replace(node, waiting=(-1, *node.waiting[1:])))
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
