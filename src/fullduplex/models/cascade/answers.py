"""The few sentences that the cascade says by itself, and how it reads a tool's result aloud.

Everything here is fixed text or the tool's own words: no prose is made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fullduplex.models.cascade.router import Ask, Router, ToolEntry

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


def _listed(items: Sequence[str], joint: str = "and") -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {joint} {items[-1]}"


def describe(tools: Mapping[str, ToolEntry]) -> str:
    """What the agent is and which tools it has, with sentences to try."""
    if not tools:
        return f"{IDENTITY} This agent has no tools, so there is nothing that I can do."
    examples = [entry.patterns[0].example() for entry in tools.values() if entry.patterns][:3]
    text = f"{IDENTITY} My tools are: {_listed([_plain(name) for name in tools])}."
    return f"{text} You can say: {'; or: '.join(examples)}." if examples else text


def greet(tools: Mapping[str, ToolEntry]) -> str:
    """A short greeting that says what is speaking."""
    example = next((entry.patterns[0].example() for entry in tools.values() if entry.patterns), None)
    hint = f" Try: {example}." if example else ""
    return f"Hello. {IDENTITY}{hint}"


def small_talk(kind: str, router: Router) -> str:
    """The answer to one of the router's kinds of small talk."""
    if kind == "greeting":
        return greet(router.tools)
    if kind == "help":
        return describe(router.tools)
    return _TALK[kind]


def ask(decision: Ask) -> str:
    """What is said when a tool is clear and its arguments are not."""
    return f"For {_plain(decision.tool)} I need the {_listed([_plain(name) for name in decision.missing])}."


def not_understood(router: Router) -> str:
    """What is said when nothing fits."""
    example = next((entry.patterns[0].example() for entry in router.tools.values() if entry.patterns), None)
    return f"{CANNOT_HELP} You can say, for example: {example}." if example else CANNOT_HELP


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
        return f"{_plain(name)} is done."
    error = response.get("error") or response.get("error_message")
    if error:
        return f"That did not work: {_read(error)}"
    for key in _SPOKEN_KEYS:
        value = response.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
    if set(response) == {"result"}:
        return f"{_plain(name)}: {_read(response['result'])}."
    return f"{_read({key: value for key, value in response.items() if key != 'status'} or response)}."
