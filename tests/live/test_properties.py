"""Random interleavings of what the backend says, what the user sends and what the network does, fed to the pure core
and to the engine in virtual time: the rules of order, merging and persistence hold, and nothing is left running.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullduplex.agents import LiveRequest
from fullduplex.events import Event
from fullduplex.live import LiveSettings
from fullduplex.testing.clock import run_virtual
from fullduplex.testing.scripted_model import ScriptedConnection
from fullduplex.turns.downstream import Downstream
from fullduplex.turns.reconnect import ReconnectPolicy
from fullduplex.types.live import AudioStreamEnd, LiveServerMessage
from tests.live.kit import (
    GENERATION_COMPLETE,
    GO_AWAY,
    INTERRUPTED,
    TURN_COMPLETE,
    Call,
    audio,
    calls,
    cancellation,
    content,
    handle,
    heard,
    leftovers,
    pcm,
    said,
    settle,
    short,
    text,
    user,
)

# -- cases ------------------------------------------------------------------------------------------------------

Case = list[tuple[int, int]]
_step = st.tuples(st.integers(0, 25), st.integers(0, 3))
# Left to itself hypothesis draws short lists, in which little can meet.
cases = st.lists(_step, max_size=10) | st.lists(_step, min_size=10, max_size=35)


@dataclass
class Script:
    """A case read as steps: `("say", message)`, `("send", request)`, `("wait", s)`, `("lose",)`, `("rotate",)`."""

    case: Case
    called: list[str] = field(default_factory=list)
    cumulative: dict[str, str] = field(default_factory=lambda: {"in": "", "out": ""})
    words: int = 0

    def word(self) -> str:
        """Words that differ, none the beginning of another."""
        self.words += 1
        return f"w{self.words:04d} "

    def steps(self) -> Iterator[tuple[Any, ...]]:
        for kind, detail in self.case:
            yield from self._step(kind, detail)

    def _step(self, kind: int, detail: int) -> Iterator[tuple[Any, ...]]:
        if kind < 4:
            yield "say", text(self.word(), **({"thought": True} if detail == 3 else {}))
        elif kind < 6:
            yield "say", audio(bytes([detail, self.words % 256]) * 24)
        elif kind < 10:
            yield "say", self._transcript("in" if kind < 8 else "out", detail)
        elif kind < 14:
            yield "say", self._end(kind, detail)
        elif kind < 16:
            yield "say", self._calls(detail)
        elif kind == 16:
            yield "say", cancellation(*self.called[-1 - detail :][:2])
        elif kind < 23:
            yield from self._users(kind, detail)
        elif kind == 23:
            yield "wait", (0.0, 0.001, 0.5, 3.0)[detail]
        elif kind == 24 and detail < 2:
            yield ("lose",) if detail else ("rotate",)
        elif kind == 25:
            yield "say", handle(f"h{self.words}") if detail == 1 else content(groundingMetadata={"n": detail})

    def _transcript(self, side: str, detail: int) -> dict[str, Any]:
        speak = heard if side == "in" else said
        if detail == 0:
            return speak(None, finished=True)
        return speak(self.word(), finished=True if detail == 3 else None)

    def _end(self, kind: int, detail: int) -> dict[str, Any]:
        usage = {"usageMetadata": {"responseTokenCount": detail}} if detail == 2 else {}
        if kind < 12:
            return {**(content(turnComplete=True, interrupted=True) if detail == 3 else TURN_COMPLETE), **usage}
        return {**(INTERRUPTED if kind == 12 else GENERATION_COMPLETE), **usage}

    def _calls(self, detail: int) -> dict[str, Any]:
        new = [f"c{len(self.called) + number}" for number in range(detail % 2 + 1)]
        self.called += new
        return calls(*[(one, "tool", {"after": (0.0, 0.4, 1.0, 30.0)[(detail + n) % 4]}) for n, one in enumerate(new)])

    def _users(self, kind: int, detail: int) -> Iterator[tuple[Any, ...]]:
        if kind < 20:
            yield "send", LiveRequest(content=user(self.word()), partial=detail == 3)
        elif kind == 20:
            yield "send", LiveRequest(blob=pcm(0.01 * (detail + 1)))
        elif kind == 21:
            yield "send", LiveRequest(state_delta={self.word(): detail})
        else:
            yield "send", LiveRequest(audio_stream_end=True)


# -- the pure core ----------------------------------------------------------------------------------------------


def core(case: Case) -> list[str]:
    """The events that the core makes of a case, in short."""
    downstream = Downstream(author="guide", invocation_id="e", new_id=lambda: "id")
    events: list[Event] = []
    for now, step in enumerate(Script(case).steps()):
        if step[0] == "say":
            events += downstream.feed(LiveServerMessage.model_validate(step[1]), float(now))
        elif step[0] == "lose":
            events += downstream.finish(float(now))
        elif step[0] == "rotate":
            for message in (GO_AWAY, TURN_COMPLETE):
                events += downstream.feed(LiveServerMessage.model_validate(message), float(now))
    events += downstream.finish(1e9)
    check_segments(events)
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)
    expected = [step[1] for step in Script(case).steps() if step[0] == "say"]
    turns = [message.get("serverContent", {}).get("modelTurn", {}) for message in expected]
    spoken = [part["text"] for turn in turns for part in turn.get("parts", []) if "text" in part]
    assert [e.content.parts[0].text for e in events if e.partial and e.content is not None] == spoken
    return [short(event) for event in events]


def check_segments(events: list[Event]) -> None:
    """Pieces join to what is said to be whole, on every side, and nothing stays unsaid."""
    pieces: dict[str, str] = {"text": "", "in": "", "out": ""}
    thought = None
    for event in events:
        for side, transcript in (("in", event.input_transcription), ("out", event.output_transcription)):
            if transcript is None:
                continue
            assert transcript.finished is (not event.partial)
            if event.partial:
                pieces[side] += transcript.text
            else:
                assert transcript.text == pieces[side] != ""
                pieces[side] = ""
        part = event.content.parts[0] if event.content is not None else None
        if part is not None and part.text is not None and event.author != "user":
            if event.partial:
                assert pieces["text"] == "" or part.thought == thought
                thought = part.thought
                pieces["text"] += part.text
            else:
                assert (part.text, part.thought) == (pieces["text"], thought)
                pieces["text"] = ""
        elif part is not None:
            assert event.partial is None
            if part.function_response is None:
                assert pieces["text"] == "", "text that is followed by something else is whole"
        if event.turn_complete:
            assert set(pieces.values()) == {""}, "a turn ends with nothing pending"
    assert set(pieces.values()) == {""}


# -- the engine -------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What became of a case."""

    shown: list[Event]
    saved: list[Event]
    state: dict[str, Any]
    connections: list[ScriptedConnection]
    sent: list[LiveRequest]
    called: list[str]
    cancelled: dict[str, bool]  # whether in time
    lost: int


