"""What happens when two rare things coincide: a stop or a loss at a change of lines, a store that hangs at the end."""

from __future__ import annotations

import asyncio
from typing import Any

from fullduplex import RunConfig, types
from fullduplex.agents.run_config import ContextFallback
from fullduplex.errors import ConnectionLost
from fullduplex.events import Event
from fullduplex.sessions import InMemorySessionService, Session
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.tools import FunctionTool
from fullduplex.types.config import Behavior
from tests.live.kit import (
    INTERRUPTED,
    TURN_COMPLETE,
    Call,
    audio,
    calls,
    handle,
    said,
    settle,
    short,
    text,
    user,
    virtual,
)

FRAME = types.Blob(data=bytes(range(256)) * 80, mime_type="image/jpeg")


class Stalling(ScriptedConnection):
    """A connection that takes nothing while it is `stalled`."""

    stalled = False

    async def ready(self) -> None:
        while self.stalled:
            if self.closed:
                raise ConnectionLost("closed with 1006", close_code=1006)
            await asyncio.sleep(0.05)


class StallingModel(ScriptedModel):
    connection_type = Stalling


class Store(InMemorySessionService):
    """A store that takes `delay_s` for each event."""

    delay_s = 0.0

    async def append_event(self, session: Session, event: Event) -> Event:
        await asyncio.sleep(self.delay_s)
        return await super().append_event(session, event)


def go_away(time_left: str) -> dict[str, Any]:
    return {"goAway": {"timeLeft": time_left}}


async def ask(call: Call, words: str) -> None:
    call.queue.send_content(user(words))
    await settle()


async def outlasted() -> tuple[Call, ScriptedConnection, ScriptedConnection]:
    """A call whose first line still answers "q1" although its time is up, with the next line open."""
    call = await Call.start()
    await call.connection()
    await ask(call, "q1")
    first = await call.play(audio(), go_away("2s"))
    await asyncio.sleep(1.1)
    second = await call.connection(2)
    assert not first.closed
    return call, first, second


def handle_of(connection: ScriptedConnection) -> str | None:
    resumption = connection.request.config.session_resumption
    return resumption.handle if resumption is not None else None


# -- a stop or a loss at a change of lines --------------------------------------------------------------------------


@virtual
async def test_a_stop_silences_the_line_that_speaks_and_not_the_one_that_follows_it() -> None:
    call, first, second = await outlasted()
    call.queue.interrupt()
    await settle()
    before = len(call.events)
    await call.play(audio(), TURN_COMPLETE, number=1)
    assert call.events[before:] == []
    assert first.closed
    await ask(call, "q2")
    await call.play(audio(), said("hello", True), TURN_COMPLETE, number=2)
    assert [short(event) for event in call.events[before:]] == ["audio", "P-out:hello", "M-out:hello", "end"]
    assert "interrupt" not in [kind for kind, _ in second.sent], "that line has said nothing"
    await call.end()


@virtual
async def test_an_answer_that_outlasts_two_lines_is_given_up_and_asked_for_on_the_third() -> None:
    call, first, second = await outlasted()
    second.say(go_away("1s"))
    third = await call.connection(3)
    await asyncio.sleep(5)
    assert (first.closed, second.closed, third.closed) == (True, True, False)
    assert third.sent == [("question", [user("q1")])]
    await call.play(text("a1"), TURN_COMPLETE, number=3)
    async with asyncio.timeout(60):
        assert (await call.end())[-2:] == ["M:a1", "end"]


@virtual
async def test_an_answer_that_ends_after_the_next_line_is_lost_does_not_hide_the_one_that_follows() -> None:
    call, first, second = await outlasted()
    await asyncio.sleep(0.1)
    second.lose()
    third = await call.connection(3)
    await asyncio.sleep(0.3)
    first.say(TURN_COMPLETE)
    await settle()
    await ask(call, "q2")
    before = len(call.events)
    await call.play(text("a2"), TURN_COMPLETE, number=3)
    assert [short(event) for event in call.events[before:]] == ["P:a2", "M:a2", "end"]
    assert third.sent[-1] == ("content", user("q2"))
    await call.end()


