"""Random interleavings of what the backend says, what the user sends and what the network does, fed to the pure core
and to the engine in virtual time: the rules of order, merging and persistence hold, and nothing is left running.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullduplex import types
from fullduplex.agents import LiveRequest
from fullduplex.errors import ConnectionLost
from fullduplex.events import Event
from fullduplex.live import LiveSettings
from fullduplex.models.base import ConnectRequest
from fullduplex.testing.clock import run_virtual
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.turns.downstream import Downstream
from fullduplex.turns.loudness import is_loud
from fullduplex.turns.reconnect import ReconnectPolicy
from fullduplex.types.content import Content, FunctionResponse
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
    said,
    settle,
    short,
    text,
    user,
)

# -- cases ------------------------------------------------------------------------------------------------------

Case = list[tuple[int, int]]
_step = st.tuples(st.integers(0, 26), st.integers(0, 3))
# Left to itself hypothesis draws short lists, in which little can meet.
cases = st.lists(_step, max_size=10) | st.lists(_step, min_size=10, max_size=35)


@dataclass
class Script:
    """A case read as steps: `("say", message)`, `("send", request)`, `("wait", s)`, `("lose",)`, `("rotate",)`, and
    `("forget",)` for a loss after which the backend knows none of its handles.

    In a case that `speaks` the user's audio is loud, and nobody transcribes it.
    """

    case: Case
    speaks: bool = False
    called: list[str] = field(default_factory=list)
    cumulative: dict[str, str] = field(default_factory=lambda: {"in": "", "out": ""})
    words: int = 0
    handles: int = 0

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
            yield "say", self._transcript("in" if kind < 8 and not self.speaks else "out", detail)
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
        elif kind == 24 and detail < 3:
            yield ((("rotate",), ("lose",), ("forget",))[detail])
        elif kind == 25:
            yield "say", content(groundingMetadata={"n": detail})
        elif kind == 26:
            self.handles += 1
            yield "handle", f"h{self.handles}", detail

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
            self.words += 1
            yield "send", LiveRequest(blob=tagged(self.words, loud=self.speaks))
        elif kind == 21:
            yield "send", LiveRequest(state_delta={self.word(): detail})
        else:
            yield "send", LiveRequest(audio_stream_end=True)


def tagged(number: int, *, loud: bool) -> types.Blob:
    """A chunk of audio that can be told from all others."""
    high = 0x40 if loud else 0
    return types.Blob(data=bytes([number % 256, high, number // 256, high]) * 80, mime_type="audio/pcm;rate=16000")


# -- the pure core ----------------------------------------------------------------------------------------------


def core(case: Case, *, speaks: bool) -> list[str]:
    """The events that the core makes of a case, in short."""
    downstream = Downstream(author="guide", invocation_id="e", new_id=lambda: "id")
    events: list[Event] = []
    for now, step in enumerate(Script(case, speaks).steps()):
        if step[0] == "say":
            events += downstream.feed(LiveServerMessage.model_validate(step[1]), float(now))
        elif step[0] == "handle":
            events += downstream.feed(LiveServerMessage.model_validate(handle(step[1])), float(now))
        elif step[0] in ("lose", "forget"):
            events += downstream.finish(float(now))
        elif step[0] == "rotate":
            for message in (GO_AWAY, TURN_COMPLETE):
                events += downstream.feed(LiveServerMessage.model_validate(message), float(now))
    events += downstream.finish(1e9)
    check_segments(events)
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)
    expected = [step[1] for step in Script(case, speaks).steps() if step[0] == "say"]
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


# -- the backend ------------------------------------------------------------------------------------------------


@dataclass
class Memory:
    """What one side of the conversation has told a model, in order: see `ScriptedConnection.sent`."""

    items: list[tuple[str, Any]]

    def turns(self) -> Iterator[Content]:
        for kind, value in self.items:
            yield from value if kind in ("history", "question") else [value] if kind in ("content", "partial") else []

    def words(self) -> Counter[str]:
        return Counter(word for turn in self.turns() for part in turn.parts or [] for word in (part.text or "").split())

    def answers(self) -> Counter[str]:
        parts = [part for turn in self.turns() for part in turn.parts or []]
        told = [part.function_response for part in parts if part.function_response is not None]
        sent: list[FunctionResponse] = [one for kind, value in self.items if kind == "tool_response" for one in value]
        return Counter(answer.id or "" for answer in [*told, *sent])

    def speech(self) -> Counter[bytes]:
        blobs = [value.data for kind, value in self.items if kind == "realtime"]
        return Counter(data for data in blobs if is_loud(data))


class Remembering(ScriptedConnection):
    """A connection that goes on from what a handle stands for, and issues handles."""

    model: RememberingModel

    def __init__(self, request: ConnectRequest) -> None:
        super().__init__(request)
        self.before: list[tuple[str, Any]] = [("history", request.history)]
        self.left = asyncio.Event()

    @property
    def memory(self) -> Memory:
        return Memory([*self.before, *self.sent])

    def issue(self, name: str, detail: int) -> None:
        """Says a handle: with no index (`detail` 0 and 1), for all that has come, or for all but the last message."""
        index = None if detail < 2 else max(0, len(self.sent) - (detail == 3))
        message = handle(name)
        if index is not None:
            message["sessionResumptionUpdate"]["lastConsumedClientMessageIndex"] = str(index)
        self.say(message)

    async def receive(self) -> AsyncIterator[LiveServerMessage]:
        async for message in super().receive():
            if (update := message.session_resumption_update) is not None:
                index = update.last_consumed_client_message_index
                covered = self.sent if index is None else self.sent[: int(index)]
                self.model.remembered[update.new_handle or ""] = [*self.before, *covered]
            yield message


class RememberingModel(ScriptedModel):
    """A backend that keeps what its handles stand for, until it is told to forget."""

    connection_type = Remembering

    def __init__(self) -> None:
        super().__init__()
        self.remembered: dict[str, list[tuple[str, Any]]] = {}

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
        resumption = request.config.session_resumption
        name = resumption.handle if resumption is not None else None
        if name is not None and name not in self.remembered:
            raise ConnectionLost("no such session", close_code=1008)
        async with super().connect(request) as connection:
            assert isinstance(connection, Remembering)
            connection.model = self
            if name is not None:
                connection.before = self.remembered[name]
            try:
                yield connection
            finally:
                connection.left.set()


# -- the engine -------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What became of a case."""

    shown: list[Event]
    saved: list[Event]
    state: dict[str, Any]
    connections: list[Remembering]
    sent: list[LiveRequest]
    called: list[str]
    cancelled: dict[str, bool]  # whether in time
    lost: int
    unheard: list[list[bytes]]  # at each change of connections: speech that the model has certainly not heard