async def engine(case: Case, pace: float) -> Outcome:
    """Plays a case, with `pace` seconds after each step (0: everything at once)."""

    async def tool(after: float) -> str:
        await asyncio.sleep(after)
        if after == 1.0:
            raise RuntimeError("this one fails")
        return "done"

    policy = ReconnectPolicy(first_delay_s=0.1, factor=1.0, budget=10_000)
    call = await Call.start(tools=[tool], settings=LiveSettings(tool_deadline_s=100.0, reconnect=policy))
    script, sent, lost, number = Script(case), [], 0, 1
    due: dict[str, float] = {}
    cancelled: dict[str, bool] = {}
    loop = asyncio.get_running_loop()
    for step in script.steps():
        if step[0] == "say":
            (await call.connection(number)).say(step[1])
            for one in step[1].get("toolCall", {}).get("functionCalls", []):
                due[one["id"]] = loop.time() + one["args"]["after"]
            for call_id in step[1].get("toolCallCancellation", {}).get("ids", []):
                cancelled.setdefault(call_id, loop.time() < due[call_id] - 0.01)
        elif step[0] == "send":
            call.queue.send(step[1])
            sent.append(step[1])
        elif step[0] == "wait":
            await asyncio.sleep(step[1])
        else:
            old, lost, number = await call.connection(number), lost + 1, number + 1
            if step[0] == "lose":
                old.lose()
            else:
                old.say(GO_AWAY)
                old.say(TURN_COMPLETE)
            await call.connection(number)
        if pace:
            await asyncio.sleep(pace)
    await call.connection(number)
    await settle()
    await call.end()
    assert leftovers() == []
    session = await call.saved()
    return Outcome(
        call.events, session.events, session.state, call.model.connections, sent, script.called, cancelled, lost
    )


def check_engine(outcome: Outcome, core_says: list[str]) -> None:
    shown = [event for event in outcome.shown if event.setup_complete is None and event.error_code is None]
    check_segments(shown)
    assert [short(e) for e in shown if not e.get_function_responses()] == core_says
    check_persistence(outcome, shown)
    check_upstream(outcome)
    check_tools(outcome)
    check_memory(outcome)
    assert all(connection.closed for connection in outcome.connections)
    assert len(outcome.connections) == outcome.lost + 1


