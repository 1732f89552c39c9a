"""One exchange in small (PROTOCOL §3): three parties, over lines that lose and repeat.

What a party recorded stays; what a worker only remembers goes when it dies. A message stays on the
line until it is lost, and may arrive any number of times before. Tokens expire, the request
expires, and at last the provider forgets the sealed answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

Message: TypeAlias = tuple[str, int]

ANSWER, DELIVERY = "answer", "delivery"
_SAID_BY_PROVIDER = (ANSWER, DELIVERY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the protocol does about what can go wrong; each can be left out, to see what for."""

    core_knows_leaf: bool = True
    provider_knows_id: bool = True
    known_before_expiry: bool = True
    late_answers_recorded: bool = True
    delivery_after_provision: bool = True
    reconciliation: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """What each party recorded, what one worker remembers, and what is on the line."""

    inquiry: str = "open"
    token: int | None = None
    """The inquirer's worker holds the token of this time."""
    permits: int = 0
    provisions: int = 0
    answer: str | None = None
    is_delivered: bool = False
    receipts: frozenset[str] = frozenset()
    told: frozenset[tuple[str, str]] = frozenset()
    line: frozenset[Message] = frozenset()
    time: int = 0
    """0, 1: tokens of that time are valid; 2: the request has expired; 3: answers are forgotten."""
    deaths: int = 0
    losses: int = 0


Moves: TypeAlias = Iterator[tuple[str, State]]

EXPIRED, FORGOTTEN = 2, 3
DEATHS_MAX, LOSSES_MAX = 1, 1


def wrong(state: State) -> str | None:
    """Return what must never be so."""
    if state.permits > 1:
        return "two permits"
    if state.provisions > 1:
        return "two provisions"
    if any(kind == ANSWER for kind, _ in state.line) and not state.provisions:
        return "an answer without a record"
    if DELIVERY in state.receipts and not state.is_delivered:
        return "a receipt of nothing"
    return None


def is_agreed(state: State) -> bool:
    """Tell whether all is finished, and the three parties' records fit each other."""
    said = {ANSWER} if state.provisions else set()
    said |= {DELIVERY} if state.is_delivered else set()
    is_finished = state.inquiry in ("provided", "lapsed") and state.answer != "withheld"
    told = {(party, what) for party in ("provider", "inquirer") for what in said}
    return is_finished and state.receipts == said and state.told == told


def moves(state: State, rules: Rules) -> Moves:
    """Yield everything that can happen next."""
    yield from _of_inquirer(state, rules)
    for message in sorted(state.line):
        yield from _arrives(state, message, rules)
        if state.losses < LOSSES_MAX:
            lost = replace(state, line=state.line - {message}, losses=state.losses + 1)
            yield f"{message[0]} is lost", lost
    yield from _of_provider(state)
    yield from _outcomes(state)
    if state.time < FORGOTTEN:
        yield "time passes", replace(state, time=state.time + 1)


def _of_inquirer(state: State, rules: Rules) -> Moves:
    if state.inquiry == "open" and state.token is None:
        yield "asks the core", _says(state, ("ask", 0))
    if state.inquiry == "open" and state.token is not None:
        yield "shows its token", _says(state, ("present", state.token))
    if state.token is not None and state.deaths < DEATHS_MAX:
        yield "its worker dies", replace(state, token=None, deaths=state.deaths + 1)
    if state.time >= EXPIRED and state.inquiry in ("open", "withheld"):
        yield "its inquiry lapses", replace(state, inquiry="lapsed", token=None)
    if rules.reconciliation and state.time >= EXPIRED and state.inquiry == "lapsed":
        # The core names the permits it has only one outcome of; the statement is fetched.
        for what in _said(state) - state.receipts:
            yield f"reconciles the {what}", replace(state, receipts=state.receipts | {what})


def _arrives(state: State, message: Message, rules: Rules) -> Moves:
    kind, number = message
    if kind == "ask":
        yield from _at_core(state, rules)
    elif kind == "token" and state.inquiry == "open":
        yield "the token arrives", replace(state, token=number)
    elif kind == "present":
        yield from _at_provider(state, number, rules)
    elif kind == "expired" and state.token == number:
        yield "the token was too old", replace(state, token=None)
    elif kind in _SAID_BY_PROVIDER:
        yield from _received(state, kind, rules)


def _at_core(state: State, rules: Rules) -> Moves:
    if state.time >= EXPIRED:
        return
    is_new = state.permits == 0 or not rules.core_knows_leaf
    granted = replace(state, permits=min(state.permits + 1, 2)) if is_new else state
    yield "the core grants", _says(granted, ("token", state.time))


def _at_provider(state: State, token: int, rules: Rules) -> Moves:
    is_valid = token == state.time
    if state.answer is not None and rules.provider_knows_id:
        if not is_valid and not rules.known_before_expiry:
            yield "the provider sees an old token", _says(state, ("expired", token))
        elif state.time < FORGOTTEN:
            yield "the provider answers again", _says(state, (ANSWER, 0))
    elif is_valid:
        for answer in ("provided", "withheld"):
            answered = replace(state, answer=answer, provisions=min(state.provisions + 1, 2))
            yield f"the provider says {answer}", _says(answered, (ANSWER, 0))
    else:
        yield "the provider sees an old token", _says(state, ("expired", token))


def _received(state: State, kind: str, rules: Rules) -> Moves:
    if kind in state.receipts:
        return
    if kind == DELIVERY and rules.delivery_after_provision and ANSWER not in state.receipts:
        return
    if state.inquiry == "lapsed" and not rules.late_answers_recorded:
        return
    receipts = state.receipts | {kind}
    is_given = kind == DELIVERY or state.answer in ("provided", "hold-lapsed")
    inquiry = state.inquiry
    if inquiry not in {"lapsed", "provided"}:
        inquiry = "provided" if is_given and state.answer != "hold-lapsed" else "withheld"
    token = None if inquiry != "open" else state.token
    yield f"the {kind} arrives", replace(state, receipts=receipts, inquiry=inquiry, token=token)


def _of_provider(state: State) -> Moves:
    if state.answer == "withheld":
        if state.time < EXPIRED:
            released = replace(state, answer="provided", is_delivered=True)
            yield "people release it", _says(released, (DELIVERY, 0))
        else:
            yield "its hold lapses", replace(state, answer="hold-lapsed")
    if state.is_delivered and DELIVERY not in state.receipts and (DELIVERY, 0) not in state.line:
        yield "the delivery is sent again", _says(state, (DELIVERY, 0))


def _outcomes(state: State) -> Moves:
    """Outcomes are sent until they are acknowledged, so only that they arrive is of interest."""
    for what in _said(state):
        yield from _tells(state, ("provider", what))
    for what in state.receipts:
        yield from _tells(state, ("inquirer", what))


def _tells(state: State, outcome: tuple[str, str]) -> Moves:
    if outcome not in state.told:
        yield f"the {outcome[0]} tells the core", replace(state, told=state.told | {outcome})


def _said(state: State) -> frozenset[str]:
    said = [ANSWER] if state.provisions else []
    return frozenset([*said, DELIVERY] if state.is_delivered else said)


def _says(state: State, message: Message) -> State:
    return replace(state, line=state.line | {message})