async def engine(case: Case, pace: float, *, speaks: bool) -> Outcome:
    """Plays a case, with `pace` seconds after each step (0: everything at once)."""

    async def tool(after: float) -> str:
        await asyncio.sleep(after)
        if after == 1.0:
            raise RuntimeError("this one fails")
        return "done"

    policy = ReconnectPolicy(first_delay_s=0.1, factor=1.0, budget=10_000)
    model = RememberingModel()
    call = await Call.start(model=model, tools=[tool], settings=LiveSettings(tool_deadline_s=100.0, reconnect=policy))
    script, sent, number = Script(case, speaks), [], 1
    due: dict[str, float] = {}
    cancelled: dict[str, bool] = {}
    speech: list[bytes] = []
    unheard: list[list[bytes]] = []
    loop = asyncio.get_running_loop()
    for step in script.steps():
        connection = await call.connection(number)
        if step[0] == "say":
            connection.say(step[1])
            if begins_turn(step[1]):
                speech.clear()
            for one in step[1].get("toolCall", {}).get("functionCalls", []):
                due[one["id"]] = loop.time() + one["args"]["after"]
            for call_id in step[1].get("toolCallCancellation", {}).get("ids", []):
                cancelled.setdefault(call_id, loop.time() < due[call_id] - 0.01)
        elif step[0] == "handle":
            connection.issue(*step[1:])
        elif step[0] == "send":
            call.queue.send(step[1])
            sent.append(step[1])
            if step[1].blob is not None:
                speech.append(step[1].blob.data)
        elif step[0] == "wait":
            await asyncio.sleep(step[1])
        else:
            number += 1
            unheard.append(list(speech))
            await change(call, connection, number, how=step[0])
        if pace:
            await asyncio.sleep(pace)
    await call.connection(number)
    await settle()
    await call.end()
    assert leftovers() == []
    session = await call.saved()
    return Outcome(
        shown=call.events,
        saved=session.events,
        state=session.state,
        connections=model.connections,
        sent=sent,
        called=script.called,
        cancelled=cancelled,
        lost=number - 1,
        unheard=unheard,
    )


