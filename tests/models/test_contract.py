"""What every backend keeps of `LiveConnection`'s promises. A new backend joins by a line in `BACKENDS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from fullduplex import Agent, InMemoryRunner, LiveRequestQueue, RunConfig
from fullduplex.errors import ConnectionLost, InvalidConfig, InvalidInput
from fullduplex.models.base import LiveConnection
from fullduplex.types.config import AudioTranscriptionConfig, Modality, RealtimeInputConfig
from fullduplex.types.content import Blob, Content, FunctionCall, FunctionResponse, Part
from fullduplex.types.live import ActivityEnd, ActivityStart, AudioStreamEnd, LiveServerMessage
from tests.models.backends import SMALL_TALK, TOOL_QUESTION, Backend, Make, gemini, local

BACKENDS: dict[str, Make] = {"gemini": gemini, "local": local}
RATE = 16_000
PIECE = 1280
AUDIO = {
    "response_modalities": [Modality.AUDIO],
    "input_audio_transcription": AudioTranscriptionConfig(),
    "output_audio_transcription": AudioTranscriptionConfig(),
}

pytestmark = pytest.mark.spec(190)


@pytest.fixture(params=list(BACKENDS))
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    async with BACKENDS[request.param](request) as made:
        yield made


def user(text: str) -> Content:
    return Content(role="user", parts=[Part(text=text)])


class Listener:
    """Reads a connection, and keeps what it read."""

    def __init__(self, connection: LiveConnection) -> None:
        self.seen: list[LiveServerMessage] = []
        self._messages = aiter(connection.receive())

    async def until(self, wanted: Callable[[LiveServerMessage], object]) -> list[LiveServerMessage]:
        """What comes up to the first message that is `wanted`; `TimeoutError` after ten seconds."""
        start = len(self.seen)
        async with asyncio.timeout(10):
            while True:
                message = await anext(self._messages)
                self.seen.append(message)
                if wanted(message):
                    return self.seen[start:]

    async def turn(self) -> list[LiveServerMessage]:
        """What comes up to the end of a turn."""
        return await self.until(turn_complete)

    async def call(self) -> FunctionCall:
        """The next tool call."""
        message = (await self.until(lambda m: m.tool_call is not None and m.tool_call.function_calls))[-1]
        assert message.tool_call is not None
        (call,) = message.tool_call.function_calls or []
        return call

    async def rest(self) -> list[LiveServerMessage]:
        """What comes until the connection ends."""
        async with asyncio.timeout(10):
            return [message async for message in self._messages]


def turn_complete(message: LiveServerMessage) -> bool:
    return bool(message.server_content is not None and message.server_content.turn_complete)


def interrupted(message: LiveServerMessage) -> bool:
    return bool(message.server_content is not None and message.server_content.interrupted)


def text_of(messages: list[LiveServerMessage]) -> str:
    turns = [m.server_content.model_turn for m in messages if m.server_content and m.server_content.model_turn]
    return "".join(turn.text for turn in turns)


def said_of(messages: list[LiveServerMessage]) -> str:
    transcripts = [m.server_content.output_transcription for m in messages if m.server_content]
    return "".join(transcript.text or "" for transcript in transcripts if transcript)


def audio_of(messages: list[LiveServerMessage]) -> tuple[bytes, set[str | None]]:
    turns = [m.server_content.model_turn for m in messages if m.server_content and m.server_content.model_turn]
    blobs = [part.inline_data for turn in turns for part in turn.parts or [] if part.inline_data is not None]
    return b"".join(blob.data or b"" for blob in blobs), {blob.mime_type for blob in blobs}


def answer(call: FunctionCall) -> list[FunctionResponse]:
    return [FunctionResponse(id=call.id, name=call.name, response={"time": "12:34"})]


# -- turns --------------------------------------------------------------------------------------------------------


async def test_the_acceptance_of_the_setup_comes_first(backend: Backend) -> None:
    async with backend.connect() as connection:
        first = (await Listener(connection).until(lambda m: True))[0]
        assert first.setup_complete is not None


async def test_a_typed_turn_is_answered_and_ends_once(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        for _ in range(2):  # the second directly behind the first: that is no interruption
            await connection.send_content(user(SMALL_TALK))
            messages = await listener.turn()
            assert "ello" in text_of(messages)
            assert sum(map(turn_complete, messages)) == 1
            assert not any(map(interrupted, messages))
            generated = [bool(m.server_content and m.server_content.generation_complete) for m in messages]
            assert sum(generated) == 1


async def test_context_alone_is_not_answered(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        await connection.send_content(user("please remember this"), turn_complete=False)
        await connection.send_content(user(SMALL_TALK))
        messages = await listener.turn()
        assert text_of(messages)
        await connection.close()
        assert await listener.rest() == []


async def test_a_tool_is_called_and_its_answer_taken_up(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        await connection.send_content(user(TOOL_QUESTION))
        call = await listener.call()
        assert call.name == "get_time"
        assert call.args == {"city": "Tokyo"}
        assert call.id
        await connection.send_tool_response(answer(call))
        said = await listener.until(lambda m: "12:34" in text_of(listener.seen))
        assert not any(map(interrupted, said))
        await listener.turn()


async def test_function_responses_as_content_are_tool_responses(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        await connection.send_content(user(TOOL_QUESTION))
        call = await listener.call()
        parts = [Part(function_response=response) for response in answer(call)]
        await connection.send_content(Content(role="user", parts=parts))
        await listener.until(lambda m: "12:34" in text_of(listener.seen))


async def test_an_answer_to_no_call_does_no_harm(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        await connection.send_tool_response([FunctionResponse(id="nobody", name="x", response={})])
        await connection.send_content(user(SMALL_TALK))
        assert text_of(await listener.turn())


async def test_the_user_interrupts_a_turn_that_waits_for_a_tool(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        await connection.send_content(user(TOOL_QUESTION))
        call = await listener.call()
        await connection.send_content(user(SMALL_TALK))
        messages = await listener.until(interrupted)
        cancelled = [m.tool_call_cancellation.ids for m in messages if m.tool_call_cancellation]
        assert cancelled == [[call.id]]
        await listener.turn()
        assert "ello" in text_of(await listener.turn())


@pytest.mark.parametrize("last", ["user", "model"])
async def test_history_is_answered_if_the_user_spoke_last(backend: Backend, last: str) -> None:
    history = [user("hello"), Content(role="model", parts=[Part(text="Hi.")])]
    if last == "user":
        history.append(user(SMALL_TALK))
    async with backend.connect(history=history) as connection:
        listener = Listener(connection)
        if last == "user":
            assert text_of(await listener.turn())
        else:
            await listener.until(lambda m: m.setup_complete is not None)
            await connection.send_content(user(TOOL_QUESTION))
            await listener.call()  # and nothing was said before it
            assert text_of(listener.seen) == ""


@pytest.mark.parametrize("answered", [True, False])
async def test_history_may_follow_the_setup_and_is_answered_only_when_asked(backend: Backend, answered: bool) -> None:
    history = [user("good morning"), Content(role="model", parts=[Part(text="Hi.")]), user(SMALL_TALK)]
    async with backend.connect(history_follows=True) as connection:
        listener = Listener(connection)
        await connection.send_history(history, turn_complete=answered)
        if answered:
            assert text_of(await listener.turn())
        await connection.send_content(user(TOOL_QUESTION))
        await listener.call()
        assert sum(map(turn_complete, listener.seen)) == answered  # nothing else was said
        assert not any(map(interrupted, listener.seen))


@pytest.mark.spec(188)
async def test_a_greeting_is_said_before_anything_is_asked(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        await connection.greet("Welcome to the observatory.")
        messages = await listener.turn()
        assert text_of(messages).strip() == "Welcome to the observatory."
        await connection.send_content(user(SMALL_TALK))
        assert "ello" in text_of(await listener.turn())


async def test_a_backend_that_can_says_what_it_is_told_to(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        if await connection.speak("I had rather not say."):
            assert text_of(await listener.turn()).strip() == "I had rather not say."
        await connection.send_content(user(SMALL_TALK))
        assert "ello" in text_of(await listener.turn())  # nothing else was said before


# -- voice --------------------------------------------------------------------------------------------------------


async def test_a_typed_turn_answered_by_voice(backend: Backend) -> None:
    async with backend.connect(config=AUDIO) as connection:
        await connection.send_content(user(SMALL_TALK))
        messages = await Listener(connection).turn()
        pcm, mime_types = audio_of(messages)
        assert mime_types == {"audio/pcm;rate=24000"}
        assert len(pcm) % 2 == 0
        assert len(pcm) > 0.2 * 24_000 * 2
        assert "ello" in said_of(messages)


@pytest.mark.parametrize("manual", [False, True], ids=["detected", "signalled"])
async def test_a_spoken_question(backend: Backend, say: Callable[..., bytes], manual: bool) -> None:
    detection = {"automatic_activity_detection": {"disabled": manual}}
    config = {**AUDIO, "realtime_input_config": RealtimeInputConfig.model_validate(detection)}
    speech = say(TOOL_QUESTION)
    quiet = bytes(RATE * 2)
    async with backend.connect(config=config) as connection:
        listener = Listener(connection)
        if manual:
            await connection.send_activity(ActivityStart())
        sound = speech if manual else quiet[: RATE // 5 * 2] + speech + quiet
        await speak(connection, sound)
        if manual:
            await connection.send_activity(ActivityEnd())
        call = await listener.call()
        assert (call.name, call.args) == ("get_time", {"city": "Tokyo"})
        heard = [m.server_content.input_transcription for m in listener.seen if m.server_content]
        assert "".join(t.text or "" for t in heard if t).strip().lower() == TOOL_QUESTION.lower()
        await connection.send_tool_response(answer(call))
        await listener.until(lambda m: audio_of([m])[0])


async def speak(connection: LiveConnection, sound: bytes) -> None:
    for start in range(0, len(sound), PIECE):
        await connection.send_realtime(Blob(data=sound[start : start + PIECE], mime_type=f"audio/pcm;rate={RATE}"))


@pytest.mark.spec(187)
async def test_an_answer_is_interrupted_without_a_word_and_the_next_is_given(backend: Backend) -> None:
    async with backend.connect(config=AUDIO) as connection:
        listener = Listener(connection)
        await connection.send_content(user(SMALL_TALK))
        await listener.until(lambda m: audio_of([m])[0])
        await connection.interrupt()
        rest = await listener.turn()
        assert any(map(interrupted, rest))
        assert not any(m.server_content and m.server_content.generation_complete for m in rest)
        assert len(audio_of(listener.seen)[0]) < 0.6 * 24_000 * 2  # of more than a second
        await connection.send_content(user(TOOL_QUESTION))
        assert (await listener.call()).name == "get_time"


async def test_an_interruption_of_nothing_says_nothing(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        await connection.interrupt()
        await connection.send_content(user(SMALL_TALK))
        messages = await listener.turn()
        assert "ello" in text_of(messages)
        await connection.interrupt()
        await connection.close()
        assert not any(map(interrupted, [*messages, *await listener.rest()]))


@pytest.mark.spec(185)
async def test_what_is_said_outside_of_push_to_talk_is_not_answered(
    backend: Backend, say: Callable[..., bytes]
) -> None:
    manual = RealtimeInputConfig.model_validate({"automatic_activity_detection": {"disabled": True}})
    speech, quiet = say(TOOL_QUESTION), bytes(RATE * 2)
    async with backend.connect(config={**AUDIO, "realtime_input_config": manual}) as connection:
        listener = Listener(connection)
        await speak(connection, speech + quiet)
        await connection.send_activity(ActivityStart())
        await speak(connection, speech)
        await connection.send_activity(ActivityEnd())
        await speak(connection, quiet + speech + quiet)
        call = await listener.call()
        await connection.send_tool_response(answer(call))
        await listener.until(lambda m: bool(m.server_content and m.server_content.generation_complete))
        await connection.send_content(user(SMALL_TALK))
        await listener.until(lambda m: "ello" in said_of([m]))
        assert sum(m.tool_call is not None for m in listener.seen) == 1
        heard = [m.server_content.input_transcription for m in listener.seen if m.server_content]
        assert "".join(t.text or "" for t in heard if t).strip().lower() == TOOL_QUESTION.lower()


@pytest.mark.spec(185)
async def test_without_interruption_the_answer_is_heard_to_its_end(backend: Backend, say: Callable[..., bytes]) -> None:
    config = {**AUDIO, "realtime_input_config": RealtimeInputConfig(activity_handling="NO_INTERRUPTION")}
    async with backend.connect(config=config) as connection:
        listener = Listener(connection)
        await connection.send_content(user(SMALL_TALK))
        await listener.until(lambda m: audio_of([m])[0])
        await speak(connection, bytes(RATE // 2) + say(TOOL_QUESTION) + bytes(RATE * 2))
        await listener.turn()
        call = await listener.call()
        assert (call.name, call.args) == ("get_time", {"city": "Tokyo"})
        assert not any(map(interrupted, listener.seen))
        assert sum(bool(m.server_content and m.server_content.generation_complete) for m in listener.seen) >= 1


async def test_the_end_of_the_audio_stream_and_images_are_taken(backend: Backend) -> None:
    async with backend.connect() as connection:
        await connection.send_realtime(Blob(data=b"\xff\xd8\xff\xd9", mime_type="image/jpeg"))
        await connection.send_activity(AudioStreamEnd())
        await connection.send_content(user(SMALL_TALK))
        assert text_of(await Listener(connection).turn())


# -- what is refused ----------------------------------------------------------------------------------------------


async def test_what_cannot_be_sent_leaves_the_connection_as_it_was(backend: Backend) -> None:
    async with backend.connect() as connection:
        with pytest.raises(InvalidInput) as caught:
            await connection.send_activity(ActivityStart())
        assert caught.value.code == "activity_not_allowed"
        with pytest.raises(InvalidInput):
            await connection.send_content(Content(role="user", parts=[]))
        await connection.send_content(user(SMALL_TALK))
        assert text_of(await Listener(connection).turn())


@pytest.mark.spec(83)
async def test_two_modalities_are_refused_before_anything_opens(backend: Backend) -> None:
    with pytest.raises(InvalidConfig, match="Only one response modality is supported per session"):
        async with backend.connect(config={"response_modalities": [Modality.TEXT, Modality.AUDIO]}):
            raise AssertionError("must not connect")


# -- the end ------------------------------------------------------------------------------------------------------


async def test_close_ends_receive_without_an_error(backend: Backend) -> None:
    async with backend.connect() as connection:
        listener = Listener(connection)
        await listener.until(lambda m: m.setup_complete is not None)
        waiting = asyncio.create_task(listener.rest())
        await asyncio.sleep(0)
        await connection.close()
        await connection.close()
        assert await waiting == []


async def test_a_closed_connection_takes_nothing_any_more(backend: Backend) -> None:
    manual = RealtimeInputConfig.model_validate({"automatic_activity_detection": {"disabled": True}})
    async with backend.connect(config={"realtime_input_config": manual}) as connection:
        await connection.close()
        with pytest.raises(ConnectionLost):
            await connection.send_content(user(SMALL_TALK))
        with pytest.raises(ConnectionLost):
            await connection.send_realtime(Blob(data=bytes(PIECE), mime_type="audio/pcm;rate=16000"))
        with pytest.raises(ConnectionLost):
            await connection.send_activity(ActivityStart())
        with pytest.raises(ConnectionLost):
            await connection.send_tool_response([FunctionResponse(id="x", name="x", response={})])


async def test_nothing_of_a_connection_is_left(backend: Backend) -> None:
    async def talk() -> None:
        async with backend.connect() as connection:
            await connection.send_content(user(TOOL_QUESTION))
            await Listener(connection).call()
            await asyncio.Event().wait()

    async with backend.connect():
        pass  # what the first connection of all sets up may stay
    before = asyncio.all_tasks()
    for ticks in range(0, 30, 3):
        task = asyncio.create_task(talk())
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    with pytest.raises(ZeroDivisionError):
        await _fail(backend)
    for _ in range(1000):
        if not asyncio.all_tasks() - before:
            return
        await asyncio.sleep(0.005)  # the mock's own handlers end a moment after their client
    raise AssertionError(f"left behind: {asyncio.all_tasks() - before}")


async def _fail(backend: Backend) -> None:
    async with backend.connect() as connection:
        await connection.send_content(user(TOOL_QUESTION))
        raise ZeroDivisionError


async def test_connections_at_the_same_time_do_not_mix(backend: Backend) -> None:
    async def talk(question: str) -> bool:
        async with backend.connect() as connection:
            listener = Listener(connection)
            await connection.send_content(user(question))
            async with asyncio.timeout(20):
                await listener.until(lambda m: m.tool_call is not None or turn_complete(m))
            return any(message.tool_call is not None for message in listener.seen)

    questions = [TOOL_QUESTION if number % 2 else SMALL_TALK for number in range(20)]
    called = await asyncio.gather(*map(talk, questions))
    assert called == [question == TOOL_QUESTION for question in questions]


# -- under the engine ---------------------------------------------------------------------------------------------


async def test_the_same_app_runs_on_it(backend: Backend) -> None:
    asked: list[str] = []

    def get_time(city: str) -> dict[str, str]:
        """Tells the time. Examples: "what time is it in {city}"."""
        asked.append(city)
        return {"time": "12:34"}

    agent = Agent(name="guide", model=backend.model, tools=[get_time])
    runner = InMemoryRunner(agent=agent, app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    queue = LiveRequestQueue()
    queue.send_content(user(TOOL_QUESTION))
    answers = []
    async with asyncio.timeout(20):
        async for event in runner.run_live(
            user_id="u",
            session_id=session.id,
            live_request_queue=queue,
            run_config=RunConfig(response_modalities=["TEXT"]),
        ):
            if event.content and event.content.text and not event.partial:
                answers.append(event.content.text)
            if event.turn_complete and answers:
                queue.close()
    assert asked == ["Tokyo"]
    assert "12:34" in answers[-1]
