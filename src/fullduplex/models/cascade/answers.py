"""The few sentences that the cascade says by itself, and how it reads a tool's result aloud.

Everything here is fixed text or the tool's own words: no prose is made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fullduplex.models.cascade.flow import STOP, TRANSFER, spoken_name
from fullduplex.models.cascade.router import Ask, Router

IDENTITY = "I am a scripted tool router, not a language model."
CANNOT_HELP = "I can't help with that."
CANNOT_SEARCH = "I cannot search the web offline."
_TALK = {
    "thanks": "You are welcome.",
    "goodbye": "Goodbye.",
    "stop": "Okay.",
    "search": CANNOT_SEARCH,
}
_SPOKEN_KEYS = ("spoken", "text", "report", "result")


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split())


def _title(name: str) -> str:
    """The name as the first words of a sentence."""
    plain = _plain(name)
    return plain[:1].upper() + plain[1:]


def _listed(items: Sequence[str], joint: str = "and") -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {joint} {items[-1]}"


def describe(router: Router) -> str:
    """What the agent is, which tools it has and whom it can hand over to, with sentences to try."""
    own = [_plain(entry.name) for entry in router.tools.values() if not entry.is_flow or entry.name == STOP]
    text = IDENTITY
    if own:
        text += f" My tools are: {_listed(own)}."
    if router.agents:
        text += f" {_others(router)}"
    elif not own:
        text += " This agent has no tools, so there is nothing that I can do."
    examples = _examples(router)[:3]
    return f"{text} You can say: {'; or: '.join(examples)}." if examples else text


def greet(router: Router) -> str:
    """A short greeting that says what is speaking."""
    hint = "".join(f" Try: {example}." for example in _examples(router)[:1])
    return f"Hello. {IDENTITY}{hint}"


def introduce(name: str, router: Router) -> str:
    """What an agent says that was handed the conversation with nothing that it can answer."""
    return f"This is {spoken_name(name) or 'the next agent'}.{_hint(router)}"


def small_talk(kind: str, router: Router) -> str:
    """The answer to one of the router's kinds of small talk."""
    if kind == "greeting":
        return greet(router)
    if kind == "help":
        return describe(router)
    return _TALK[kind]


def _others(router: Router) -> str:
    return f"I can hand you over to {_listed([*map(spoken_name, router.agents)], 'or')}."


def _examples(router: Router) -> list[str]:
    """A sentence for each tool, the agent's own first."""
    return [entry.patterns[0].example() for entry in router.tools.values() if entry.patterns]


def _hint(router: Router) -> str:
    return "".join(f" You can say, for example: {example}." for example in _examples(router)[:1])


def ask(decision: Ask, router: Router) -> str:
    """What is said when a tool is clear and its arguments are not."""
    if decision.tool == TRANSFER:
        return _others(router)
    if decision.tool == STOP:
        return f"Say which one: {_listed([f'stop {_plain(name)}' for name in router.streams], 'or')}."
    return f"For {_plain(decision.tool)} I need the {_listed([_plain(name) for name in decision.missing])}."


def not_understood(router: Router) -> str:
    """What is said when nothing fits."""
    return f"{CANNOT_HELP}{_hint(router)}"


def begun(name: str) -> str:
    """What is said of a tool whose results come later, one by one."""
    return f"{_title(name)} has begun. I will tell you what comes."


def takes_long(name: str) -> str:
    """What is said of a tool that has not answered yet: it works, or it waits for somebody."""
    return f"{_title(name)} takes a moment. I will tell you when it is done."


def _read(value: Any) -> str:
    """A value in words: booleans as yes and no, lists and dicts item by item."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{_plain(str(key))}: {_read(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return _listed([_read(item) for item in value]) or "nothing"
    return str(value)


def read_result(name: str, response: Mapping[str, Any] | None) -> str:
    """A tool's result as speech.

    A string under `spoken`, `text`, `report` or `result` (the first that is there) is said as it is; an `error` is
    said as one; anything else is read out as "key: value".
    """
    if not response or response == {"result": None}:
        return f"{_title(name)} is done."
    error = response.get("error") or response.get("error_message")
    if error:
        return f"That did not work: {_read(error)}"
    for key in _SPOKEN_KEYS:
        value = response.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
    if set(response) == {"status"}:
        return f"{_read(response['status']).removesuffix('.')}."
    if set(response) == {"result"}:
        return f"{_plain(name)}: {_read(response['result'])}."
    return f"{_read({key: value for key, value in response.items() if key != 'status'} or response)}."
