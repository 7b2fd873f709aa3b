"""The model callbacks of a live run: what the user says and what the model answers is judged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fullduplex import types
from fullduplex.errors import ConnectionLost
from fullduplex.models import LlmRequest, LlmResponse
from fullduplex.plugins import BasePlugin
from fullduplex.requests import LiveRequest
from fullduplex.types.live import ActivityStart
from tests.live.kit import INTERRUPTED, TURN_COMPLETE, Call, audio, heard, pcm, said, settle, text, user, virtual
from tests.plugins.test_hooks import call_with


def answer(words: str) -> LlmResponse:
    return LlmResponse(content=types.Content(parts=[types.Part(text=words)]))


def asked(llm_request: LlmRequest) -> list[str]:
    return [content.text for content in llm_request.contents]


class Judge:
    """A callback that blocks what holds the word, after so many seconds, and remembers what it was shown."""

    def __init__(self, word: str = "bomb", delay_s: float = 0.0) -> None:
        self.word = word
        self.delay_s = delay_s
        self.seen: list[str] = []

    async def before(self, callback_context: Any, llm_request: LlmRequest) -> LlmResponse | None:
        return await self._judge(" | ".join(asked(llm_request)))

    async def after(self, callback_context: Any, llm_response: LlmResponse) -> LlmResponse | None:
        assert llm_response.content is not None
        return await self._judge(llm_response.content.text + ("…" if llm_response.partial else ""))

    async def _judge(self, words: str) -> LlmResponse | None:
        self.seen.append(words)
        await asyncio.sleep(self.delay_s)
        return answer("Let us talk of something else.") if self.word in words else None


# -- what the user types ----------------------------------------------------------------------------------------------


@virtual
async def test_what_is_typed_is_judged_before_it_is_sent() -> None:
    judge = Judge()
    call = await Call.start(instruction="Be kind.", before_model_callback=judge.before)
    connection = await call.connection()
    call.queue.send_content(user("Hello"))
    call.queue.send_content(user("Build a bomb"))
    call.queue.send_content(user("Goodbye"))
    await settle()
    assert [content.text for _, content in connection.sent] == ["Hello", "Goodbye"]
    (event,) = [event for event in call.events if event.content]
    assert (event.author, event.turn_complete) == ("guide", True)
    assert await call.end() == [":Let us talk of something else. end"]
    assert judge.seen == ["Hello", "Build a bomb", "Goodbye"]
    assert await call.saved_short() == [
        "user:Hello",
        "user:Build a bomb",
        ":Let us talk of something else. end",
        "user:Goodbye",
    ]


@virtual
async def test_callbacks_see_who_is_asked_and_may_change_what_is_sent() -> None:
    def soften(callback_context: Any, llm_request: LlmRequest) -> None:
        assert llm_request.model == "scripted-live"
        assert "Be kind." in llm_request.system_instruction
        assert [tool.function_declarations[0].name for tool in llm_request.tools] == ["look"]
        callback_context.state["asked"] = callback_context.state.get("asked", 0) + 1
        llm_request.contents[-1] = user("(please) " + llm_request.contents[-1].text)

    def look() -> str:
        """Looks."""
        return "sunny"

    call = await Call.start(instruction="Be kind.", tools=[look], before_model_callback=soften)
    connection = await call.connection()
    call.queue.send_content(user("Hello"))
    await settle()
    assert [content.text for _, content in connection.sent] == ["(please) Hello"]
    await call.end()
    assert await call.saved_short() == ["state{'asked': 1}", "user:(please) Hello"]
    assert (await call.saved()).state["asked"] == 1


@virtual
async def test_plugins_are_asked_before_the_agent_and_may_change_what_the_user_wrote() -> None:
    trace: list[str] = []

    class First(BasePlugin):
        async def on_user_message_callback(self, *, invocation_context: Any, user_message: Any) -> Any:
            trace.append(f"message {user_message.text}")
            return user(user_message.text.upper())

        async def before_model_callback(self, *, callback_context: Any, llm_request: LlmRequest) -> LlmResponse | None:
            trace.append(f"plugin {asked(llm_request)}")
            return answer("No.") if "BOMB" in asked(llm_request)[0] else None

    def before(callback_context: Any, llm_request: LlmRequest) -> None:
        trace.append(f"agent {asked(llm_request)}")

    call = await call_with(First("first"), before_model_callback=before)
    connection = await call.connection()
    for words in ("hello", "bomb"):
        call.queue.send_content(user(words))
    await settle()
    assert [content.text for _, content in connection.sent] == ["HELLO"]
    assert await call.end() == [":No. end"]
    assert await call.saved_short() == ["user:HELLO", "user:BOMB", ":No. end"]
    assert trace == ["message hello", "plugin ['HELLO']", "agent ['HELLO']", "message bomb", "plugin ['BOMB']"]


@virtual
async def test_the_users_voice_flows_on_while_a_message_is_judged() -> None:
    judge = Judge(delay_s=3.0)
    call = await Call.start(before_model_callback=judge.before)
    connection = await call.connection()
    call.queue.send_content(user("Hello"))
    await settle()
    call.queue.send_realtime(pcm())
    connection.say(audio())
    await settle()
    assert [kind for kind, _ in connection.sent] == ["realtime"]
    assert call.short == ["audio"]
    await asyncio.sleep(3.0)
    assert [kind for kind, _ in connection.sent] == ["realtime", "content"]
    await call.end()


@virtual
async def test_a_message_is_judged_once_when_the_line_is_lost_meanwhile() -> None:
    judge = Judge(delay_s=3.0)
    call = await Call.start(before_model_callback=judge.before)
    connection = await call.connection()
    call.queue.send_content(user("Hello"))
    await settle()
    connection.lose()
    second = await call.connection(2)
    await asyncio.sleep(5.0)
    assert judge.seen == ["Hello"]
    assert [content.text for kind, content in second.sent if kind == "content"] == ["Hello"]
    await call.end()


@virtual
async def test_of_a_blocked_request_the_signal_and_the_state_remain() -> None:
    call = await Call.start(before_model_callback=Judge().before)
    connection = await call.connection()
    call.queue.send(LiveRequest(content=user("a bomb"), activity_start=ActivityStart(), state_delta={"mood": "bad"}))
    await settle()
    assert [kind for kind, _ in connection.sent] == ["activity"]
    await call.end()
    saved = await call.saved()
    assert saved.state["mood"] == "bad"
    assert [event.content.text for event in saved.events if event.content] == [
        "a bomb",
        "Let us talk of something else.",
    ]


@virtual
async def test_a_blocked_message_breaks_off_the_answer_that_is_given() -> None:
    call = await Call.start(before_model_callback=Judge().before)
    connection = await call.play(audio(), said("Once upon "))
    call.queue.send_content(user("a bomb"))
    await settle()
    await call.play(audio(), said("a time"), TURN_COMPLETE)
    assert [kind for kind, _ in connection.sent] == ["interrupt"]
    assert await call.end() == [
        "audio",
        "P-out:Once upon ",
        "M-out:Once upon ",
        "interrupted",
        ":Let us talk of something else. end",
        "end",
    ]


@virtual
async def test_tools_answers_and_malformed_content_are_not_judged() -> None:
    judge = Judge()
    call = await Call.start(before_model_callback=judge.before)
    connection = await call.connection()
    response = types.FunctionResponse(id="c1", name="look", response={"result": "bomb"})
    call.queue.send_content(types.Content(parts=[types.Part(function_response=response)]))
    call.queue.send_content(types.Content(parts=[]))
    await settle()
    assert [kind for kind, _ in connection.sent] == ["tool_response"]
    assert await call.end() == ["error-invalid_content"]
    assert judge.seen == []


@virtual
async def test_a_callback_that_fails_blocks_and_the_run_goes_on() -> None:
    def fail(callback_context: Any, llm_request: LlmRequest) -> None:
        if asked(llm_request) == ["one"]:
            raise RuntimeError("out of order")

    call = await Call.start(before_model_callback=fail)
    connection = await call.connection()
    for words in ("one", "two"):
        call.queue.send_content(user(words))
    await settle()
    assert [content.text for _, content in connection.sent] == ["two"]
    assert await call.end() == ["error-callback_failed", "end"]
    assert call.events[-2].recoverable is True
    assert call.events[-2].error_message == "a model callback failed: RuntimeError", "its words are for the log alone"


@virtual
async def test_a_callback_that_returns_something_else_blocks_too() -> None:
    call = await Call.start(before_model_callback=lambda callback_context, llm_request: user("No."))
    connection = await call.connection()
    call.queue.send_content(user("Hello"))
    await settle()
    assert connection.sent == []
    assert await call.end() == ["error-callback_failed", "end"]
    assert "returns an LlmResponse or None, not Content" in (call.events[-2].error_message or "")


@virtual
async def test_a_callback_that_hangs_does_not_keep_the_run_from_ending() -> None:
    call = await Call.start(before_model_callback=Judge(delay_s=1e9).before)
    call.queue.send_content(user("Hello"))
    await settle()
    assert await call.end() == []


# -- what the user says aloud -----------------------------------------------------------------------------------------


@virtual
async def test_spoken_words_are_judged_when_their_transcript_is_finished() -> None:
    judge = Judge()
    call = await Call.start(before_model_callback=judge.before)
    await call.play(heard("build "), heard("a bomb", finished=True))
    connection = await call.play(audio(), said("First you"), TURN_COMPLETE)
    assert judge.seen == ["build a bomb"]
    assert [kind for kind, _ in connection.sent] == ["interrupt"]
    blocked = ["P-in:build ", "P-in:a bomb", "M-in:build a bomb", ":Let us talk of something else. end"]
    assert call.short[:4] == blocked
    assert call.short[4:] == ["end"]  # of the answer that nobody heard
    await call.play(heard("how are you", finished=True), audio(), said("Fine."), TURN_COMPLETE)
    assert "audio" in await call.end()
    assert (await call.saved_short())[:2] == ["M-in:build a bomb", ":Let us talk of something else. end"]


@virtual
async def test_an_answer_that_is_given_already_is_broken_off() -> None:
    call = await Call.start(before_model_callback=Judge(delay_s=0.5).before)
    await call.play(heard("build a bomb", finished=True), audio(), said("First you"))
    assert call.short[-1] == "P-out:First you"  # nobody waits for the callback
    await asyncio.sleep(0.6)
    await call.play(audio(), said("take"), TURN_COMPLETE)
    assert (await call.end())[-4:] == [
        "M-out:First you",
        "interrupted",
        ":Let us talk of something else. end",
        "end",
    ]


@virtual
async def test_players_fall_silent_when_the_answer_was_over_before_the_judgement() -> None:
    call = await Call.start(before_model_callback=Judge(delay_s=0.5).before)
    await call.play(heard("build a bomb", finished=True), audio(bytes(48_000 * 10)), said("First you"), TURN_COMPLETE)
    await asyncio.sleep(0.6)
    assert (await call.end())[-3:] == ["end", "interrupted", ":Let us talk of something else. end"]
    silenced = call.events[-2].heard
    assert silenced is not None
    assert silenced.played_ms == pytest.approx(500, abs=10)


@virtual
async def test_a_judgement_that_comes_in_the_next_answer_lets_that_be_heard() -> None:
    call = await Call.start(before_model_callback=Judge(delay_s=0.5).before)
    await call.play(heard("build a bomb", finished=True), audio(), said("First you"), TURN_COMPLETE)
    await call.play(audio(), said("By the way, "))
    await asyncio.sleep(0.6)
    await call.play(audio(), said("it is late."), TURN_COMPLETE)
    assert (await call.end())[-7:] == [
        "audio",
        "P-out:By the way, ",
        ":Let us talk of something else.",
        "audio",
        "P-out:it is late.",
        "M-out:By the way, it is late.",
        "end",
    ]


@virtual
async def test_the_next_answer_is_heard_though_the_blocked_one_never_came() -> None:
    call = await Call.start(before_model_callback=Judge().before)
    await call.play(heard("build a bomb", finished=True), heard("well, "))
    await call.play(heard("how are you", finished=True), audio(), said("Fine."), TURN_COMPLETE)
    assert (await call.end())[-4:] == ["audio", "P-out:Fine.", "M-out:Fine.", "end"]


@virtual
async def test_what_is_said_while_a_judgement_takes_its_time_is_judged_at_once() -> None:
    judge = Judge(delay_s=1.0)
    call = await Call.start(before_model_callback=judge.before)
    await call.play(*(heard(words, finished=True) for words in ("one", "two", "three")))
    await asyncio.sleep(3.0)
    assert judge.seen == ["one", "two | three"]
    await call.end()


# -- what the model answers -------------------------------------------------------------------------------------------


@virtual
async def test_the_answer_is_judged_as_it_grows_and_once_when_it_is_whole() -> None:
    judge = Judge()
    call = await Call.start(after_model_callback=judge.after)
    await call.play(audio(), said("It is "), said("sunny."), TURN_COMPLETE, text("Good"), TURN_COMPLETE)
    await call.end()
    assert judge.seen == ["It is …", "It is sunny.…", "It is sunny.", "Good…", "Good"]


@virtual
async def test_a_replacement_silences_the_rest_of_the_answer() -> None:
    call = await Call.start(after_model_callback=Judge().after)
    connection = await call.play(audio(), said("Take a bomb "), audio(), said("and go"), TURN_COMPLETE)
    assert [kind for kind, _ in connection.sent] == ["interrupt"]
    assert await call.end() == [
        "audio",
        "P-out:Take a bomb ",
        "M-out:Take a bomb ",
        "interrupted",
        ":Let us talk of something else. end",
        "end",
    ]
    assert call.model.connections == [connection]  # no other was opened for it


@virtual
async def test_an_answer_that_is_given_back_as_it_was_is_no_replacement() -> None:
    call = await Call.start(after_model_callback=lambda callback_context, llm_response: llm_response)
    await call.play(audio(), said("It is "), said("sunny."), TURN_COMPLETE)
    assert await call.end() == ["audio", "P-out:It is ", "P-out:sunny.", "M-out:It is sunny.", "end"]


@virtual
async def test_a_slow_judgement_holds_up_nothing_and_sees_the_latest_words() -> None:
    judge = Judge(delay_s=1.0)
    call = await Call.start(after_model_callback=judge.after)
    await call.play(audio(), said("one "), said("two "), said("three"), TURN_COMPLETE)
    assert call.short[-1] == "end"
    await call.end()
    assert judge.seen == ["one …", "one two three"]


@virtual
async def test_an_interrupted_answer_is_judged_as_far_as_it_came() -> None:
    judge = Judge()
    call = await Call.start(after_model_callback=judge.after)
    await call.play(audio(), said("one two"), INTERRUPTED, TURN_COMPLETE)
    await call.end()
    assert judge.seen == ["one two…", "one two"]


# -- when the model fails ---------------------------------------------------------------------------------------------


@virtual
async def test_a_callback_may_answer_for_a_model_that_failed() -> None:
    def sorry(callback_context: Any, llm_request: LlmRequest, error: Exception) -> LlmResponse:
        assert llm_request.model == "scripted-live"
        return answer(f"Sorry: {error}")

    call = await Call.start(on_model_error_callback=sorry)
    (await call.connection()).lose(1008, recoverable=False)
    await call.reader
    assert call.short == [":Sorry: closed with 1008 end"]
    assert await call.saved_short() == [":Sorry: closed with 1008 end"]


@virtual
async def test_without_an_answer_the_models_error_is_raised() -> None:
    trace: list[Exception] = []

    class Pager(BasePlugin):
        async def on_model_error_callback(self, *, callback_context: Any, llm_request: Any, error: Exception) -> None:
            trace.append(error)

    def fail(callback_context: Any, llm_request: LlmRequest, error: Exception) -> None:
        raise RuntimeError("out of order")

    call = await call_with(Pager("pager"), on_model_error_callback=fail)
    (await call.connection()).lose(1008, recoverable=False)
    with pytest.raises(ConnectionLost) as raised:
        await call.reader
    assert trace == [raised.value]
    assert call.short == ["error-connection_lost"]
