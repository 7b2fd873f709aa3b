"""Which of a session's events a model is told that keeps nothing itself, and where its tools' answers stand. Pure.

A model behind a request wants each call followed by its answer at once. In a session they may lie far apart: tools of
other branches answer in between, and what takes hours is answered many turns later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fullduplex.events import Event
from fullduplex.types.content import Content, Part


def on_branch(events: Iterable[Event], branch: str | None) -> list[Event]:
    """What an agent on `branch` of a parallel workflow sees: its own branch, those that lead to it, what has none."""
    if not branch:
        return list(events)
    return [event for event in events if not event.branch or f"{branch}.".startswith(f"{event.branch}.")]


def present_turn(events: Sequence[Event], agent: str) -> list[Event]:
    """What an agent sees that is told of no history: from the last words that came from elsewhere."""
    for number in range(len(events) - 1, -1, -1):
        event = events[number]
        if event.content is not None and event.author != agent and not event.get_function_responses():
            return list(events[number:])
    return list(events)


def paired(events: Sequence[Event]) -> list[Event]:
    """`events` with each call right before its last answer.

    Calls without an answer and answers without a call are left out, and so is what a tool answered for the time being
    once the last answer is there. An answer that the user gave belongs to the agent that called.
    """
    answered_in = {
        answer.id: number for number, event in enumerate(events) for answer in event.get_function_responses()
    }
    calls: dict[str | None, tuple[Event, Part]] = {}
    told: list[Event] = []
    open_calls: set[str | None] = set()
    for number, event in enumerate(events):
        parts = event.content.parts or [] if event.content is not None else []
        calls.update((part.function_call.id, (event, part)) for part in parts if part.function_call is not None)
        kept = [part for part in parts if _is_told(part, number, answered_in, calls)]
        if event.get_function_calls():
            following = _next_answers(events, number)
            open_calls = {part.function_call.id for part in kept if part.function_call is not None}
            if any(answered_in[call_id] != following for call_id in open_calls):
                open_calls = set()
                kept = [part for part in kept if part.function_call is None]
        elif answers := {part.function_response.id for part in kept if part.function_response is not None}:
            told += _called_again(answers - open_calls, calls)
            open_calls = set()
            if event.author == "user":
                caller = calls[min(answers, key=str)][0].author
                event = event.model_copy(update={"author": caller})
        if kept or not parts:
            told.append(event if len(kept) == len(parts) else _with(event, kept))
    return told


def _is_told(
    part: Part, number: int, answered_in: dict[str | None, int], calls: dict[str | None, tuple[Event, Part]]
) -> bool:
    if part.function_call is not None:
        return answered_in.get(part.function_call.id, -1) > number
    if part.function_response is not None:
        return part.function_response.id in calls and answered_in[part.function_response.id] == number
    return True


def _next_answers(events: Sequence[Event], number: int) -> int | None:
    """The number of the event after this one, of those that say anything, if it holds answers."""
    for following in range(number + 1, len(events)):
        event = events[following]
        if event.get_function_responses():
            return following
        if event.content is not None or event.input_transcription is not None or event.output_transcription is not None:
            return None
    return None


def _called_again(ids: set[str | None], calls: dict[str | None, tuple[Event, Part]]) -> list[Event]:
    """The calls of these ids, in their order, each event of the session with those of its own."""
    found: dict[str, tuple[Event, list[Part]]] = {}
    for call_id, (event, part) in calls.items():
        if call_id in ids:
            found.setdefault(event.id, (event, []))[1].append(part)
    return [_with(event, _signed(parts, event)) for event, parts in found.values()]


def _signed(parts: list[Part], event: Event) -> list[Part]:
    """`parts`, the first of them with the thought signature of the event's calls: a model signs only the first call."""
    made = [part for part in (event.content and event.content.parts) or [] if part.function_call is not None]
    signatures = (part.thought_signature for part in made)
    signature = parts[0].thought_signature or next(filter(None, signatures), None)
    return [parts[0].model_copy(update={"thought_signature": signature}), *parts[1:]]


def _with(event: Event, parts: list[Part]) -> Event:
    role = event.content.role if event.content is not None else None
    return event.model_copy(update={"content": Content(role=role, parts=parts)})