def check_persistence(outcome: Outcome, shown: list[Event]) -> None:
    saved = outcome.saved
    assert not any(event.partial for event in saved)
    assert not any(part.inline_data for event in saved if event.content for part in event.content.parts)
    assert len({event.id for event in saved}) == len(saved)
    # Nothing of the model's side is lost, doubled or moved.
    kept = [short(event) for event in shown if not event.partial and not _is_media(event) and not _is_notice(event)]
    users = [event for event in saved if event.author == "user" and event.input_transcription is None]
    assert [short(event) for event in saved if event not in users] == kept
    # All that the user said is kept once, in order.
    said_by_user = [r.content.text for r in outcome.sent if r.content is not None and not r.partial]
    assert [event.content.text for event in users if event.content is not None] == said_by_user
    for request in outcome.sent:
        assert (request.state_delta or {}).items() <= outcome.state.items()
    if not outcome.lost:
        check_conversation(saved, users)


def check_conversation(saved: list[Event], users: list[Event]) -> None:
    """No word of the user's stands between what the model said and the end of that turn."""
    speaking = False
    ends = [index for index, event in enumerate(saved) if event.turn_complete]
    for index, event in enumerate(saved):
        if event.turn_complete:
            speaking = False
        elif event.content is not None and event.content.role == "model":
            speaking = True
        elif event in users and event.content is not None:
            assert not (speaking and ends and ends[-1] > index)


def check_upstream(outcome: Outcome) -> None:
    """What the user sent arrived once, in order, whichever connection took it."""
    everything = [sent for connection in outcome.connections for sent in connection.sent]
    arrived = [value for kind, value in everything if kind != "tool_response"]
    requests = [request for request in outcome.sent if not request.state_delta]
    expected = [request.content or request.blob or AudioStreamEnd() for request in requests]
    assert arrived == expected


class History(NamedTuple):
    """What a connection was told at its opening: words, and ids of answered calls."""

    words: set[str]
    answers: set[str]


def history_of(connection: ScriptedConnection) -> History:
    parts = [part for turn in connection.request.history for part in turn.parts]
    answers = {part.function_response.id for part in parts if part.function_response is not None}
    return History({part.text for part in parts if part.text}, answers)


def check_memory(outcome: Outcome) -> None:
    """A new connection without a handle is told of all that was said on those before, and nothing twice."""
    words: set[str] = set()
    for connection in outcome.connections:
        history = history_of(connection)
        if connection.request.history:
            assert words <= history.words
        for kind, value in connection.sent:
            if kind == "content":
                assert value.text not in history.words
                words.add(value.text)
            elif kind == "tool_response":
                assert not {answer.id for answer in value} & history.answers


def check_tools(outcome: Outcome) -> None:
    """Every call is answered once, or cancelled and then not at all."""
    told = Counter(event_id for event in outcome.shown for event_id in _response(event))
    everything = [sent for connection in outcome.connections for sent in connection.sent]
    sent = Counter(answer.id for kind, value in everything if kind == "tool_response" for answer in value)
    assert set(told.values()) | set(sent.values()) <= {1}
    for call_id in outcome.called:
        in_history = any(call_id in history_of(connection).answers for connection in outcome.connections)
        if call_id in outcome.cancelled:
            assert sent[call_id] <= told[call_id] <= (0 if outcome.cancelled[call_id] else 1)
        else:
            assert told[call_id] == 1
            assert sent[call_id] == 1 or in_history


def _response(event: Event) -> list[str]:
    return [response.id or "" for response in event.get_function_responses()]


def _is_media(event: Event) -> bool:
    return event.content is not None and any(part.inline_data for part in event.content.parts)


def _is_notice(event: Event) -> bool:
    return bool(event.generation_complete or event.go_away or event.tool_call_cancellation)


# -- the tests --------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of expected warnings would take most of the time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def play(case: Case, pace: float) -> None:
    said_by_core = core(case)
    check_engine(run_virtual(engine(case, pace)), said_by_core)


@pytest.mark.spec(33, 50, 51, 53, 54, 55, 101, 115, 116, 149)
@settings(max_examples=2000)
@given(cases, st.sampled_from([0.0, 0.001, 0.3]))
def test_any_interleaving_keeps_the_rules(case: Case, pace: float) -> None:
    play(case, pace)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=20_000)
@given(st.lists(_step, min_size=40, max_size=200), st.sampled_from([0.0, 0.001, 0.3]))
def test_any_longer_interleaving_keeps_the_rules(case: Case, pace: float) -> None:
    play(case, pace)
