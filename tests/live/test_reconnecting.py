"""What becomes of a run when the model goes away: which losses are healed, how, and what is carried over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fullduplex.errors import ConnectionLost, InvalidConfig, ModelError
from fullduplex.live import LiveSettings
from fullduplex.models.base import ConnectRequest
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.turns.reconnect import ReconnectPolicy
from fullduplex.types.content import Content
from tests.live.kit import (
    GENERATION_COMPLETE,
    GO_AWAY,
    TURN_COMPLETE,
    Call,
    audio,
    handle,
    heard,
    pcm,
    said,
    settle,
    text,
    user,
    virtual,
)


async def told(connection: ScriptedConnection) -> list[tuple[str, str]]:
    """What a connection that took over was told first."""
    await connection.wait_sent(1)
    kind, turns = connection.sent[0]
    assert kind in ("history", "question")
    return [(turn.role, turn.text) for turn in turns]


class Refusing(ScriptedModel):
    """A model that raises one error after another at connect, and then lets one in."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)
        self.asked: list[float] = []

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
        self.asked.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)
        async with super().connect(request) as connection:
            yield connection


@virtual
async def test_a_lost_connection_is_opened_anew_with_what_was_said() -> None:
    call = await Call.start()
    call.queue.send_content(user("my number is 42"))
    await settle()
    first = await call.play(text("Noted."), TURN_COMPLETE)
    first.lose(1006)
    second = await call.connection(2)
    assert await told(second) == [("user", "my number is 42"), ("model", "Noted.")]
    await call.play()
    second.say(text("Hello"))
    second.say(TURN_COMPLETE)
    await settle()
    assert await call.end() == ["P:Noted.", "M:Noted.", "end", "error-connection_lost", "P:Hello", "M:Hello", "end"]
    lost = next(event for event in call.events if event.error_code)
    assert lost.recoverable is True


@virtual
async def test_a_question_that_was_not_answered_before_the_loss_is_in_the_history() -> None:
    call = await Call.start()
    await settle()
    first = await call.play(text("As I was say"))
    call.queue.send_content(user("what time is it?"))
    await first.wait_sent(1)
    first.lose()
    second = await call.connection(2)
    assert await told(second) == [("model", "As I was say"), ("user", "what time is it?")]
    await call.end()
    assert await call.saved_short() == ["M:As I was say!", "user:what time is it?"]


@virtual
async def test_an_answer_that_was_given_to_its_end_is_not_asked_for_again() -> None:
    call = await Call.start()
    call.queue.send_content(user("hello"))
    await settle()
    connection = await call.play(audio(), said("Hi there.", finished=True), GENERATION_COMPLETE)
    connection.lose()  # while the user still hears it: the turn is not complete before that
    second = await call.connection(2)
    await settle()
    assert [(kind, [turn.text for turn in turns]) for kind, turns in second.sent] == [
        ("history", ["hello", "Hi there."])
    ]
    await call.end()


@virtual
async def test_unfinished_transcripts_are_finished_when_the_connection_is_lost() -> None:
    call = await Call.start()
    await settle()
    first = await call.play(heard("what ti"), said("It"))
    first.lose()
    second = await call.connection(2)
    assert await told(second) == [("user", "what ti"), ("model", "It")]
    assert await call.end() == ["P-in:what ti", "P-out:It", "M-in:what ti", "M-out:It", "error-connection_lost"]


@virtual
async def test_what_the_user_says_while_the_model_is_away_reaches_it_in_order() -> None:
    call = await Call.start()
    first = await call.connection()
    await settle()
    first.lose()
    await settle()
    sent: list[Any] = [user("one"), pcm(), user("two")]
    call.queue.send_content(sent[0])
    call.queue.send_realtime(sent[1])
    call.queue.send_content(sent[2])
    second = await call.connection(2)
    await second.wait_sent(3)
    await call.end()
    assert first.sent == []
    assert [value for _, value in second.sent] == sent


class Stalling(ScriptedConnection):
    """Takes `takes` turns of content; the next waits for ever, and then the connection dies of it."""

    async def send_content(self, content: Content, *, turn_complete: bool = True) -> None:
        if len(self.sent) == 1:
            self.lose()
            await asyncio.sleep(1e6)
        await super().send_content(content, turn_complete=turn_complete)


