"""The pretended model of a trial: it says which turn it answers, and calls a tool for some of them, once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from fullduplex.mock_live import Conversation, Reactor, Step, UserTurn, say, tool_call
from fullduplex.testing import tagged_audio

from .plan import AN_UTTERANCE, Plan

_TOKEN = re.compile(r"\b(\d+)-(\d+)\b|\bnote n(\d+)\b")
_END = re.compile(r"\bthe end of (\w+)\.")


def hear(pcm: bytes, rate: int) -> str:
    """The slices of an utterance as text: `slices 1000-1030`, with a gap for each that is missing."""
    numbers = [number for number in tagged_audio.decode(pcm, rate) if number != tagged_audio.UNREADABLE]
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return "slices " + " ".join(f"{first}-{last}" for first, last in runs) if runs else "noise"


def note(number: int) -> str:
    """What the user types."""
    return f"note n{number}"


def tokens(text: str) -> Iterator[str]:
    """Every slice (`1000`) and note (`n2`) that a text tells of, in its order."""
    for first, last, typed in _TOKEN.findall(text):
        if typed:
            yield f"n{typed}"
        else:
            yield from (str(number) for number in range(int(first), int(last) + 1))


def label_of(text: str) -> str | None:
    """The turn that a user's text ends with."""
    found = list(tokens(text))
    if not found:
        return None
    return found[-1] if found[-1].startswith("n") else f"u{int(found[-1]) // AN_UTTERANCE}"


def ended(text: str) -> list[str]:
    """The turns whose answers are said to the end in `text`."""
    return _END.findall(text)


def make_reactor(plan: Plan) -> Reactor:
    """Answers a turn as the plan says; a tool that the conversation knows of is not called again."""

    def react(turn: UserTurn, talk: Conversation) -> Sequence[Step]:
        label = label_of(turn.text) if turn.kind != "tool_response" else None
        label = label or _answered_last(talk)
        if label is None:
            return []
        how = plan.answering(label)
        if how.tool_s is None or _called(talk, label):
            return [say(_words(label), audio_ms=how.audio_ms)]
        call = tool_call("work", {"job": label, "seconds": round(how.tool_s, 3)})
        return [say("Let me see.", audio_ms=300), call] if how.preface else [call]

    return react


def answers(contents: Sequence[dict[str, Any]]) -> list[str]:
    """The jobs whose results a conversation holds."""
    responses = (part.get("functionResponse") for content in contents for part in content.get("parts") or [])
    return [str((one.get("response") or {}).get("job")) for one in responses if one]


def told(contents: Sequence[dict[str, Any]]) -> list[str]:
    """What a conversation knows of the user: slices and notes, in its order."""
    found: list[str] = []
    for content in contents:
        if content.get("role", "user") == "user":
            for part in content.get("parts") or []:
                found += tokens(str(part.get("text") or ""))
    return found


def out_of_order(found: Sequence[str], expected: Sequence[str]) -> bool:
    """Whether what is in both stands in another order."""
    places = {token: place for place, token in enumerate(expected)}
    order = [places[token] for token in found if token in places]
    return any(later < earlier for earlier, later in pairwise(order))


def _words(label: str) -> str:
    return f"Re {label}: one two three four five six seven eight nine ten, the end of {label}."


def _called(talk: Conversation, job: str) -> bool:
    calls = (part.get("functionCall") for content in talk.contents for part in content.get("parts") or [])
    return any((call.get("args") or {}).get("job") == job for call in calls if call)


def _answered_last(talk: Conversation) -> str | None:
    found = answers(talk.contents)
    return found[-1] if found else None
