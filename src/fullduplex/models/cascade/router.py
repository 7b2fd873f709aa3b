"""`local-rules`: a scripted tool router, not a language model.

It picks one of the agent's own functions by the example sentences in quotes in their descriptions, falls back on
shared words, and fills the arguments from what was said. It never invents: when nothing fits it says that it cannot
help. Pure and synchronous, well under a millisecond for an agent of ten tools; knows nothing of audio or connections.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

from fullduplex.models.cascade import flow
from fullduplex.models.cascade.patterns import Fit, Pattern, fit, parse_pattern, quoted_examples
from fullduplex.models.cascade.slots import Slot, slot_for
from fullduplex.models.cascade.text import STOP_WORDS, Token, tokenize, words_of

MOST_CHARACTERS = 2_000
MOST_WORDS = 60
ACCEPT = 0.34
"""The highest cost per weight at which a pattern still counts as meant."""

_ACCEPT_PART = 0.2
_ACCEPT_OVERLAP = 0.6

SMALL_TALK: Mapping[str, Sequence[str]] = {
    "greeting": ("hello", "hello there", "hi", "hey", "good morning", "good afternoon", "good evening"),
    "help": (
        "help",
        "help me",
        "what can you do",
        "what can i say",
        "what can i ask you",
        "who are you",
        "what are you",
        "what is your name",
    ),
    "thanks": ("thank you", "thanks", "thank you very much"),
    "goodbye": ("goodbye", "bye", "bye bye", "see you later", "good night"),
    "stop": ("stop", "be quiet", "stop talking", "never mind", "cancel"),
}
"""What the router answers by itself, apart from tools."""

_SEARCH = ("search for {query}", "search the web for {query}", "google {query}", "look up {query}", "search the web")
FOLLOW_UP = ("what about {value}", "how about {value}", "and in {value}", "and {value}", "and for {value}")
"""How a question is asked again with one thing changed."""


class Declaration(Protocol):
    """A function as the model sees it; `parameters` is a schema of type OBJECT."""

    name: str | None
    description: str | None
    parameters: dict[str, Any] | None
    behavior: str | None


@dataclass(frozen=True)
class Call:
    """Run the tool `name` with `args`."""

    name: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Calls:
    """The utterance asks for these tools, in this order; they may run at once."""

    calls: tuple[Call, ...]

    @property
    def hands_over(self) -> bool:
        """Whether another agent is to go on."""
        return any(call.name == flow.TRANSFER for call in self.calls)


@dataclass(frozen=True)
class Ask:
    """The tool is clear, but these arguments were not said."""

    tool: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class SmallTalk:
    """One of `SMALL_TALK`, or "search"."""

    kind: str


@dataclass(frozen=True)
class NoIdea:
    """Nothing fits."""


Decision = Calls | Ask | SmallTalk | NoIdea


@dataclass
class ToolEntry:
    """A tool with what the router knows of it."""

    name: str
    slots: dict[str, Slot]
    patterns: list[Pattern]
    words: frozenset[str]
    streams: bool = False
    """Whether its first answer is only that more will come."""

    @property
    def is_flow(self) -> bool:
        """Whether it says where the conversation goes, and does nothing else."""
        return self.name in flow.FLOW

    @property
    def required(self) -> list[str]:
        """Names of the arguments that a call must have."""
        return [name for name, slot in self.slots.items() if slot.required]


def _argument_notes(description: str) -> dict[str, str]:
    """The lines `name: what it is` of a docstring, by name."""
    notes = {}
    for line in description.splitlines():
        name, colon, about = line.strip().partition(":")
        if colon and name.split(" ")[0].isidentifier():
            notes[name.split(" ")[0]] = about.strip()
    return notes


def read_tool(
    declaration: Declaration, declarations: Sequence[Declaration] = (), agents: Mapping[str, str] | None = None
) -> ToolEntry:
    """What the router needs of a function declaration; a tool without examples gets patterns from its name.

    The tools of `flow` have sentences of their own, which depend on the other `declarations` and on the `agents` that
    the instruction tells of.
    """
    name, description = declaration.name or "", declaration.description or ""
    schema = declaration.parameters or getattr(declaration, "parameters_json_schema", None) or {}
    notes = _argument_notes(description)
    required = set(schema.get("required") or ())
    slots: dict[str, Slot] = {}
    for key, parameter in (schema.get("properties") or {}).items():
        slot = slot_for(key, parameter, required=key in required, description=notes.get(key, ""))
        if slot is not None:
            slots[key] = slot
    slots |= flow.slots_of(declaration, declarations)
    patterns = [p for sentence in quoted_examples(description) for p in parse_pattern(sentence, slots.get)]
    spoken_name = " ".join(name.replace("_", " ").split())
    if name in flow.FLOW:
        loops = any(one.name == flow.EXIT for one in declarations)
        patterns += flow.patterns_of(declaration, slots, agents or {}, loops=loops)
    elif not patterns:
        holes = " ".join(f"{{{key}}}" for key, slot in slots.items() if slot.required)
        sentences = [f"{spoken_name} {joint}{holes}".strip() for joint in ("", "in ", "for ", "of ")]
        patterns = [p for sentence in sentences for p in parse_pattern(sentence, slots.get)]
    words = {word for pattern in patterns for word in pattern.words} | set(words_of(spoken_name))
    streams = declaration.behavior == "NON_BLOCKING"
    return ToolEntry(name, slots, patterns, frozenset(words - STOP_WORDS), streams)


def _forbids(tokens: Sequence[Token]) -> bool:
    """Whether the user says what not to do: "don't roll the dice", "I do not want …", "never …"."""
    words = [token.word for token in tokens]
    return "never" in words or any(pair == ("do", "not") for pair in pairwise(words))


class Router:
    """Routes utterances to the functions it was made with. Holds no state between utterances.

    `agents` are those that the conversation can be handed to, with their descriptions.

    Example:
        >>> router = Router(declarations)
        >>> router.route("what time is it in Tokyo")
        Calls(calls=(Call(name='get_time', args={'city': 'Tokyo'}),))
    """

    def __init__(
        self, declarations: Sequence[Declaration], *, search: bool = False, agents: Mapping[str, str] | None = None
    ) -> None:
        self.search = search
        self.agents = dict(agents or {})
        # The agent's own tools first: where two fit as well, it does the work itself.
        own_first = sorted(declarations, key=lambda declaration: declaration.name in flow.FLOW)
        self.tools = {entry.name: entry for entry in (read_tool(one, declarations, self.agents) for one in own_first)}
        self._topics = flow.Topics(self.agents)
        self.talk = {
            kind: [p for sentence in sentences for p in parse_pattern(sentence, lambda _: None)]
            for kind, sentences in SMALL_TALK.items()
        }
        if search:
            query = Slot("query", required=False)
            self.talk["search"] = [p for s in _SEARCH for p in parse_pattern(s, lambda _: query)]
        frequency = Counter(word for entry in self.tools.values() for word in entry.words)
        self._idf = {word: math.log(1 + len(self.tools) / count) for word, count in frequency.items()}
        self._unknown_idf = math.log(1 + max(1, len(self.tools)))

    @property
    def streams(self) -> list[str]:
        """The tools that stream."""
        return [entry.name for entry in self.tools.values() if entry.streams]

    def route(self, text: str, previous: Call | None = None) -> Decision:
        """Decides what to do about an utterance.

        Args:
            text: What was typed or heard.
            previous: The last call made in this conversation, for "what about Paris?".
        """
        tokens = tokenize(text[:MOST_CHARACTERS])
        # Matching grows with the square of the words, and no sentence of a tool is nearly so long.
        if not 0 < len(tokens) <= MOST_WORDS:
            return NoIdea()
        talk = self._best_talk(tokens, text)
        if _forbids(tokens):
            return SmallTalk(talk[0]) if talk is not None else NoIdea()
        tool = self._best_tool(tokens, text, ACCEPT)
        if tool is not None and (talk is None or tool[1].score <= talk[1]):
            pair = self._split(tokens, text) if tool[1].score > 0.1 or tool[1].missing else None
            return pair or self._decide(*tool)
        if talk is not None:
            return SmallTalk(talk[0])
        return (
            self._split(tokens, text)
            or self._follow_up(tokens, text, previous)
            or self._by_overlap(tokens, text)
            or self._by_topic(tokens)
            or NoIdea()
        )

    def _decide(self, name: str, found: Fit) -> Calls | Ask:
        if name == flow.TRANSFER and found.missing and len(self.agents) == 1:
            return Calls((Call(name, {"agent_name": next(iter(self.agents))}),))  # "go back": there is but one way
        if found.missing:
            return Ask(name, found.missing)
        absent = tuple(key for key in self.tools[name].required if key not in found.values)
        return Ask(name, absent) if absent else Calls((Call(name, dict(found.values)),))

    def _best_tool(self, tokens: Sequence[Token], text: str, limit: float) -> tuple[str, Fit] | None:
        best: tuple[str, Fit] | None = None
        for entry in self.tools.values():
            for pattern in entry.patterns:
                found = fit(pattern, tokens, text, limit)
                if found is not None and (best is None or _rank(found) < _rank(best[1])):
                    best = (entry.name, found)
        return best

    def _best_talk(self, tokens: Sequence[Token], text: str) -> tuple[str, float] | None:
        best: tuple[str, float] | None = None
        for kind, patterns in self.talk.items():
            for pattern in patterns:
                found = fit(pattern, tokens, text, ACCEPT)
                if found is not None and (best is None or found.score < best[1]):
                    best = (kind, found.score)
        return best

    def _split(self, tokens: Sequence[Token], text: str) -> Calls | None:
        """Two requests in one sentence: "the weather in Paris and the time in Tokyo"."""
        for index, token in enumerate(tokens):
            if token.word not in {"and", "then"} or not 0 < index < len(tokens) - 1:
                continue
            parts = [self._best_tool(part, text, _ACCEPT_PART) for part in (tokens[:index], tokens[index + 1 :])]
            if all(part is not None and not part[1].missing for part in parts):
                decisions = [self._decide(*part) for part in parts if part is not None]
                if all(isinstance(decision, Calls) for decision in decisions):
                    return Calls(tuple(d.calls[0] for d in decisions if isinstance(d, Calls)))
        return None

    def _follow_up(self, tokens: Sequence[Token], text: str, previous: Call | None) -> Calls | None:
        """The last call again with one argument changed: "what about Paris"."""
        if previous is None or previous.name not in self.tools:
            return None
        for key, slot in self.tools[previous.name].slots.items():
            if type(slot) is Slot:
                continue
            for sentence in FOLLOW_UP:
                for pattern in parse_pattern(sentence, lambda _, slot=slot: slot):  # type: ignore[misc]
                    found = fit(pattern, tokens, text, 0.25)
                    if found is not None and key in found.values:
                        return Calls((Call(previous.name, {**previous.args, **found.values}),))
        return None

    def _by_overlap(self, tokens: Sequence[Token], text: str) -> Calls | None:
        """The tool that shares most of the utterance's telling words, if all that it requires was said."""
        best: tuple[float, Call] | None = None
        for entry in self.tools.values():
            if entry.is_flow:
                continue
            values, taken = _scan(entry, tokens, text)
            rest = [t.word for i, t in enumerate(tokens) if i not in taken and t.word not in STOP_WORDS]
            shared = [word for word in rest if word in entry.words]
            mass = sum(self._idf.get(word, self._unknown_idf) for word in rest)
            if not mass or (len(shared) < 2 and not taken) or any(key not in values for key in entry.required):
                continue
            score = sum(self._idf[word] for word in shared) / mass
            if score >= _ACCEPT_OVERLAP and (best is None or score > best[0]):
                best = (score, Call(entry.name, values))
        return Calls((best[1],)) if best is not None else None

    def _by_topic(self, tokens: Sequence[Token]) -> Calls | None:
        """Hands over to the agent whose description tells of what the user wants."""
        agent = self._topics.agent(tokens) if flow.TRANSFER in self.tools else None
        return Calls((Call(flow.TRANSFER, {"agent_name": agent}),)) if agent is not None else None


def _rank(found: Fit) -> tuple[float, int]:
    """Cheaper first; of equal cost, the one that filled more slots."""
    return (round(found.score + 0.2 * len(found.missing), 4), -len(found.values))


def _scan(entry: ToolEntry, tokens: Sequence[Token], text: str) -> tuple[dict[str, Any], set[int]]:
    """Values for a tool's slots wherever they stand in the utterance; free text is not looked for."""
    values: dict[str, Any] = {}
    taken: set[int] = set()
    for key, slot in entry.slots.items():
        if type(slot) is Slot:
            continue
        for start in range(len(tokens)):
            fills = [fill for fill in slot.match(tokens, start, text) if fill.cost == 0.0]
            if start not in taken and fills:
                end = max(fill.end for fill in fills)
                values[key] = next(fill.value for fill in fills if fill.end == end)
                taken.update(range(start, end))
                break
    return values, taken
