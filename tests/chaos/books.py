"""The books of a trial: what was lost, doubled, out of order, or heard with a gap. Each finding is a sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from fullduplex.events import Event
from fullduplex.testing import tagged_audio

from .model import answers, ended, out_of_order, tokens, told
from .plan import AN_UTTERANCE, Act
from .player import CHUNK_RATE, audio_of, gaps_heard
from .scenes import TAG_STRIDE
from .trial import Record


def findings(record: Record) -> list[str]:
    """All that is wrong; empty when the trial passed."""
    found = [f"the run failed: {record.error!r}"] if record.error is not None else []
    found += errors(record)
    found += user(record)
    found += _tools(record)
    found += agent(record)
    found += order(record)
    found += gaps_heard(record)
    if record.open_at_end != 1 and record.error is None:
        found.append(f"{record.open_at_end} connections are open at the end")
    return found


# -- what was said ----------------------------------------------------------------------------------------------------


def errors(record: Record) -> Iterator[str]:
    for at, event in record.shown:
        if event.error_code and event.recoverable is not True:
            yield f"{at:.2f}: an error that ends the run: {event.error_code} {event.error_message}"


def user(record: Record) -> Iterator[str]:
    expected = [token for act in record.plan.acts for token in _tokens_of(act)]
    spoken = [token for token in expected if token.isdecimal()]
    shown = list(_saved_tokens(event for _, event in record.shown))
    saved = list(_saved_tokens(record.saved))
    yield from _compare("the model's conversation", expected, told(record.contents))
    yield from _compare("the session", expected, saved)
    yield from _compare("the app's events", spoken, shown)
    if out_of_order(shown, expected):
        yield f"the app's events have the user's turns in another order: {_runs(shown)}"
    for place, found, tellings in (
        ("the session", saved, [math.inf]),
        ("the model's conversation", told(record.contents), [at for at, _ in record.connected]),
    ):
        if _misplaced(record, found, expected, max(tellings, default=0.0)):
            yield f"{place} has the user's turns in another order: {_runs(found)}"


def _misplaced(record: Record, found: list[str], expected: list[str], told_at: float) -> bool:
    """Whether something stands before what was said earlier.

    What is typed before the words spoken earlier are known stands before them in the session, and so in a conversation
    that is told from the session (at `told_at`).
    """
    known: dict[str, float] = {act.label: act.at for act in record.plan.acts if not act.slices}
    for at, event in record.shown:
        known.update(dict.fromkeys(_saved_tokens([event]), at))
    places = {token: place for place, token in enumerate(expected)}
    for first, then in pairwise(token for token in found if token in places):
        if places[then] > places[first]:
            continue
        if not first.startswith("n") or not known[first] < known.get(then, 0.0) < told_at:
            return True
    return False


def _compare(place: str, expected: list[str], found: list[str]) -> Iterator[str]:
    counts = Counter(found)
    if lost := [token for token in expected if not counts[token]]:
        yield f"{place} lost {_runs(lost)}"
    if doubled := [token for token, count in counts.items() if count > 1]:
        yield f"{place} doubled {_runs(doubled)}"
    if strange := sorted(counts.keys() - set(expected)):
        yield f"{place} has what was never said: {_runs(strange)}"


def _tokens_of(act: Act) -> list[str]:
    first = act.number * AN_UTTERANCE
    return [str(number) for number in range(first, first + act.slices)] or [f"n{act.number}"]


def _saved_tokens(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        if event.input_transcription is not None and not event.partial:
            yield from tokens(event.input_transcription.text or "")
        elif event.author == "user" and event.content is not None:
            for part in event.content.parts or []:
                yield from tokens(part.text or "")


def _runs(found: list[str]) -> str:
    """Neighbours joined, so that a finding can be read."""
    runs: list[list[str]] = []
    for token in found:
        if runs and token.isdecimal() and runs[-1][1].isdecimal() and int(token) == int(runs[-1][1]) + 1:
            runs[-1][1] = token
        else:
            runs.append([token, token])
    return " ".join(first if first == last else f"{first}-{last}" for first, last in runs)


# -- what was done ----------------------------------------------------------------------------------------------------


def _tools(record: Record) -> Iterator[str]:
    known = Counter(answers(record.contents))
    calls, results = Counter[str](), Counter[str]()
    cancelled: set[str] = set()
    ids: dict[str, str] = {}
    for _, event in record.shown:
        if event.tool_call_cancellation is not None:
            cancelled.update(ids.get(call, call) for call in event.tool_call_cancellation.ids or [])
        for call in event.get_function_calls():
            job = str((call.args or {}).get("job"))
            ids[call.id or ""] = job
            calls[job] += 1
        for response in event.get_function_responses():
            results[str((response.response or {}).get("job"))] += 1
    for job, did in record.jobs.items():
        if did.begun != 1 or calls[job] != 1:
            yield f"the tool for {job} was called {calls[job]} times and ran {did.begun} times"
        if known[job] > 1 or results[job] > 1:
            yield f"the answer of {job} is {known[job]} times in the conversation and {results[job]} in the events"
        if job in cancelled:
            continue
        if did.stopped:
            yield f"the tool for {job} was stopped, and nobody had asked for it"
        elif not known[job] or not results[job]:
            yield f"the answer of {job} is lost: conversation {known[job]}, events {results[job]}"


# -- what the agent said ----------------------------------------------------------------------------------------------


def agent(record: Record, *, late_s: float = 0.1) -> Iterator[str]:
    """`late_s`: so much later than it came may be shown what the agent said."""
    whole = Counter[str]()
    last_words = ""
    for _, event in record.shown:
        if event.output_transcription is not None and not event.partial:
            last_words = event.output_transcription.text or ""
        if event.generation_complete:  # without it an answer was broken off, however little was missing
            whole.update(ended(last_words))
    for label, count in whole.items():
        if count > 1:
            yield f"{label} was answered to the end {count} times"
    last = record.plan.acts[-1].label
    if not whole[last]:
        yield f"the last turn {last} was never answered to the end"
    kept = Counter(
        label
        for event in record.saved
        if event.output_transcription is not None
        for label in ended(event.output_transcription.text or "")
    )
    # An answer of which all but the end arrived before the line was lost or left may have been whole: nobody knows,
    # and it is given again.
    ends = [(fault.ends, 1.2) if fault.warned else (fault.at, 0.3) for fault in record.struck]
    for label, count in kept.items():
        if count > 1 + sum(_just_said(record, label, at, before, late_s) for at, before in ends):
            yield f"the session has {count} whole answers to {label}"


def _just_said(record: Record, label: str, at: float, before: float, late_s: float) -> bool:
    """Whether the last words of this answer had come within `before` seconds before `at`."""
    said = [
        when
        for when, event in record.shown
        if event.output_transcription is not None
        and event.partial
        and f"{label}." in (event.output_transcription.text or "")
    ]
    return any(-late_s <= at - when < before for when in said)


def order(record: Record, *, held_back: bool = False) -> Iterator[str]:
    """`held_back`: what the agent says is, so that it is heard later, and an interruption skips a part of it."""
    times = [event.timestamp for _, event in record.shown]
    if not held_back and any(later < earlier for earlier, later in pairwise(times)):
        yield "the events' timestamps go backwards"
    if len({event.id for _, event in record.shown}) < len(record.shown):
        yield "two events have one id"
    numbers, cuts = [-1], set[int]()
    for _, event in record.shown:
        numbers += tagged_audio.decode(audio_of(event), CHUNK_RATE)
        if event.interrupted:
            cuts.add(numbers[-1])
    for earlier, later in pairwise(numbers[1:]):
        same = earlier // TAG_STRIDE == later // TAG_STRIDE and not (held_back and earlier in cuts)
        if (same and later != earlier + 1) or later <= earlier:
            yield f"the agent's audio goes from {earlier} to {later}"
    open_calls: set[str] = set()
    for _, event in record.shown:
        open_calls.update(call.id or "" for call in event.get_function_calls())
        for response in event.get_function_responses():
            if response.id not in open_calls:
                yield f"the answer to {response.id} stands before its call"