async def change(call: Call, old: Remembering, number: int, *, how: str) -> None:
    """Has the run change from `old` to its connection `number`."""
    if how == "rotate":
        old.say(GO_AWAY)
        old.say(TURN_COMPLETE)
    else:
        if how == "forget":
            call.model.remembered.clear()
        old.lose()
    await call.connection(number)
    await old.left.wait()


def begins_turn(message: dict[str, Any]) -> bool:
    return "toolCall" in message or "modelTurn" in message.get("serverContent", {})


def check_engine(outcome: Outcome, core_says: list[str], *, paced: bool) -> None:
    shown = [event for event in outcome.shown if event.setup_complete is None and event.error_code is None]
    check_segments(shown)
    assert [short(e) for e in shown if not e.get_function_responses()] == core_says
    check_persistence(outcome, shown)
    check_upstream(outcome)
    check_tools(outcome)
    check_memory(outcome, paced=paced)
    check_speech(outcome, paced=paced)
    assert all(connection.closed for connection in outcome.connections)
    assert len(outcome.connections) == outcome.lost + 1


def check_persistence(outcome: Outcome, shown: list[Event]) -> None:
    saved = outcome.saved
    assert not any(event.partial for event in saved)
    assert not any(part.inline_data for event in saved if event.content for part in event.content.parts)
    assert len({event.id for event in saved}) == len(saved)
    users = [event for event in saved if event.author == "user" and event.input_transcription is None]
    kept = [event for event in shown if not event.partial and not _is_media(event) and not _is_notice(event)]
    check_kept([event for event in saved if event not in users], kept, shown)
    # All that the user said is kept once, in order.
    said_by_user = [r.content.text for r in outcome.sent if r.content is not None and not r.partial]
    assert [event.content.text for event in users if event.content is not None] == said_by_user
    for request in outcome.sent:
        assert (request.state_delta or {}).items() <= outcome.state.items()
    if not outcome.lost:
        check_conversation(saved, users)


def check_kept(saved: list[Event], kept: list[Event], shown: list[Event]) -> None:
    """Nothing of the model's side is lost, doubled or moved, but for words of an interrupted answer that were not
    heard: those are cut off or left out."""
    by_id = {event.id: event for event in saved}
    assert [event.id for event in saved] == [event.id for event in kept if event.id in by_id]
    cuttable = _interrupted_words(shown)
    for event in kept:
        copy = by_id.get(event.id)
        if copy is not None and short(copy) == short(event):
            continue
        assert event.id in cuttable
        if copy is not None:
            assert copy.interrupted
            assert copy.heard is not None
            assert event.output_transcription.text.startswith(copy.output_transcription.text.strip())