@virtual
async def test_a_picture_is_not_taken_for_speech_when_a_question_is_asked_again() -> None:
    call = await Call.start()
    await call.connection()
    call.queue.send_realtime(FRAME)
    await settle()
    await ask(call, "q1")
    first = await call.play(text("an ans"))
    first.lose()
    second = await call.connection(2)
    await second.wait_sent(2)
    assert second.sent == [("question", [user("q1")]), ("realtime", FRAME)]
    await call.end()


@virtual
async def test_a_line_that_was_not_told_of_a_call_is_not_asked_for_an_answer_before_its_tool_has_answered() -> None:
    """Else the model, which sees an open question, would call the tool again."""

    async def dig() -> str:
        await asyncio.sleep(2)
        return "found"

    async def work() -> str:
        await asyncio.sleep(4)
        return "done"

    call = await Call.start(tools=[FunctionTool(dig, behavior=Behavior.NON_BLOCKING), work])
    await call.connection()
    await ask(call, "q1")
    await call.play(calls(("c1", "dig")), text("I dig."), TURN_COMPLETE)
    await ask(call, "q2")
    first = await call.play(calls(("c2", "work")))
    first.lose()
    second = await call.connection(2)
    await asyncio.sleep(3)
    assert "question" not in [kind for kind, _ in second.sent]
    await asyncio.sleep(2)
    assert [kind for kind, _ in second.sent][-1] == "question"
    told = [part.function_response for _, turns in second.sent for turn in turns for part in turn.parts]
    assert [one.id for one in told if one is not None][-2:] == ["c1", "c2"]
    await call.end()


@virtual
async def test_an_interruption_on_a_lost_line_is_forgotten_on_the_next() -> None:
    call = await Call.start()
    await call.connection()
    await ask(call, "q1")
    first = await call.play(audio(), INTERRUPTED)
    first.lose()
    second = await call.connection(2)
    await second.wait_sent(1)
    await call.play(audio(), said("a1", True), TURN_COMPLETE, handle("H"), number=2)
    second.lose()
    third = await call.connection(3)
    assert handle_of(third) == "H"
    await call.end()


@virtual
async def test_a_handle_from_before_a_tool_s_answer_has_left_is_not_used() -> None:
    found = asyncio.Event()

    async def look() -> str:
        await found.wait()
        return "found"

    call = await Call.start(model=StallingModel(), tools=[look])
    await call.connection()
    await ask(call, "q1")
    first = await call.play(calls(("fc-1", "look")), TURN_COMPLETE)
    assert isinstance(first, Stalling)
    first.stalled = True
    found.set()
    await settle()
    await call.play(handle("H"))
    first.lose()
    second = await call.connection(2)
    await second.wait_sent(1)
    assert handle_of(second) is None
    assert first.sent == [("content", user("q1"))]
    [(kind, told)] = second.sent
    assert kind == "question"
    assert told[-1].parts[0].function_response.id == "fc-1"
    await call.end()


# -- the end, with a store that is slow or hangs --------------------------------------------------------------------


@virtual
async def test_a_store_that_hangs_in_a_compression_does_not_keep_the_run_from_its_end() -> None:
    store = Store()
    fallback = ContextFallback(trigger_tokens=1000, target_tokens=500)
    call = await Call.start(store=store, run_config=RunConfig(context_fallback=fallback))
    await call.connection()
    await ask(call, "q")
    store.delay_s = float("inf")
    await call.play(text("a"), TURN_COMPLETE)
    async with asyncio.timeout(100):
        await call.end()


@virtual
async def test_an_app_that_goes_while_the_run_ends_loses_nothing_to_a_slow_store() -> None:
    store = Store()
    call = await Call.start(store=store)
    await call.connection()
    await ask(call, "q")
    store.delay_s = 0.2
    await call.play(text("a"), TURN_COMPLETE, text("b"), TURN_COMPLETE)
    call.queue.close()
    await asyncio.sleep(0.1)
    call.reader.cancel()
    await asyncio.wait([call.reader])
    assert await call.saved_short() == ["user:q", "M:a", "end", "M:b", "end"]
