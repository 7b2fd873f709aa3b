"""`model="local"`: the cascade behind the same connection as every other model.

Voice goes through detection, recognition, the `local-rules` router and synthesis; typed text goes straight to the
router. It is an offline demonstration: a scripted tool router that knows the sentences of the agent's tools and does
not understand free speech. Nothing leaves the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fullduplex.errors import ConnectionLost, EngineUnavailable, InvalidInput, ModelError
from fullduplex.models.base import ConnectRequest, LiveConnection, LiveModel
from fullduplex.models.cascade import answers
from fullduplex.models.cascade.audio import rate_of
from fullduplex.models.cascade.calls import CallBook
from fullduplex.models.cascade.dialogue import Dialogue
from fullduplex.models.cascade.engines import Engines, shared_engines
from fullduplex.models.cascade.flow import COMPLETED, agents_in, own_name
from fullduplex.models.cascade.handed import still_open
from fullduplex.models.cascade.hearing import Ears, Heard, Hearing
from fullduplex.models.cascade.mouth import Mouth, TextMouth, VoiceMouth
from fullduplex.models.cascade.router import Call, Router
from fullduplex.models.cascade.settings import Behaviour, read_behaviour
from fullduplex.models.cascade.text import written
from fullduplex.models.cascade.tts import VOICES
from fullduplex.models.text import TextModel
from fullduplex.types.config import FunctionResponseScheduling, SpeechConfig
from fullduplex.types.content import Blob, Content, FunctionResponse
from fullduplex.types.live import (
    ActivityStart,
    AudioStreamEnd,
    LiveServerContent,
    LiveServerMessage,
    LiveServerSetupComplete,
    LiveServerToolCall,
    LiveServerToolCallCancellation,
    Signal,
    Transcription,
    VoiceActivity,
)

_log = logging.getLogger(__name__)

_OUTBOX_LIMIT = 256
_PATIENCE_S = 3.0  # that the agent keeps silent for a tool


class Cascade(LiveModel):
    """The embedded agent. One object serves any number of connections; they share the speech engines.

    Args:
        model: The name it goes by.
        speech_config: Its voice; stands before that of the run.
        engines: Where speech engines come from; the program's shared ones unless given.
    """

    def __init__(
        self,
        model: str = "local",
        *,
        speech_config: SpeechConfig | dict[str, Any] | None = None,
        engines: Engines | None = None,
    ) -> None:
        self.model = model
        self.speech_config = None if speech_config is None else SpeechConfig.model_validate(speech_config)
        self._engines = engines

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[LiveConnection]:
        """Opens a connection. `InvalidConfig` for other modalities, `ModelError` when no speech engine is there."""
        engines = self._engines or shared_engines()
        behaviour = read_behaviour(request.config, self.speech_config)
        declarations = [d for tool in request.tools for d in tool.function_declarations or ()]
        searches = any(tool.google_search is not None for tool in request.tools)
        instruction = request.system_instruction
        router = engines.router(declarations, search=searches, agents=agents_in(instruction))
        mouth: Mouth = TextMouth()
        if behaviour.voice_out:
            try:
                synthesizer = engines.synthesizer()
            except EngineUnavailable as error:
                raise ModelError(str(error), code=error.code) from error
            if behaviour.voice and not synthesizer.knows(behaviour.voice):
                _log.warning(
                    "the local agent has no voice %r and speaks with its default: it has %s",
                    behaviour.voice,
                    ", ".join(filter(synthesizer.knows, VOICES)) or "no other",
                )
            mouth = VoiceMouth(synthesizer, behaviour.voice, transcribe=behaviour.transcribe_output)
        connection = CascadeConnection(router, mouth, behaviour, engines, own_name(instruction))
        connection.open(request.history)
        try:
            yield connection
        finally:
            await connection.close()

    def text_model(self) -> TextModel:
        """The rules alone."""
        from fullduplex.models.cascade.generate import LocalText

        return LocalText(self.model)


class CascadeConnection(LiveConnection):
    """One conversation with the cascade.

    At most one turn is answered at a time: a task of its own, which an interruption cancels. Everything that is said
    goes through one queue that `receive` reads.
    """

    def __init__(
        self,
        router: Router,
        mouth: Mouth,
        behaviour: Behaviour,
        engines: Engines,
        name: str = "",
        new_id: Callable[[], str] = lambda: f"local-{uuid.uuid4()}",
    ) -> None:
        self._router = router
        self._dialogue = Dialogue(router, name)
        self._mouth = mouth
        self._behaviour = behaviour
        self._engines = engines
        self._calls = CallBook(new_id)
        self._answered = asyncio.Event()
        self._outbox: asyncio.Queue[LiveServerMessage | Exception | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._turn: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[Coroutine[Any, Any, None]] = deque()
        self._hearing: Hearing | None = None
        self._told: list[Content] = []
        self._closed = False

    def open(self, history: list[Content]) -> None:
        """Says that the setup is accepted, and answers the history if the user has the last word in it."""
        self._emit(LiveServerMessage(setup_complete=LiveServerSetupComplete()))
        self._take_over(history)

    # -- what the engine sends ------------------------------------------------------------------------------------

    async def send_content(self, content: Content, *, turn_complete: bool = True) -> None:
        """A typed turn interrupts what is being said and is answered; without `turn_complete` it is only kept."""
        self._check_open()
        responses = content.function_responses
        if responses:
            await self.send_tool_response(responses)
            return
        text = content.text.strip()
        if not turn_complete:
            if text and content.role != "model":
                self._dialogue.add(text)
            return
        if not text and not self._dialogue.has_context:
            raise InvalidInput("the local agent reads text only, and this turn has none", field="content")
        self._interrupt()
        self._begin(self._answer(text))

    async def send_history(self, contents: list[Content], *, turn_complete: bool) -> None:
        """Of what was said elsewhere only an open question matters here: it is answered."""
        self._check_open()
        self._told += contents
        if not turn_complete:
            return
        self._take_over(self._told)
        self._told.clear()

    def _take_over(self, contents: list[Content]) -> None:
        """Goes on with a conversation whose last turn is the user's, another agent's, or a tool's."""
        if not contents or contents[-1].role == "model":
            return
        left = still_open(contents)
        if left.question:
            self._begin(self._answer(left.question, handed=left.handed))
        elif words := self._dialogue.outcome([(result.name or "tool", result) for result in left.results]):
            self._begin(self._say(words))
        elif left.handed or left.results:
            self._begin(self._say(self._dialogue.introduction))

    async def greet(self, words: str) -> None:
        """Says the words themselves."""
        await self.speak(words)

    async def speak(self, words: str) -> bool:
        """See `LiveConnection`."""
        self._check_open()
        self._begin(self._say(words))
        return True

    async def interrupt(self) -> None:
        """Falls silent at once."""
        self._check_open()
        self._interrupt()

    async def send_realtime(self, blob: Blob) -> None:
        """Audio is heard; images and video are taken and not looked at."""
        self._check_open()
        mime = (blob.mime_type or "").lower()
        if mime.startswith(("image/", "video/")):
            return
        rate = rate_of(blob.mime_type)
        if blob.data:
            self._ears().put((bytes(blob.data), rate))

    async def send_activity(self, signal: Signal) -> None:
        """Start and end of speech, where detection is the client's; the end of the audio stream anywhere."""
        self._check_open()
        if not self._behaviour.hearing.manual and not isinstance(signal, AudioStreamEnd):
            raise InvalidInput(
                "activity signals need automatic_activity_detection.disabled", code="activity_not_allowed"
            )
        if isinstance(signal, ActivityStart) or self._hearing is not None:
            self._ears().put(signal)

    async def send_tool_response(self, responses: list[FunctionResponse]) -> None:
        """Answers to calls; one that comes after its turn is said when the agent is idle, unless it is `SILENT`."""
        self._check_open()
        for response in responses:
            late = self._calls.answer(response)
            if late is not None and late.response:
                self._announce(late)
        if not self._calls.pending:
            self._answered.set()

    def _announce(self, late: FunctionResponse) -> None:
        scheduling = late.scheduling and FunctionResponseScheduling(late.scheduling)
        if scheduling is FunctionResponseScheduling.SILENT:
            return
        if scheduling is FunctionResponseScheduling.INTERRUPT:
            self._interrupt()
        self._begin(self._tell([late]))

    async def receive(self) -> AsyncIterator[LiveServerMessage]:
        """All messages until the connection is closed; raises what broke it."""
        while True:
            item = await self._outbox.get()
            if self._outbox.qsize() <= _OUTBOX_LIMIT:
                self._room.set()
            if item is None:
                self._outbox.put_nowait(None)
                return
            if isinstance(item, Exception):
                raise item
            yield item

    async def close(self) -> None:
        """Stops speaking and hearing and waits until nothing of this connection runs."""
        if not self._closed:
            self._closed = True
            self._turn = None
            while self._waiting:
                self._waiting.popleft().close()
            self._outbox.put_nowait(None)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionLost("the connection is closed", close_code=1000)

    # -- turns ----------------------------------------------------------------------------------------------------

    def _emit(self, message: LiveServerMessage) -> None:
        self._outbox.put_nowait(message)

    async def _emit_paced(self, message: LiveServerMessage) -> None:
        """Emits, but waits for a reader that has fallen far behind."""
        while self._outbox.qsize() > _OUTBOX_LIMIT:
            self._room.clear()
            await self._room.wait()
        self._emit(message)

    def _flag(self, **fields: Any) -> None:
        self._emit(LiveServerMessage(server_content=LiveServerContent(**fields)))

    def _begin(self, turn: Coroutine[Any, Any, None]) -> None:
        """Runs a turn now, or after the one that runs."""
        if self._turn is None:
            self._turn = self._spawn(turn, "cascade-turn")
            self._turn.add_done_callback(self._next_turn)
        else:
            self._waiting.append(turn)

    def _next_turn(self, done: asyncio.Task[None]) -> None:
        if done is not self._turn:
            return
        self._turn = None
        if self._waiting and not self._closed:
            self._begin(self._waiting.popleft())

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the local agent failed", exc_info=error)
            self._outbox.put_nowait(ModelError(f"the local agent failed: {error}", code="local_failed"))

    def _interrupt(self) -> None:
        """Ends the running turn at once, with everything that waits behind it."""
        while self._waiting:
            self._waiting.popleft().close()
        turn, self._turn = self._turn, None
        if turn is None or turn.done():
            return
        turn.cancel()
        if cancelled := self._calls.cancel():
            self._emit(LiveServerMessage(tool_call_cancellation=LiveServerToolCallCancellation(ids=cancelled)))
        self._flag(interrupted=True)
        self._flag(turn_complete=True)

    async def _answer(self, text: str, *, handed: bool = False) -> None:
        """One turn: decide, call tools and wait for them, say the outcome. A task that is done by that is reported."""
        decided = self._dialogue.decide(text, handed=handed)
        if isinstance(decided, str):
            await self._say(decided)
        else:
            await self._call(decided)

    async def _call(self, calls: tuple[Call, ...]) -> None:
        """Calls tools and says what they answer; what takes long is told of, and its answer comes by itself."""
        self._answered.clear()
        opened = self._calls.begin(calls)
        self._emit(LiveServerMessage(tool_call=LiveServerToolCall(function_calls=opened)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._answered.wait()
        late = [answers.takes_long(name) for name in self._calls.defer()]
        await self._tell(self._calls.close(), *late)

    async def _tell(self, results: Sequence[FunctionResponse], *more: str) -> None:
        """Says what tools have answered. A task that is done by that is reported."""
        told = self._dialogue.outcome([(self._calls.name_of(result), result) for result in results])
        await self._say(" ".join(filter(None, [told, *more])))
        if self._dialogue.is_done and results:
            self._dialogue.report()
            await self._call((Call(COMPLETED),))

    async def _say(self, reply: str) -> None:
        if reply:
            await self._mouth.say(reply, self._emit_paced)
            self._flag(generation_complete=True)
            await self._mouth.drain()
        self._flag(turn_complete=True)

    # -- hearing --------------------------------------------------------------------------------------------------

    def _ears(self) -> Hearing:
        """The ears, which open with the first sound."""
        if self._hearing is None:
            try:
                detector = self._engines.detector(self._behaviour.start_probability)
                recognizer = self._engines.recognizer(self._router)
            except EngineUnavailable as error:
                raise InvalidInput(str(error), code=error.code, field="blob") from error
            ears = Ears(self._on_start, self._on_heard, self._on_failure)
            self._hearing = Hearing(ears, detector, recognizer, self._behaviour.hearing)
            self._spawn(self._hearing.run(), "cascade-hearing")
        return self._hearing

    def _on_start(self) -> None:
        if self._behaviour.voice_signals:
            self._emit(LiveServerMessage(voice_activity=VoiceActivity(voice_activity_type="ACTIVITY_START")))
        if self._behaviour.interruptible:
            self._interrupt()

    def _on_heard(self, heard: Heard) -> None:
        if self._behaviour.voice_signals:
            self._emit(LiveServerMessage(voice_activity=VoiceActivity(voice_activity_type="ACTIVITY_END")))
        if not heard.text:
            return
        if self._behaviour.transcribe_input:
            self._flag(input_transcription=Transcription(text=written(heard.text), finished=True))
        if self._hearing is not None and self._hearing.in_speech and self._behaviour.interruptible:
            self._dialogue.add(heard.text)  # the user went on speaking: this was only the first part
        elif heard.in_domain:
            self._begin(self._answer(heard.text))
        else:
            self._begin(self._say(answers.not_understood(self._router)))

    def _on_failure(self, error: Exception) -> None:
        self._begin(self._say("Sorry, I could not hear that: speech recognition failed."))
