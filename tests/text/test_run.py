"""Text runs: question, tools, answer; what is streamed, what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fullduplex import RunConfig, types
from fullduplex.errors import InvalidInput, ModelError, SessionNotFoundError
from fullduplex.models.text import LlmResponse
from fullduplex.tools import BaseToolset, FunctionTool, ToolContext
from fullduplex.types.config import GenerateContentConfig
from tests.text.kit import SSE, Chat, call, user


def long_running(func: Callable[..., Any]) -> FunctionTool:
    tool = FunctionTool(func)
    tool.is_long_running = True
    return tool


async def weather(city: str) -> dict[str, str]:
    """Tells the weather."""
    return {"sky": f"clear over {city}"}


async def test_a_question_is_answered_and_both_are_kept() -> None:
    chat = Chat("Hello there.")
    assert await chat.say("hi") == [":Hello there."]
    assert await chat.saved_short() == ["user/:hi", ":Hello there."]
    [event] = chat.events
    assert event.is_final_response()
    assert event.invocation_id.startswith("e-")
    assert {saved.invocation_id for saved in (await chat.saved()).events} == {event.invocation_id}


async def test_a_stream_is_pieces_and_then_the_whole() -> None:
    chat = Chat("Hello there.")
    assert await chat.say("hi", run_config=SSE) == ["P:Hello", "P: there.", "M:Hello there."]
    assert await chat.saved_short() == ["user/:hi", "M:Hello there."]
    assert len({event.id for event in chat.events}) == 3


@pytest.mark.parametrize("config", [None, SSE])
async def test_tools_are_called_and_their_answers_lead_to_the_models(config: RunConfig | None) -> None:
    chat = Chat(["Let me look.", call("weather", city="Oslo")], "It is clear.", tools=[weather])
    events = [line for line in await chat.say("how is it?", run_config=config) if not line.startswith("P")]
    assert [line.removeprefix("M").removeprefix(":") for line in events] == [
        "Let me look. call-weather",
        "answer-weather",
        "It is clear.",
    ]
    assert chat.asked() == [
        "user: how is it?",
        "model: Let me look. call weather",
        "user: weather→{'sky': 'clear over Oslo'}",
    ]


async def test_the_conversation_goes_on() -> None:
    chat = Chat("I am fine.", "Said so.")
    await chat.say("how are you?")
    await chat.say("really?")
    assert chat.asked() == ["user: how are you?", "model: I am fine.", "user: really?"]
    first, second = [event for event in (await chat.saved()).events if event.author == "guide"]
    assert first.invocation_id != second.invocation_id


async def test_tools_run_side_by_side_and_answer_in_one_event_in_call_order() -> None:
    both = asyncio.Barrier(2)

    async def slow() -> str:
        await both.wait()
        await asyncio.sleep(0)
        return "slow"

    async def fast() -> str:
        await both.wait()
        return "fast"

    chat = Chat([call("slow"), call("fast")], "Done.", tools=[slow, fast])
    assert await chat.say() == ["call-slow call-fast", "answer-slow answer-fast", ":Done."]


async def test_a_tool_changes_the_state_with_its_answer() -> None:
    def note(tool_context: ToolContext) -> None:
        tool_context.state["noted"] = True

    chat = Chat(call("note"), "Noted.", tools=[note])
    assert await chat.say() == ["call-note", "answer-note state{'noted': True}", ":Noted."]
    assert (await chat.saved()).state == {"noted": True}


async def test_a_tool_that_fails_or_is_not_there_is_an_answer_to_the_model() -> None:
    def broken() -> None:
        raise RuntimeError("secret")

    chat = Chat([call("broken"), call("missing")], "Sorry.", tools=[broken])
    await chat.say()
    [failed, missing] = chat.events[1].get_function_responses()
    assert "RuntimeError" in str(failed.response)
    assert "secret" not in str(failed.response)
    assert "broken" in str(missing.response)


async def test_a_call_without_an_id_gets_one_that_the_model_does_not_see() -> None:
    chat = Chat(types.FunctionCall(name="weather", args={"city": "Oslo"}), "Clear.", tools=[weather])
    await chat.say()
    [wanted], [answer] = chat.events[0].get_function_calls(), chat.events[1].get_function_responses()
    assert wanted.id is not None
    assert wanted.id == answer.id
    parts = [part for content in chat.model.requests[1].contents for part in content.parts or []]
    assert [part.function_call.id for part in parts if part.function_call] == [None]


async def test_the_model_is_told_instruction_tools_and_settings() -> None:
    config = GenerateContentConfig(temperature=0.5)
    chat = Chat("Yes.", instruction="Be brief with {name}.", tools=[weather], generate_content_config=config)
    await chat.say(state_delta={"name": "Ada"})
    request = chat.model.requests[0]
    assert request.system_instruction.startswith("Be brief with Ada.")
    assert [one.name for one in request.tools[0].function_declarations or []] == ["weather"]
    assert request.config.temperature == 0.5
    assert request.config is not config


async def test_a_static_instruction_comes_first_and_the_other_before_the_last_words() -> None:
    chat = Chat("One.", "Two.", static_instruction="You know all.", instruction="Today is Monday.")
    await chat.say("first")
    await chat.say("second")
    assert chat.model.requests[1].system_instruction == "You know all."
    [first, one, instruction, second] = chat.asked()
    assert (first, one, second) == ("user: first", "model: One.", "user: second")
    assert instruction.startswith("user: Today is Monday.")


async def test_what_a_run_is_told_besides_stands_before_the_last_words_and_is_not_kept() -> None:
    chat = Chat("One.", "Two.")
    await chat.say("first")
    extra = RunConfig(model_input_context=[user("It is Monday.")], labels={"team": "a"}, service_tier="flex")
    await chat.say("second", run_config=extra)
    assert chat.asked() == ["user: first", "model: One.", "user: It is Monday.", "user: second"]
    config = chat.model.requests[1].config.model_dump(exclude_none=True)
    assert config == {"labels": {"team": "a"}, "service_tier": "flex"}
    assert "Monday" not in str((await chat.saved()).events)


async def test_settings_without_an_effect_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    await Chat("Yes.").say(run_config=RunConfig(support_cfc=True))
    assert "support_cfc has no effect" in caplog.text
    error = await Chat("Yes.").fail(run_config=RunConfig(http_options={"timeout": 3}))
    assert error.code == "invalid_config"


async def test_pictures_are_told_to_the_model_and_kept() -> None:
    picture = types.Part(inline_data=types.Blob(data=b"\xff\xd8", mime_type="image/jpeg"))
    chat = Chat("A cat.", "Still a cat.")
    await chat.say(types.Content(parts=[types.Part(text="what is it?"), picture]))
    await chat.say("sure?")
    assert chat.asked() == ["user: what is it? media", "model: A cat.", "user: sure?"]


async def test_metadata_are_on_every_event_the_users_too() -> None:
    chat = Chat("Yes.")
    await chat.say(run_config=RunConfig(custom_metadata={"trace": "t1"}))
    assert chat.events[0].custom_metadata == {"trace": "t1"}
    assert [event.custom_metadata for event in (await chat.saved()).events] == [{"trace": "t1"}] * 2


async def test_state_is_set_with_the_message() -> None:
    chat = Chat("Yes.")
    await chat.say("hi", state_delta={"mood": "good"})
    assert (await chat.saved_short())[0] == "user/:hi state{'mood': 'good'}"


async def test_an_agent_without_history_is_told_of_its_present_turn_only() -> None:
    chat = Chat("One.", call("weather", city="Oslo"), "Two.", include_contents="none", tools=[weather])
    await chat.say("first")
    await chat.say("second")
    assert chat.asked() == ["user: second", "model: call weather", "user: weather→{'sky': 'clear over Oslo'}"]


# -- errors -----------------------------------------------------------------------------------------------------------


async def test_an_error_comes_as_an_event_and_is_raised() -> None:
    chat = Chat(ModelError("no more today", code="quota_exceeded"))
    error = await chat.fail()
    assert error.code == "quota_exceeded"
    [event] = chat.events
    assert (event.error_code, event.error_message, event.recoverable) == ("quota_exceeded", "no more today", False)
    assert await chat.saved_short() == ["user/:hello"]


async def test_an_answer_that_was_cut_short_says_so_and_ends_the_run() -> None:
    cut = {"content": types.Content(role="model", parts=[types.Part(text="It is")]), "finish_reason": "MAX_TOKENS"}
    chat = Chat(LlmResponse(**cut, error_code="MAX_TOKENS"))
    await chat.say()
    [event] = chat.events
    assert (event.error_code, event.finish_reason) == ("MAX_TOKENS", "MAX_TOKENS")


async def test_the_number_of_questions_to_models_is_limited() -> None:
    chat = Chat(*[call("weather", city="Oslo")] * 5, tools=[weather])
    error = await chat.fail(run_config=RunConfig(max_llm_calls=2))
    assert error.code == "max_llm_calls"
    assert len(chat.model.requests) == 2
    assert chat.events[-1].error_code == "max_llm_calls"


async def test_a_session_that_is_not_there() -> None:
    chat = Chat()
    chat.runner.auto_create_session = False
    with pytest.raises(SessionNotFoundError, match="^Session not found: s"):
        await chat.say()


@pytest.mark.parametrize(
    ("message", "match"),
    [
        (types.Content(parts=[]), "No parts"),
        (types.Content(parts=[types.Part(function_call=call("x"))]), "cannot contain function calls"),
        (
            types.Content(parts=[types.Part(function_response=types.FunctionResponse(id="7", name="x"))]),
            "no call '7'",
        ),
    ],
)
async def test_messages_that_a_user_cannot_send(message: types.Content, match: str) -> None:
    chat = Chat("never")
    with pytest.raises(InvalidInput, match=match):
        await chat.say(message)
    assert (await chat.saved()).events == []


async def test_a_run_needs_a_message_or_a_run_to_go_on_with() -> None:
    with pytest.raises(ValueError, match="new_message or an invocation_id"):
        await Chat().say(None)


async def test_tools_that_are_out_of_reach_are_told_of_and_the_run_goes_on() -> None:
    class Away(BaseToolset):
        failure = "the server does not answer"

        async def get_tools(self, readonly_context: Any = None) -> list[Any]:
            return []

    chat = Chat("Without them, then.", tools=[Away()])
    assert (await chat.say())[-1] == ":Without them, then."
    notice = chat.events[0]
    assert (notice.error_code, notice.recoverable) == ("tools_unavailable", True)
    assert not notice.is_final_response()
    assert await chat.saved_short() == ["user/:hello", ":Without them, then."]


# -- going on ---------------------------------------------------------------------------------------------------------


async def test_a_run_that_failed_goes_on_where_it_ended() -> None:
    chat = Chat(call("weather", city="Oslo"), ModelError("gone"), "It is clear.", tools=[weather])
    await chat.fail("how is it?")
    invocation_id = chat.events[0].invocation_id
    assert await chat.say(None, invocation_id=invocation_id) == [":It is clear."]
    assert chat.events[0].invocation_id == invocation_id
    with pytest.raises(InvalidInput, match="no run e-other"):
        await chat.say(None, invocation_id="e-other")


async def test_what_takes_long_is_answered_later() -> None:
    def approve(amount: int) -> dict[str, str]:
        """Asks the boss."""
        return {"status": "pending"}

    chat = Chat(call("approve", "c1", amount=7), "I asked.", "Approved.", tools=[long_running(approve)])
    assert await chat.say("may I?") == ["call-c1", "answer-c1", ":I asked."]
    assert chat.events[0].long_running_tool_ids == {"c1"}
    answer = types.FunctionResponse(id="c1", name="approve", response={"status": "approved"})
    assert await chat.say(types.Content(parts=[types.Part(function_response=answer)])) == [":Approved."]
    assert chat.asked() == [
        "user: may I?",
        "model: I asked.",
        "model: call approve",
        "user: approve→{'status': 'approved'}",
    ]


# -- leaving ----------------------------------------------------------------------------------------------------------


async def test_a_run_that_is_abandoned_leaves_nothing_behind() -> None:
    stopped = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    chat = Chat(call("endless"), tools=[endless])
    events = chat.runner.run_async(user_id="u", session_id="s", new_message=user("go"))
    assert (await anext(events)).get_function_calls()
    pending = asyncio.create_task(anext(events))
    await asyncio.sleep(0.01)
    pending.cancel()
    await asyncio.wait([pending])
    await events.aclose()
    assert stopped.is_set()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
