"""The hooks that plugins have around a run and its events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fullduplex import Agent, Runner, types
from fullduplex.errors import ConnectionLost, PluginError
from fullduplex.events import Event
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools.base import BaseTool, BaseToolset
from tests.live.kit import TURN_COMPLETE, Call, audio, clocked, leftovers, said, settle, short, text, user, virtual


def words(said_: str) -> types.Content:
    return types.Content(parts=[types.Part(text=said_)])


def model_of(call: Call) -> ScriptedModel:
    model = call.runner.agent.model  # type: ignore[attr-defined]
    assert isinstance(model, ScriptedModel)
    return model


async def call_with(*plugins: BasePlugin, **agent: Any) -> Call:
    model = ScriptedModel()
    runner = Runner(
        app_name="app",
        agent=Agent(name="guide", model=model, **agent),
        session_service=InMemorySessionService(),
        plugins=list(plugins),
        engine=clocked(),
    )
    return await Call.start(model=model, runner=runner)


class Watcher(BasePlugin):
    """Writes down what it is told of a run."""

    def __init__(self, name: str = "watcher") -> None:
        super().__init__(name)
        self.trace: list[str] = []

    async def before_run_callback(self, *, invocation_context: Any) -> types.Content | None:
        self.trace.append("before run")
        return None

    async def after_run_callback(self, *, invocation_context: Any) -> None:
        self.trace.append("after run")

    async def on_run_error_callback(self, *, invocation_context: Any, error: Exception) -> None:
        self.trace.append(f"run error {error}")

    async def on_event_callback(self, *, invocation_context: Any, event: Event) -> Event | None:
        if event.setup_complete is None:
            self.trace.append(short(event))
        return None


# -- around a run -----------------------------------------------------------------------------------------------------


@virtual
async def test_a_run_is_told_of_from_its_beginning_to_its_end() -> None:
    watcher = Watcher()
    call = await call_with(watcher)
    await call.play(text("Hi"), TURN_COMPLETE)
    assert await call.end() == ["P:Hi", "M:Hi", "end"]
    assert watcher.trace == ["before run", "P:Hi", "M:Hi", "end", "after run"]


@virtual
async def test_content_from_before_run_is_all_that_the_run_says() -> None:
    class Closed(BasePlugin):
        async def before_run_callback(self, *, invocation_context: Any) -> types.Content | None:
            return words("We are closed.")

    watcher = Watcher()
    call = await call_with(watcher, Closed("closed"), Watcher("never asked"))
    await call.reader
    (event,) = call.events
    assert (event.author, short(event)) == ("model", ":We are closed.")
    assert event.invocation_id
    assert [short(kept) for kept in (await call.saved()).events] == [":We are closed."]
    assert model_of(call).connections == []
    assert watcher.trace == ["before run", ":We are closed.", "after run"]


@virtual
async def test_a_run_that_is_cancelled_has_ended_too() -> None:
    watcher = Watcher()
    call = await call_with(watcher)
    await call.play(text("Hi"))
    call.reader.cancel()
    await asyncio.wait([call.reader])
    assert watcher.trace[-1] == "after run"


@pytest.mark.spec(151)
@virtual
async def test_a_run_that_fails_is_told_of_and_raises_what_ended_it() -> None:
    class Clumsy(BasePlugin):
        async def on_agent_error_callback(self, *, agent: Any, callback_context: Any, error: Exception) -> None:
            raise RuntimeError("the pager is out of order")

        on_run_error_callback = on_agent_error_callback  # type: ignore[assignment]

    class Pager(Watcher):
        async def on_agent_error_callback(self, *, agent: Any, callback_context: Any, error: Exception) -> None:
            self.trace.append(f"error of {agent.name}: {error}")

    pager = Pager()
    call = await call_with(Clumsy("clumsy"), pager)
    connection = await call.connection()
    connection.lose(1008, recoverable=False)
    with pytest.raises(ConnectionLost):
        await call.reader
    assert sorted(pager.trace) == sorted(
        ["before run", "error-connection_lost", "error of guide: closed with 1008", "run error closed with 1008"]
    )
    assert pager.trace[-1] == "run error closed with 1008"


# -- around an agent --------------------------------------------------------------------------------------------------


class Doorman(BasePlugin):
    """Says something before and after an agent's part, if it is told to."""

    def __init__(self, before: str = "", after: str = "") -> None:
        super().__init__("doorman")
        self.before = before
        self.after = after
        self.trace: list[str] = []

    async def before_agent_callback(self, *, agent: Any, callback_context: Any) -> types.Content | None:
        self.trace.append(f"before {agent.name}")
        callback_context.state["seen"] = True
        return words(self.before) if self.before else None

    async def after_agent_callback(self, *, agent: Any, callback_context: Any) -> types.Content | None:
        self.trace.append(f"after {agent.name}")
        return words(self.after) if self.after else None


