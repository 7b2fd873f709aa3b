"""What the engine's tests share: a run that a test drives by hand, a backend's messages, events in a few letters."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fullduplex import Agent, LiveRequestQueue, RunConfig, Runner, types
from fullduplex.events import Event
from fullduplex.live import Ambient, Engine, LiveSettings
from fullduplex.models.registry import resolve
from fullduplex.sessions import BaseSessionService, InMemorySessionService, Session
from fullduplex.testing.clock import run_virtual
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel

PATIENCE_S = 1000.0


# -- time -----------------------------------------------------------------------------------------------------------


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs an async test in virtual time, and fails it when a task is left behind."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def main() -> None:
            async with asyncio.timeout(PATIENCE_S):
                await test(*args, **kwargs)
            assert not leftovers()

        run_virtual(main())

    del run.__wrapped__  # type: ignore[attr-defined]  # pytest would take it for a coroutine function
    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run


def leftovers() -> list[str]:
    """The names of all tasks but the caller's."""
    return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def settle() -> None:
    """In virtual time: returns when nothing is left that could happen without time passing."""
    await asyncio.sleep(0.001)


# -- what a backend says --------------------------------------------------------------------------------------------


def content(**fields: Any) -> dict[str, Any]:
    return {"serverContent": fields}


def text(words: str, **part: Any) -> dict[str, Any]:
    return content(modelTurn={"role": "model", "parts": [{"text": words, **part}]})


def audio(data: bytes = b"\0\1" * 480) -> dict[str, Any]:
    blob = {"data": data, "mimeType": "audio/pcm;rate=24000"}
    return content(modelTurn={"role": "model", "parts": [{"inlineData": blob}]})


def heard(words: str | None, finished: bool | None = None) -> dict[str, Any]:
    return content(inputTranscription={"text": words, "finished": finished})


def said(words: str | None, finished: bool | None = None) -> dict[str, Any]:
    return content(outputTranscription={"text": words, "finished": finished})


def calls(*wanted: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """A tool call of `(id, name)` or `(id, name, args)` each."""
    functions = [{"id": one[0], "name": one[1], "args": one[2] if len(one) > 2 else {}} for one in wanted]
    return {"toolCall": {"functionCalls": functions}}


def cancellation(*ids: str) -> dict[str, Any]:
    return {"toolCallCancellation": {"ids": list(ids)}}


def handle(name: str, resumable: bool = True) -> dict[str, Any]:
    return {"sessionResumptionUpdate": {"newHandle": name, "resumable": resumable}}


TURN_COMPLETE = content(turnComplete=True)
INTERRUPTED = content(interrupted=True)
GENERATION_COMPLETE = content(generationComplete=True)
GO_AWAY = {"goAway": {"timeLeft": "10s"}}


def user(words: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=words)])


def pcm(seconds: float = 0.04) -> types.Blob:
    return types.Blob(data=bytes(int(seconds * 16_000) * 2), mime_type="audio/pcm;rate=16000")


# -- what a backend was told ------------------------------------------------------------------------------------------


def answers(connection: ScriptedConnection) -> list[types.FunctionResponse]:
    """All that tools answered over this connection, in order."""
    return [one for kind, sent in connection.sent if kind == "tool_response" for one in sent]


def answered(connection: ScriptedConnection) -> list[tuple[str | None, Any]]:
    """The same as ids and responses."""
    return [(one.id, one.response) for one in answers(connection)]


# -- events in short ------------------------------------------------------------------------------------------------


def short(event: Event) -> str:
    """An event in a few letters: `P`artial or `M`erged text, transcripts, flags; `!` marks an interruption."""
    words = [*_said_short(event), *_noticed_short(event)]
    if event.actions.state_delta:
        words.append(f"state{event.actions.state_delta}")
    return " ".join(words)


def _said_short(event: Event) -> Iterable[str]:
    for name, transcript in (("in", event.input_transcription), ("out", event.output_transcription)):
        if transcript is not None:
            yield f"{'P' if event.partial else 'M'}-{name}:{transcript.text}"
    mark = {True: "P", False: "M", None: ""}[event.partial]
    for part in (event.content.parts or []) if event.content is not None else []:
        if part.text is not None:
            yield f"{mark}{'~' if part.thought else ':'}{part.text}{'!' if event.interrupted else ''}"
        elif part.inline_data is not None:
            yield "audio"
        elif part.function_call is not None:
            yield f"call-{part.function_call.id}"
        elif part.function_response is not None:
            yield f"answer-{part.function_response.id}"
        else:
            yield "part"


