"""The tools that many apps have alike and whose declarations hold no sentences: handing over to another agent, ending
a task or a loop, stopping a stream. What people say to have them called. Pure; matching is the router's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from fullduplex.models.cascade.patterns import Pattern, parse_pattern, quoted_examples
from fullduplex.models.cascade.slots import ChoiceSlot, Slot, singular
from fullduplex.models.cascade.text import STOP_WORDS, Token, words_of

# As the tools floor calls them, which lies above this one.
TRANSFER, COMPLETED, EXIT, STOP = "transfer_to_agent", "task_completed", "exit_loop", "stop_streaming"
FLOW = frozenset({TRANSFER, COMPLETED, EXIT, STOP})

_AGENT = "agent_name"
_NAMED = (
    "talk to {agent_name}",
    "[let me] speak to {agent_name}",
    "[let me] talk with {agent_name}",
    "transfer me to {agent_name}",
    "connect me with {agent_name}",
    "put me through to {agent_name}",
    "[go] back to {agent_name}",
    "{agent_name}",
)
_ABOUT = (
    "i have a question about [my] {topic}",
    "i need help with [my] {topic}",
    "it is about [my] {topic}",
    "there is a problem with [my] {topic}",
)
_NEXT = ("next", "next please", "next step", "continue", "go on")
_DONE = ("i am done", "we are done", "that is all", "done", "nothing else", "finished")
_STOPPED = ("stop {function_name}", "stop the {function_name}", "cancel the {function_name}", "end the {function_name}")
_WATCHING = ("watching", "monitoring", "tracking", "following", "streaming")
_THAT = ("it", "that", *_WATCHING)
_STOPPED_WHICH = tuple(f"stop {word}" for word in _WATCHING)

_TITLES = frozenset(words_of("agent assistant bot department expert helper specialist team"))
_GENERAL = _TITLES | frozenset(
    words_of(
        "answer anything caller care check conversation customer deal everything find give guest handle help "
        "information know look message other people question request responsible route say service speak take talk "
        "task thing user welcome work"
    )
)
_AGENT_LINES = re.compile(r"^Agent name: (.+)\nAgent description: (.*)$", re.MULTILINE)
_NAME_LINE = re.compile(r'Your internal name is "([^"]*)"')
_TOPIC_SHARE = 0.3


class Declared(Protocol):
    """A function declaration, as far as it is asked here."""

    name: str | None
    description: str | None
    behavior: str | None


def own_name(instruction: str) -> str:
    """What the agent is called, by its instruction; empty when that does not say."""
    found = _NAME_LINE.search(instruction)
    return found[1] if found else ""


def agents_in(instruction: str) -> dict[str, str]:
    """The agents that an instruction tells of, each with its description."""
    return dict(_AGENT_LINES.findall(instruction))


class Topics:
    """What other agents are there for, by the words of their names and descriptions that no other one has."""

    def __init__(self, agents: Mapping[str, str]) -> None:
        found: dict[str, set[str]] = {}
        for name, description in agents.items():
            for word in _telling(f"{name.replace('_', ' ')} {description}"):
                found.setdefault(word, set()).add(name)
        self.words = {word: next(iter(names)) for word, names in found.items() if len(names) == 1}

    def agent(self, tokens: Sequence[Token]) -> str | None:
        """Whom the utterance is for: a good part of its telling words are one agent's, and none another's."""
        telling = [word for word in (singular(token.word) for token in tokens) if word not in STOP_WORDS | _GENERAL]
        meant = [self.words[word] for word in telling if word in self.words]
        one = len(set(meant)) == 1 and len(meant) >= _TOPIC_SHARE * len(telling)
        return meant[0] if one else None


def slots_of(declaration: Declared, declarations: Iterable[Declared]) -> dict[str, Slot]:
    """The slots of a flow tool that are filled in another way than its schema says."""
    if declaration.name != STOP:
        return {}
    return {"function_name": ChoiceSlot("function_name", True, _streams(declarations))}


def patterns_of(
    declaration: Declared, slots: Mapping[str, Slot], agents: Mapping[str, str], *, loops: bool
) -> list[Pattern]:
    """The sentences of a flow tool; `loops` says that the agent can end a loop, too."""
    if declaration.name == TRANSFER:
        return _transfer(slots, agents)
    if declaration.name == STOP:
        return _parse((*_STOPPED, *_STOPPED_WHICH), slots.get)
    if declaration.name == EXIT:
        return _parse(_DONE, slots.get)
    return _parse(_NEXT if loops else (*_NEXT, *_DONE), slots.get)


def _transfer(slots: Mapping[str, Slot], agents: Mapping[str, str]) -> list[Pattern]:
    known = slots.get(_AGENT)
    names = list(known.choices.values()) if isinstance(known, ChoiceSlot) else list(agents)
    if not names:
        return []
    spoken = ChoiceSlot(_AGENT, True, {phrase: name for name in names for phrase in _spoken(name)})
    told = {name: agents.get(name, "") for name in names}
    topics = ChoiceSlot(_AGENT, True, Topics(told).words)
    patterns = _parse(_NAMED, {_AGENT: spoken}.get)
    if topics.choices:
        patterns += _parse(_ABOUT, {"topic": topics}.get)
    for name, description in told.items():
        examples = _parse(quoted_examples(description), lambda _: None)
        patterns += [replace(pattern, given=((_AGENT, name),)) for pattern in examples]
    return patterns


def _parse(sentences: Iterable[str], slot_of: Callable[[str], Slot | None]) -> list[Pattern]:
    return [pattern for sentence in sentences for pattern in parse_pattern(sentence, slot_of)]


def spoken_name(name: str) -> str:
    """What an agent is called in speech: `billing_agent` is "billing"."""
    words = words_of(name.replace("_", " "))
    return " ".join([word for word in words if word not in _TITLES] or words)


def _spoken(name: str) -> list[str]:
    """All that people call it: "billing", "billing agent", "billing department"."""
    short = spoken_name(name)
    return list(dict.fromkeys([short, " ".join(words_of(name.replace("_", " "))), f"{short} department"]))


def _telling(text: str) -> set[str]:
    words = {singular(word) for word in words_of(text) if word.isalpha() and len(word) > 2}
    return words - STOP_WORDS - _GENERAL


def _streams(declarations: Iterable[Declared]) -> dict[str, Any]:
    """How people call the streaming tools: `watch_price` is "watch price", "watching the price", "price"."""
    names = [one.name or "" for one in declarations if one.behavior == "NON_BLOCKING"]
    phrases: dict[str, set[str]] = {}
    for name in names:
        verb, *rest = words_of(name.replace("_", " "))
        doing, what = {verb.removesuffix("e") + "ing": None, **dict.fromkeys(_WATCHING)}, " ".join(rest)
        of_it = [what, *(f"{do} {the}{what}" for do in doing for the in ("", "the ", "my "))] if rest else []
        alone = _THAT if len(names) == 1 else ()
        for phrase in dict.fromkeys([" ".join([verb, *rest]), verb, next(iter(doing)), *of_it, *alone]):
            phrases.setdefault(phrase, set()).add(name)
    return {phrase: next(iter(meant)) for phrase, meant in phrases.items() if len(meant) == 1}