@pytest.mark.spec(137)
@virtual
async def test_content_of_a_plugin_stands_in_the_place_of_the_agent() -> None:
    def never(**arguments: Any) -> None:
        raise AssertionError("the plugin has answered")

    doorman = Doorman(before="We are closed.")
    call = await call_with(doorman, before_agent_callback=never, after_agent_callback=never)
    await call.reader
    assert call.short == [":We are closed. state{'seen': True}"]
    assert [event.author for event in call.events] == ["guide"]
    assert await call.saved_short() == call.short
    assert model_of(call).connections == []
    assert doorman.trace == ["before guide"]


@pytest.mark.spec(137)
@virtual
async def test_content_of_a_plugin_is_said_behind_the_agent() -> None:
    def never(**arguments: Any) -> None:
        raise AssertionError("the plugin has answered")

    call = await call_with(Doorman(after="Goodbye."), after_agent_callback=never)
    await call.play(text("Hi"), TURN_COMPLETE)
    assert await call.end() == ["state{'seen': True}", "P:Hi", "M:Hi", "end", ":Goodbye."]
    assert (await call.saved_short())[-1] == ":Goodbye."


@pytest.mark.spec(150)
@virtual
async def test_of_a_cancelled_run_the_plugin_is_told_once() -> None:
    doorman = Doorman(after="Goodbye.")
    call = await call_with(doorman)
    await call.play(text("Hi"))
    call.reader.cancel()
    await asyncio.wait([call.reader])
    assert doorman.trace == ["before guide", "after guide"]


# -- events -----------------------------------------------------------------------------------------------------------


class Redactor(BasePlugin):
    """Hides a word wherever an event has it."""

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__("redactor")
        self.delay_s = delay_s

    async def on_event_callback(self, *, invocation_context: Any, event: Event) -> Event | None:
        await asyncio.sleep(self.delay_s)
        spoken = event.output_transcription
        if spoken is None or "secret" not in (spoken.text or ""):
            return None
        hidden = spoken.model_copy(update={"text": (spoken.text or "").replace("secret", "******")})
        return Event(output_transcription=hidden, partial=event.partial)


@virtual
async def test_an_event_that_a_plugin_returns_is_shown_and_kept_in_its_place() -> None:
    call = await call_with(Redactor())
    await call.play(audio(), said("a secret "), said("place"), TURN_COMPLETE)
    shown = ["audio", "P-out:a ****** ", "P-out:place", "M-out:a ****** place", "end"]
    assert await call.end() == shown
    assert await call.saved_short() == ["M-out:a ****** place", "end"]
    events = call.events
    assert {event.author for event in events} == {"guide"}
    assert len({event.invocation_id for event in events}) == 1
    assert len({event.id for event in events}) == len(events)