def _noticed_short(event: Event) -> Iterable[str]:
    if event.turn_complete:
        yield "end!" if event.interrupted else "end"
    elif event.interrupted and event.content is None:
        yield "interrupted"
    for name, value in (
        ("generated", event.generation_complete),
        ("usage", event.usage_metadata),
        ("handle", event.live_session_resumption_update),
        ("go_away", event.go_away),
        ("setup", event.setup_complete),
        ("cancelled", event.tool_call_cancellation),
        ("activity", event.voice_activity),
        ("grounding", event.grounding_metadata),
        (f"error-{event.error_code}", event.error_code),
    ):
        if value is not None and value is not False:
            yield name


# -- a live run -----------------------------------------------------------------------------------------------------


def clocked(settings: LiveSettings | None = None) -> Engine:
    """An engine that takes its time from the running loop, and ids and chance from nowhere."""
    numbers = itertools.count(1)
    ambient = Ambient(
        now=lambda: asyncio.get_running_loop().time(), new_id=lambda: f"id-{next(numbers)}", chance=lambda: 0.5
    )
    return Engine(resolve=resolve, ambient=ambient, settings=settings)


class Call:
    """One live run; its events are read by a task of its own, `reader`."""

    def __init__(
        self,
        runner: Runner,
        model: ScriptedModel,
        session: Session,
        run_config: RunConfig | None,
        queue: LiveRequestQueue | None = None,
    ) -> None:
        self.runner = runner
        self.model = model
        self.queue = queue or LiveRequestQueue()
        self.events: list[Event] = []
        self._session = session
        self._seen = asyncio.Event()
        self._run_config = run_config
        self.reader = asyncio.create_task(self._read(), name="reader")

    @classmethod
    async def start(
        cls,
        *,
        model: ScriptedModel | None = None,
        store: BaseSessionService | None = None,
        session: Session | None = None,
        run_config: RunConfig | None = None,
        settings: LiveSettings | None = None,
        runner: Runner | None = None,
        **agent: Any,
    ) -> Call:
        """A run of a fresh agent in a fresh session, unless given."""
        model = model or ScriptedModel()
        if runner is None:
            runner = Runner(
                app_name="app",
                agent=Agent(name="guide", model=model, **agent),
                session_service=store or InMemorySessionService(),
                engine=clocked(settings),
            )
        session = session or await runner.session_service.create_session(app_name="app", user_id="u")
        return cls(runner, model, session, run_config)

    async def _read(self) -> None:
        try:
            async for event in self.runner.run_live(
                user_id=self._session.user_id,
                session_id=self._session.id,
                live_request_queue=self.queue,
                run_config=self._run_config,
            ):
                self.events.append(event)
                self._seen.set()
        finally:
            self._seen.set()

    async def connection(self, number: int = 1) -> ScriptedConnection:
        """The run's connection with this number, as soon as it is open."""
        return await self.model.opened(number)

    async def play(self, *messages: dict[str, Any], number: int = 1) -> ScriptedConnection:
        """Lets the model say `messages` on its newest connection, and everybody react to each (virtual time)."""
        connection = await self.connection(number)
        for message in messages:
            connection.say(message)
            await settle()
        return connection

    async def until(self, seen: Callable[[Event], Any]) -> Event:
        """The first event that `seen` likes, as soon as it is there; fails when the run ends without it."""
        while True:
            for event in self.events:
                if seen(event):
                    return event
            if self.reader.done():
                raise AssertionError(f"the run ended without it: {self.short}") from self.reader.exception()
            self._seen.clear()
            await self._seen.wait()

    async def end(self) -> list[str]:
        """Closes the queue, waits for the run's end, and gives all its events in short, without the setup."""
        self.queue.close()
        await self.reader
        return self.short

    @property
    def short(self) -> list[str]:
        """The events so far, in short, without the setup."""
        return [short(event) for event in self.events if event.setup_complete is None]

    async def saved(self) -> Session:
        """The session as its store has it."""
        session = await self.runner.session_service.get_session(
            app_name="app", user_id=self._session.user_id, session_id=self._session.id
        )
        assert session is not None
        return session

    async def saved_short(self) -> list[str]:
        """The saved events, in short; the user's own are `user:words`."""
        events = (await self.saved()).events
        return [f"user{short(event)}" if event.author == "user" and event.content else short(event) for event in events]