@virtual
async def test_a_request_that_the_dying_connection_did_not_take_is_sent_on_the_next_once() -> None:
    class Model(ScriptedModel):
        @asynccontextmanager
        async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
            if self.connections:
                async with super().connect(request) as connection:
                    yield connection
            else:
                stalling = Stalling(request)
                self.connections.append(stalling)
                yield stalling

    call = await Call.start(model=Model())
    for word in ("one", "two", "three"):
        call.queue.send_content(user(word))
    await asyncio.sleep(5)
    await call.end()
    first, second = call.model.connections
    assert [content.text for _, content in first.sent] == ["one"]
    assert await told(second) == [("user", "one")]
    assert [content.text for kind, content in second.sent if kind == "content"] == ["two", "three"]
    assert await call.saved_short() == ["user:one", "user:two", "user:three"]


@virtual
async def test_with_a_store_that_is_slow_the_history_is_complete_all_the_same() -> None:
    from fullduplex.sessions import InMemorySessionService

    class Slow(InMemorySessionService):
        async def append_event(self, session: Any, event: Any) -> Any:
            await asyncio.sleep(2)
            return await super().append_event(session, event)

    call = await Call.start(store=Slow())
    call.queue.send_content(user("hi"))
    await settle()
    first = await call.play(text("Hello"), TURN_COMPLETE)
    first.lose()
    second = await call.connection(2)
    assert await told(second) == [("user", "hi"), ("model", "Hello")]
    await call.end()


