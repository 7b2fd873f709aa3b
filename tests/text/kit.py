"""What the tests of text runs share: a chat with agents whose models are scripted, and events in a few letters."""

from __future__ import annotations

from typing import Any

from fullduplex import Agent, RunConfig, Runner, StreamingMode, types
from fullduplex.agents import BaseAgent
from fullduplex.errors import FullduplexError
from fullduplex.events import Event
from fullduplex.sessions import BaseSessionService, InMemorySessionService, Session
from fullduplex.testing.scripted_text_model import ScriptedTextModel
from tests.live.kit import short as short_event
from tests.live.kit import user

__all__ = ["SSE", "Chat", "ScriptedTextModel", "call", "short", "user"]

SSE = RunConfig(streaming_mode=StreamingMode.SSE)


def call(name: str, call_id: str | None = None, **args: Any) -> types.FunctionCall:
    return types.FunctionCall(id=call_id or name, name=name, args=args)


def short(event: Event) -> str:
    """An event in a few letters, with the author before it where that is not `guide`; `error:code` for an error."""
    words = short_event(event) or (f"error:{event.error_code}" if event.error_code else "")
    if event.actions.transfer_to_agent:
        words += f" →{event.actions.transfer_to_agent}"
    return words if event.author == "guide" else f"{event.author}/{words}"


class Chat:
    """One session with an agent: a scripted `guide`, or the tree `agent`. `events` holds what came down."""

    def __init__(
        self, *turns: Any, agent: BaseAgent | None = None, runner: Runner | None = None, **fields: Any
    ) -> None:
        self.model = ScriptedTextModel(*turns)
        self.runner = runner or Runner(
            app_name="app",
            agent=agent or Agent(name="guide", model=self.model, **fields),
            session_service=InMemorySessionService(),
            auto_create_session=True,
        )
        self.events: list[Event] = []

    @property
    def store(self) -> BaseSessionService:
        return self.runner.session_service

    async def say(self, message: str | types.Content | None = "hello", **run: Any) -> list[str]:
        """Lets the user write `message`; what comes down, in short."""
        content = user(message) if isinstance(message, str) else message
        self.events = []
        async for event in self.runner.run_async(user_id="u", session_id="s", new_message=content, **run):
            self.events.append(event)
        return [short(event) for event in self.events]

    async def fail(self, message: str | types.Content | None = "hello", **run: Any) -> FullduplexError:
        """The error that a run ends with; what came down before is in `events`."""
        try:
            await self.say(message, **run)
        except FullduplexError as error:
            return error
        raise AssertionError(f"no error: {[short(event) for event in self.events]}")

    async def saved(self) -> Session:
        """The session as its store has it."""
        session = await self.store.get_session(app_name="app", user_id="u", session_id="s")
        assert session is not None
        return session

    async def saved_short(self) -> list[str]:
        """The events of the session, in short."""
        return [short(event) for event in (await self.saved()).events]

    def asked(self, number: int = -1) -> list[str]:
        """What the model was told in one of its requests, a line for each turn."""
        return told(self.model, number)


def told(model: ScriptedTextModel, number: int = -1) -> list[str]:
    """What `model` was told in one of its requests: `role: words` for each turn."""
    lines = []
    for content in model.requests[number].contents:
        words = [_word(part) for part in content.parts or []]
        lines.append(f"{content.role}: {' '.join(words)}")
    return lines


def _word(part: types.Part) -> str:
    if part.function_call is not None:
        return f"call {part.function_call.name}"
    if part.function_response is not None:
        return f"{part.function_response.name}→{part.function_response.response}"
    return part.text if part.text is not None else "media"
