"""What runs before and after an agent's part of a run."""

from __future__ import annotations

import asyncio

import pytest

from fullduplex import Agent, InMemoryRunner, LiveRequestQueue, types
from fullduplex.agents.callback_context import CallbackContext
from fullduplex.errors import ConnectionLost
from fullduplex.testing.scripted_model import ScriptedModel
from tests.live.kit import TURN_COMPLETE, Call, settle, text, virtual


def words(text_: str) -> types.Content:
    return types.Content(parts=[types.Part(text=text_)])


@pytest.mark.spec(137)
@virtual
async def test_callbacks_run_around_the_agent_in_order_and_their_changes_of_state_are_kept() -> None:
    trace: list[str] = []

    def before(callback_context: CallbackContext) -> None:
        trace.append(f"before {callback_context.agent_name}")
        callback_context.state["met"] = True

    async def after(context: CallbackContext) -> types.Content:
        trace.append("after")
        return words("Goodbye.")

    call = await Call.start(before_agent_callback=before, after_agent_callback=[after])
    await settle()
    await call.play(text("Hi"), TURN_COMPLETE)
    assert trace == ["before guide"]
    assert await call.end() == ["state{'met': True}", "P:Hi", "M:Hi", "end", ":Goodbye."]
    assert trace == ["before guide", "after"]
    saved = await call.saved()
    assert saved.state["met"] is True
    assert [event.content.text for event in saved.events if event.content] == ["Hi", "Goodbye."]


@pytest.mark.spec(137)
@virtual
async def test_content_from_before_stands_in_the_place_of_the_run() -> None:
    def never(callback_context: CallbackContext) -> None:
        raise AssertionError("the chain ends at the first that speaks")

    call = await Call.start(before_agent_callback=[lambda _: None, lambda _: words("We are closed."), never])
    await call.reader
    assert call.short == [":We are closed."]
    assert call.model.connections == []
    assert [event.author for event in (await call.saved()).events] == ["guide"]


@pytest.mark.spec(150)
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("abandoned", [False, True])
@virtual
async def test_a_run_that_is_cancelled_or_abandoned_calls_after_once(abandoned: bool, fails: bool) -> None:
    calls: list[str] = []

    async def after(callback_context: CallbackContext) -> types.Content:
        await asyncio.sleep(0.01)
        calls.append("after")
        if fails:
            raise ValueError("nobody is there to hear it")
        return words("Goodbye.")

    model = ScriptedModel()
    runner = InMemoryRunner(agent=Agent(name="guide", model=model, after_agent_callback=after), app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    run = runner.run_live(user_id="u", session_id=session.id, live_request_queue=LiveRequestQueue())
    assert (await anext(run)).setup_complete is not None
    if abandoned:
        await run.aclose()
    else:
        waiting = asyncio.create_task(anext(run))
        await settle()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
    assert calls == ["after"]
    assert model.connections[0].closed


@virtual
async def test_a_run_that_fails_has_no_after() -> None:
    calls: list[str] = []
    call = await Call.start(after_agent_callback=lambda _: calls.append("after"))
    (await call.connection()).lose(1007, recoverable=False)
    with pytest.raises(ConnectionLost):
        await call.reader
    assert calls == []