# -- which losses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_handle", [False, True])
@pytest.mark.parametrize("recoverable", [False, True])
@pytest.mark.parametrize("code", [1000, 1006, 1008, 1011])
@virtual
async def test_a_loss_ends_the_run_or_is_healed(code: int, recoverable: bool, with_handle: bool) -> None:
    call = await Call.start()
    first = await call.play(*([handle("h")] if with_handle else []))
    first.lose(code, recoverable=recoverable)
    await asyncio.sleep(10)
    if code == 1000 and not with_handle:  # the model has ended the conversation
        await call.reader
        assert len(call.model.connections) == 1
    elif recoverable:
        assert len(call.model.connections) == 2
        await call.end()
    else:
        with pytest.raises(ConnectionLost) as raised:
            await call.reader
        assert raised.value.close_code == code
        assert (call.events[-1].error_code, call.events[-1].recoverable) == ("connection_lost", False)
        assert len(call.model.connections) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelError("no such model", code="model_not_found"), "model_not_found"),
        (ConnectionLost("closed", close_code=1007), "connection_lost"),
        (InvalidConfig("two modalities"), "invalid_config"),
        (OSError("no route"), "internal"),
        (TimeoutError("backend's own"), "internal"),
        (ValueError("bug"), "internal"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
@virtual
async def test_an_error_at_connect_is_told_and_raised_as_itself(error: Exception, code: str) -> None:
    call = await Call.start(model=Refusing(error))
    with pytest.raises(type(error)) as raised:
        await call.reader
    assert raised.value is error
    (event,) = call.events
    assert (event.error_code, event.error_message, event.recoverable) == (code, str(error), False)


@virtual
async def test_errors_that_may_pass_are_tried_again_ever_more_slowly() -> None:
    model = Refusing(*[ModelError("busy", code="unavailable", recoverable=True) for _ in range(4)])
    call = await Call.start(model=model)
    await call.connection()
    assert await call.end() == ["error-unavailable"] * 4
    gaps = [later - earlier for earlier, later in zip(model.asked, model.asked[1:], strict=False)]
    assert gaps == [pytest.approx(delay, abs=0.01) for delay in (0.1, 0.2, 0.4, 0.8)]


@virtual
async def test_a_server_that_lets_in_and_drops_at_once_is_not_hammered() -> None:
    call = await Call.start(settings=LiveSettings(reconnect=ReconnectPolicy(budget=5)))
    for number in range(1, 7):
        (await call.connection(number)).lose()
    with pytest.raises(ConnectionLost):
        await call.reader
    assert call.short == ["error-connection_lost"] * 6
    assert [event.recoverable for event in call.events if event.error_code] == [True] * 5 + [False]
    assert len(call.model.connections) == 6
    assert asyncio.get_running_loop().time() > 3


@virtual
async def test_an_attempt_that_hangs_does_not_outlast_the_deadline() -> None:
    class Gone(ScriptedModel):
        """Lets in once."""

        @asynccontextmanager
        async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
            if self.connections:
                await asyncio.sleep(1e6)
            async with super().connect(request) as connection:
                yield connection

    call = await Call.start(model=Gone(), settings=LiveSettings(reconnect=ReconnectPolicy(deadline_s=5)))
    (await call.connection()).lose()
    began = asyncio.get_running_loop().time()
    with pytest.raises(ConnectionLost, match="within 5 s"):
        await call.reader
    assert asyncio.get_running_loop().time() - began == pytest.approx(5, abs=0.1)
    assert [event.recoverable for event in call.events if event.error_code] == [True, False]


@virtual
async def test_what_was_typed_and_no_model_was_told_of_is_asked_by_the_next_run() -> None:
    model = Refusing()
    call = await Call.start(model=model, settings=LiveSettings(reconnect=ReconnectPolicy(budget=2)))
    call.queue.send_content(user("hello"))
    await settle()
    first = await call.play(text("Hi."), TURN_COMPLETE)
    model.errors = [ModelError("busy", code="unavailable", recoverable=True)] * 3
    first.lose()
    await settle()
    call.queue.send_content(user("what is new?"))
    call.queue.send_realtime(pcm())
    call.queue.send_content(Content(role="user", parts=[]))
    with pytest.raises(ModelError, match="busy"):
        await call.reader
    assert await call.saved_short() == ["user:hello", "M:Hi.", "end", "user:what is new?"]
    model.errors = []
    again = await Call.start(model=model, runner=call.runner, session=await call.saved())
    second = await again.connection(2)
    assert [turn.text for turn in second.request.history] == ["hello", "Hi.", "what is new?"]
    await again.end()


@virtual
async def test_a_queue_that_outlives_its_run_does_not_say_again_what_the_session_knows() -> None:
    model = Refusing(ModelError("busy", code="unavailable", recoverable=False))
    call = await Call.start(model=model)
    call.queue.send_content(user("what is new?"))
    with pytest.raises(ModelError, match="busy"):
        await call.reader
    again = Call(call.runner, model, await call.saved(), None, queue=call.queue)
    connection = await again.connection()
    await settle()
    assert connection.request.history == [user("what is new?")], "the model answers that"
    assert connection.sent == []
    await again.end()
    assert await again.saved_short() == ["user:what is new?"]


@virtual
async def test_words_that_nobody_could_judge_any_more_are_not_kept() -> None:
    def judge(**_: Any) -> None:
        raise AssertionError("nobody is there to be asked")

    model = Refusing(ModelError("busy", code="unavailable", recoverable=False))
    call = await Call.start(model=model, before_model_callback=judge)
    call.queue.send_content(user("a secret"))
    with pytest.raises(ModelError, match="busy"):
        await call.reader
    assert await call.saved_short() == []


@virtual
async def test_a_run_that_does_not_begin_leaves_in_its_queue_what_was_typed() -> None:
    def broken(_: Any) -> str:
        raise ValueError("no instruction")

    call = await Call.start(instruction=broken)
    call.queue.send_content(user("a secret"))
    with pytest.raises(ValueError, match="no instruction"):
        await call.reader
    assert await call.saved_short() == []
    assert [request.content for request in call.queue.waiting()] == [user("a secret")]


@virtual
async def test_a_backend_whose_messages_just_end_does_not_spin() -> None:
    class Mute(ScriptedModel):
        @asynccontextmanager
        async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
            async with super().connect(request) as connection:
                await connection.close()
                connection.closed = False
                yield connection

    call = await Call.start(model=Mute())
    await call.reader
    assert call.events[0].setup_complete is not None
    assert len(call.model.connections) == 1


@pytest.mark.spec(66, 140)
@virtual
async def test_after_a_go_away_the_answer_is_heard_to_its_end_on_the_old_line_while_the_next_is_open() -> None:
    call = await Call.start()
    first = await call.play(handle("h"), text("One, "), GO_AWAY, text("two"))
    await asyncio.sleep(1)
    second = await call.connection(2)
    assert not first.closed
    assert second.request.config.session_resumption.handle == "h"
    assert second.sent == []
    await call.play(TURN_COMPLETE)
    assert first.closed
    assert await told(second) == [("model", "One, two")]
    assert second.sent[0][0] == "history", "nothing is asked: the answer was heard"
    assert await call.end() == ["handle", "P:One, ", "go_away", "P:two", "M:One, two", "end"]


@virtual
async def test_a_server_that_sends_us_away_at_once_is_not_hammered() -> None:
    class Away(ScriptedConnection):
        def __init__(self, request: ConnectRequest) -> None:
            super().__init__(request)
            self.say({**GO_AWAY, **TURN_COMPLETE})

    class Model(ScriptedModel):
        connection_type = Away

    call = await Call.start(model=Model(), settings=LiveSettings(reconnect=ReconnectPolicy(budget=5)))
    with pytest.raises(ConnectionLost, match="again and again"):
        await call.reader
    assert len(call.model.connections) == 6


# -- the end, when the model is not there ---------------------------------------------------------------------------


class Hanging(ScriptedModel):
    """Never lets in."""

    cancelled = 0

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        yield ScriptedConnection(request)


@virtual
async def test_close_ends_a_run_that_is_still_connecting() -> None:
    model = Hanging()
    call = await Call.start(model=model)
    await asyncio.sleep(1)
    assert await call.end() == []
    assert model.cancelled == 1
    assert asyncio.get_running_loop().time() < 1.1


@virtual
async def test_close_while_connecting_lets_what_was_said_go_up_first() -> None:
    class Slow(ScriptedModel):
        @asynccontextmanager
        async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
            await asyncio.sleep(3)
            async with super().connect(request) as connection:
                yield connection

    call = await Call.start(model=Slow())
    call.queue.send_content(user("remember this"))
    await asyncio.sleep(1)
    await call.end()
    (connection,) = call.model.connections
    assert [content.text for _, content in connection.sent] == ["remember this"]


@virtual
async def test_close_ends_a_run_that_waits_to_reconnect() -> None:
    call = await Call.start(settings=LiveSettings(reconnect=ReconnectPolicy(first_delay_s=50, max_delay_s=50)))
    (await call.connection()).lose()
    await asyncio.sleep(1)
    assert await call.end() == ["error-connection_lost"]
    assert len(call.model.connections) == 1
    assert asyncio.get_running_loop().time() < 2


@virtual
async def test_close_and_loss_at_once_is_a_clean_end() -> None:
    for code in (1000, 1006, 1011):
        call = await Call.start()
        connection = await call.connection()
        await settle()
        call.queue.close()
        connection.lose(code)
        await call.end()
        assert len(call.model.connections) == 1


@virtual
async def test_cancelling_while_waiting_to_reconnect_leaves_nothing() -> None:
    call = await Call.start(settings=LiveSettings(reconnect=ReconnectPolicy(first_delay_s=50, max_delay_s=50)))
    (await call.connection()).lose()
    await asyncio.sleep(1)
    call.reader.cancel()
    await asyncio.wait([call.reader])
    assert call.reader.cancelled()


@virtual
async def test_a_cancellation_that_meets_a_loss_is_not_taken_for_it() -> None:
    """The task group of a connection fails and the run is cancelled in the same step of the loop."""
    for steps in range(12):
        call = await Call.start(settings=LiveSettings(reconnect=ReconnectPolicy(first_delay_s=500, max_delay_s=500)))
        connection = await call.connection()
        await settle()
        connection.lose()
        for _ in range(steps):
            await asyncio.sleep(0)
        call.reader.cancel()
        begun = asyncio.get_running_loop().time()
        await asyncio.wait([call.reader])
        assert asyncio.get_running_loop().time() - begun < 5, steps


# -- a sender that fails ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [ConnectionLost("gone", close_code=1006, recoverable=True), ModelError("odd", recoverable=True)],
    ids=["lost", "model"],
)
@virtual
async def test_a_loss_that_the_sender_meets_first_is_healed(error: ModelError) -> None:
    call = await Call.start()
    first = await call.connection()
    await settle()

    async def fail(*_: Any, **__: Any) -> None:
        raise error

    first.send_content = fail  # type: ignore[method-assign]
    call.queue.send_content(user("hi"))
    second = await call.connection(2)
    await second.wait_sent(1)
    await call.end()
    assert [content.text for _, content in second.sent] == ["hi"]
    assert await call.saved_short() == ["user:hi"]