@virtual
async def test_a_slow_plugin_holds_up_what_it_is_to_see_and_nothing_else() -> None:
    call = await call_with(Redactor(delay_s=2.0))
    connection = await call.connection()
    for message in (audio(), said("a secret"), TURN_COMPLETE):
        connection.say(message)
    call.queue.send_content(user("Hello?"))
    await connection.wait_sent(1)
    assert call.events == []
    assert await call.end() == ["audio", "P-out:a ******", "M-out:a ******", "end"]
    assert await call.saved_short() == ["M-out:a ******", "end", "user:Hello?"]


@virtual
async def test_a_plugin_that_fails_ends_the_run_and_nothing_unseen_is_shown_or_kept() -> None:
    class Broken(BasePlugin):
        async def on_event_callback(self, *, invocation_context: Any, event: Event) -> Event | None:
            if event.output_transcription is not None:
                raise RuntimeError("out of order")
            return None

    watcher = Watcher()
    call = await call_with(watcher, Broken("broken"))
    await call.play(audio(), said("a secret"), TURN_COMPLETE)
    with pytest.raises(PluginError, match=r"plugin `broken` failed in on_event_callback: RuntimeError"):
        await call.reader
    assert call.short == ["audio", "error-plugin_failed"]
    assert call.events[-1].recoverable is False
    assert await call.saved_short() == []
    assert watcher.trace[-1].startswith("run error")


@virtual
async def test_what_is_no_event_is_refused() -> None:
    class Confused(BasePlugin):
        async def on_event_callback(self, *, invocation_context: Any, event: Event) -> Any:
            return "an event"

    call = await call_with(Confused("confused"))
    with pytest.raises(PluginError, match="returns an Event or None, not str"):
        await call.reader
    assert call.short == ["error-plugin_failed"]


@virtual
async def test_a_plugin_that_hangs_does_not_keep_the_run_from_ending() -> None:
    call = await call_with(Redactor(delay_s=1e9))
    await call.play(text("Hi"))
    await call.end()
    assert call.events == []
    assert leftovers() == []


@virtual
async def test_what_callbacks_of_agents_say_is_seen_too() -> None:
    watcher = Watcher()
    call = await call_with(watcher, before_agent_callback=lambda _: words("We are closed."))
    await call.reader
    assert call.short == [":We are closed."]
    assert watcher.trace == ["before run", ":We are closed.", "after run"]


@virtual
async def test_without_a_plugin_that_asks_for_events_none_is_held_up() -> None:
    call = await call_with(BasePlugin("quiet"))
    connection = await call.connection()
    await settle()
    connection.say(audio())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert call.short == ["audio"]
    await call.end()


# -- the runner -------------------------------------------------------------------------------------------------------


@pytest.mark.spec(19)
@pytest.mark.parametrize("leaves_by", ["context manager", "close"])
@virtual
async def test_a_runner_that_closes_closes_toolsets_and_plugins_once(leaves_by: str) -> None:
    trace: list[str] = []

    class Tools(BaseToolset):
        async def get_tools(self, readonly_context: Any = None) -> list[BaseTool]:
            return []

        async def close(self) -> None:
            trace.append("toolset")

    class Plugin(BasePlugin):
        async def close(self) -> None:
            trace.append(self.name)
            if self.name == "clumsy":
                raise RuntimeError("jammed")
            if self.name == "slow":
                await asyncio.sleep(1e9)

    tools = Tools()
    below = Agent(name="helper", model=ScriptedModel(), tools=[tools])
    runner = Runner(
        app_name="app",
        agent=Agent(name="guide", model=ScriptedModel(), tools=[tools], sub_agents=[below]),
        session_service=InMemorySessionService(),
        plugins=[Plugin("clumsy"), Plugin("slow"), Plugin("neat")],
        plugin_close_timeout=2.0,
    )
    began = asyncio.get_running_loop().time()
    if leaves_by == "close":
        await runner.close()
    else:
        async with runner as entered:
            assert entered is runner
            assert trace == []
    assert trace == ["toolset", "clumsy", "slow", "neat"]
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)
