"""Who answers when the script has no turn left: small pretended models, each a function of the turn and the talk.

They are test doubles and say nothing clever. `call NAME {json}` typed by the user makes echo and memory call that
function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from .conversation import Conversation, UserTurn
from .steps import Say, Step, tool_call

Reactor: TypeAlias = Callable[[UserTurn, Conversation], Sequence[Step]]
"""(the user's turn, the conversation up to and with it) → the steps of the answer; no steps: silence."""

_CALL = re.compile(r"^call (\w+)\s*(\{.*\})?\s*$", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NAME = re.compile(r"\bmy name is (\w+)", re.IGNORECASE)
_RECALL = re.compile(r"\b(what|which|remember|recall|repeat)\b", re.IGNORECASE)


def echo_reactor(turn: UserTurn, talk: Conversation) -> Sequence[Step]:
    """`You said: …` to text, the same with the transcript to voice, and the results to a tool response."""
    wanted = _wanted_call(turn)
    if wanted is not None:
        return [wanted]
    if turn.kind == "tool_response":
        results = "; ".join(f"{name} returned {json.dumps(value)}" for name, value in turn.tool_results.items())
        return [Say(results)]
    return [Say(f"You said: {turn.text}")]


def memory_reactor(turn: UserTurn, talk: Conversation) -> Sequence[Step]:
    """Recalls facts of the conversation: a number ("which number did I say?"), a name; anything else is echoed.

    Proof that history reached the model: what was never sent up, and not restored by a handle, it cannot know.
    """
    text = turn.text
    if turn.kind == "tool_response" or not _RECALL.search(text):
        return echo_reactor(turn, talk)
    earlier = talk.texts("user")
    if earlier and earlier[-1] == text:
        earlier = earlier[:-1]
    if "name" in text.lower():
        names = [name for said in earlier for name in _NAME.findall(said)]
        return [Say(f"Your name is {names[-1]}." if names else "You did not tell me your name.")]
    numbers = [number for said in earlier for number in _NUMBER.findall(said)]
    return [Say(f"You said {numbers[-1]}." if numbers else "You did not say a number.")]


def silent_reactor(turn: UserTurn, talk: Conversation) -> Sequence[Step]:
    """Never answers."""
    return []


REACTORS: dict[str, Reactor] = {"echo": echo_reactor, "memory": memory_reactor, "silent": silent_reactor}
"""By the names that the command line takes."""


def _wanted_call(turn: UserTurn) -> Step | None:
    match = _CALL.match(turn.text.strip()) if turn.kind != "tool_response" else None
    if match is None:
        return None
    try:
        args = json.loads(match.group(2) or "{}")
    except ValueError:
        args = {}
    return tool_call(match.group(1), args)