@virtual
async def test_close_ends_a_run_whose_network_takes_nothing_any_more(caplog) -> None:
    call = await Call.start(settings=LiveSettings(tool_deadline_s=2, send_deadline_s=3))
    connection = await call.connection()
    await settle()

    async def stall(*_: Any, **__: Any) -> None:
        await asyncio.sleep(1e6)

    connection.send_content = stall  # type: ignore[method-assign]
    call.queue.send_content(user("one"))
    call.queue.send_content(user("two"))
    await settle()
    with caplog.at_level(logging.WARNING):
        await call.end()
    assert "2 requests unsent" in caplog.text
    assert connection.closed
    assert asyncio.get_running_loop().time() < 6
    assert await call.saved_short() == ["user:one", "user:two"]


@virtual
async def test_a_defect_in_the_sender_ends_the_run_instead_of_making_it_deaf(caplog) -> None:
    call = await Call.start()
    first = await call.connection()
    await settle()

    async def fail(*_: Any, **__: Any) -> None:
        raise AttributeError("a bug")

    first.send_content = fail  # type: ignore[method-assign]
    call.queue.send_content(user("hi"))
    with caplog.at_level(logging.CRITICAL), pytest.raises(AttributeError, match="a bug"):
        await call.reader
    assert call.short == ["error-internal"]
    assert first.closed