def _interrupted_words(shown: list[Event]) -> set[str]:
    """The ids of finished transcripts of answers that had audio and were interrupted; also of what came late."""
    cuttable: set[str] = set()
    interrupted = False
    spoken: list[str] = []
    audible = False
    for event in shown:
        audible = audible or _is_media(event)
        if event.output_transcription is not None and not event.partial and (audible or interrupted):
            spoken.append(event.id)
        if event.interrupted:
            interrupted = interrupted or audible
            audible = False
        if interrupted:
            cuttable |= set(spoken)
        if event.turn_complete:
            interrupted, audible = False, False
            spoken.clear()
    return cuttable


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
    """What the user sent arrived in order, whichever connection took it; silence came once."""
    requests = [request for request in outcome.sent if not request.state_delta]
    expected = [request.content or request.blob for request in requests if not request.audio_stream_end]
    everything = [sent for connection in outcome.connections for sent in connection.sent]
    arrived = [value for kind, value in everything if kind in ("content", "partial", "realtime")]
    firsts = [value for place, value in enumerate(arrived) if value not in arrived[:place]]
    assert firsts == expected
    silence = [value.data for kind, value in everything if kind == "realtime" and not is_loud(value.data)]
    assert len(set(silence)) == len(silence)
    signals = [value for kind, value in everything if kind == "activity"]
    assert all(isinstance(signal, AudioStreamEnd) for signal in signals)
    assert len(signals) >= len(requests) - len(expected)


def check_memory(outcome: Outcome, *, paced: bool) -> None:
    """Every connection knows all that was typed before it took over, and none is told anything twice."""
    words = {word for r in outcome.sent if r.content is not None for word in r.content.text.split()}
    told: set[str] = set()
    for connection in outcome.connections:
        known = connection.memory.words()
        assert set(known.values()) <= {1}
        last = connection is outcome.connections[-1]
        if paced or last:  # else it may have been lost before it was told
            assert told <= known.keys()
        told |= known.keys() & words
    assert told == words


def check_speech(outcome: Outcome, *, paced: bool) -> None:
    """Speech that the model did not hear is sent again, once; none is sent twice over one connection."""
    for connection in outcome.connections:
        assert set(connection.memory.speech().values()) <= {1}
    if not paced:
        return  # what left before a message of the model's came cannot be told
    for unheard, following in zip(outcome.unheard, outcome.connections[1:], strict=True):
        again = [value.data for kind, value in following.sent if kind == "realtime"]
        known = following.memory.speech()
        assert [known[data] for data in unheard if is_loud(data)] == [1 for data in unheard if is_loud(data)]
        told = [data for data in again if data in unheard]
        assert told == [data for data in unheard if data in told], "in order"


def check_tools(outcome: Outcome) -> None:
    """Every call is answered once, or cancelled and then not at all; whoever takes over knows all answers, once."""
    told = Counter(event_id for event in outcome.shown for event_id in _response(event))
    assert set(told.values()) <= {1}
    for connection in outcome.connections:
        assert set(connection.memory.answers().values()) <= {1}
    known = outcome.connections[-1].memory.answers()
    for call_id in outcome.called:
        if call_id in outcome.cancelled:
            assert known[call_id] <= told[call_id] <= (0 if outcome.cancelled[call_id] else 1)
        else:
            assert told[call_id] == 1
            assert known[call_id] == 1


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


def play(case: Case, pace: float, speaks: bool) -> None:
    core_says = core(case, speaks=speaks)
    check_engine(run_virtual(engine(case, pace, speaks=speaks)), core_says, paced=pace > 0)


@pytest.mark.spec(33, 50, 51, 53, 54, 55, 101, 115, 116, 138, 141, 143, 149)
@settings(max_examples=2000, derandomize=True)
@given(cases, st.sampled_from([0.0, 0.001, 0.3]), st.booleans())
def test_any_interleaving_keeps_the_rules(case: Case, pace: float, speaks: bool) -> None:
    play(case, pace, speaks)


@pytest.mark.slow
@pytest.mark.timeout(2400)
@settings(max_examples=20_000)
@given(st.lists(_step, min_size=40, max_size=200), st.sampled_from([0.0, 0.001, 0.3]), st.booleans())
def test_any_longer_interleaving_keeps_the_rules(case: Case, pace: float, speaks: bool) -> None:
    play(case, pace, speaks)
