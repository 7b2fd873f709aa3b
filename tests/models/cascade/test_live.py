"""The connection of the embedded agent, with fake speech engines in virtual time: order, interruption, settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fullduplex.errors import ConnectionLost, EngineUnavailable, InvalidConfig, InvalidInput, ModelError
from fullduplex.models.base import ConnectRequest
from fullduplex.models.cascade.live import Cascade, CascadeConnection
from fullduplex.testing.clock import run_virtual
from fullduplex.types import Blob, Content, FunctionDeclaration, FunctionResponse, LiveConnectConfig, Part, Tool
from fullduplex.types.live import ActivityEnd, ActivityStart, AudioStreamEnd
from tests.models.cascade.fakes import Client, FakeEngines, talk

SPEECH = b"\x10\x20" * 512
SILENCE = bytes(1024)
TOKYO = "what time is it in Tokyo"
MANUAL = {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}}


async def speak(client: Client, frames: int = 20, *, silence: int = 15) -> None:
    """Sends that many frames of sound and of silence."""
    for data in [SPEECH] * frames + [SILENCE] * silence:
        await client.connection.send_realtime(Blob(data=data, mime_type="audio/pcm;rate=16000"))


def test_typed_turn_in_text() -> None:
    async def main() -> None:
        async with talk(FakeEngines(), response_modalities=["TEXT"]) as client:
            await client.type(TOKYO)
            await client.until_turns(1)
            kinds = ["setup_complete", "tool_call", "text", "generation_complete", "turn_complete"]
            assert client.kinds() == kinds
            assert client.text().startswith("It is ")
            assert " in Tokyo, " in client.text()
            assert len([m for m in client.messages if m.server_content and m.server_content.model_turn]) > 4

    run_virtual(main())


def test_typed_turn_in_audio_is_paced() -> None:
    async def main() -> None:
        async with talk(FakeEngines()) as client:
            await client.type("roll two dice")
            await client.until_turns(1)
            kinds = ["setup_complete", "tool_call", "said", "audio", "generation_complete", "turn_complete"]
            assert client.kinds() == kinds
            assert client.text().startswith("You rolled ")
            pieces = client.audio()
            assert all(len(piece) <= 24_000 * 2 * 40 // 1000 for piece in pieces)
            seconds = sum(map(len, pieces)) / 48_000
            took = client.times[-1] - client.times[1]
            assert took == pytest.approx(seconds, abs=0.01), "the turn ends when what was said was heard"
            mark = next(m for m in client.messages if m.server_content and m.server_content.generation_complete)
            ahead = seconds - (client.times[client.messages.index(mark)] - client.times[1])
            assert ahead <= 0.2 + 1e-6

    run_virtual(main())


def test_spoken_turn() -> None:
    async def main() -> None:
        engines = FakeEngines()
        engines.ears.texts = [TOKYO]
        async with talk(engines, explicit_vad_signal=True) as client:
            await speak(client)
            await client.until_turns(1)
            assert client.kinds() == [
                "setup_complete", "voice_activity", "voice_activity", "heard", "tool_call", "said", "audio",
                "generation_complete", "turn_complete",
            ]  # fmt: skip
            heard = next(m.server_content.input_transcription for m in client.messages if _heard(m))
            assert (heard.text, heard.finished) == (TOKYO, True)
            assert engines.ears.audio[0].count(SPEECH) == 20

    run_virtual(main())


def _heard(message: Any) -> bool:
    return message.server_content is not None and message.server_content.input_transcription is not None


def test_speech_interrupts_at_once() -> None:
    async def main() -> None:
        engines = FakeEngines()
        engines.ears.texts = ["roll a die"]
        async with talk(engines) as client:
            await client.type("tell me about yourself")
            await client.until(lambda: len(client.audio()) > 10)
            sent = len(client.audio())
            await speak(client, 3, silence=0)
            await client.until(lambda: "interrupted" in client.kinds())
            assert len(client.audio()) <= sent + 1
            await speak(client, 10)
            await client.until_turns(2)
            assert client.kinds()[4:] == [
                "interrupted", "turn_complete", "heard", "tool_call", "said", "audio", "generation_complete",
                "turn_complete",
            ]  # fmt: skip

    run_virtual(main())


def test_typing_interrupts() -> None:
    async def main() -> None:
        async with talk(FakeEngines(), response_modalities=["TEXT"]) as client:
            await client.type("tell me about yourself")
            await client.until(lambda: "text" in client.kinds())
            await client.type("roll a die")
            await client.until_turns(2)
            assert client.kinds() == [
                "setup_complete", "tool_call", "text", "interrupted", "turn_complete", "tool_call", "text",
                "generation_complete", "turn_complete",
            ]  # fmt: skip

    run_virtual(main())


def test_interrupting_a_pending_call_cancels_it() -> None:
    async def main() -> None:
        async with talk(FakeEngines(), run_tools=False) as client:
            await client.type(TOKYO)
            await client.until(lambda: "tool_call" in client.kinds())
            call = client.messages[-1].tool_call.function_calls[0]  # type: ignore[union-attr, index]
            await client.type("hello")
            await client.until_turns(2)
            assert client.kinds()[1:5] == ["tool_call", "tool_call_cancellation", "interrupted", "turn_complete"]
            cancellation = client.messages[2].tool_call_cancellation
            assert cancellation is not None
            assert cancellation.ids == [call.id]
            count = len(client.messages)
            await client.connection.send_tool_response([FunctionResponse(id=call.id, response={"result": "late"})])
            await asyncio.sleep(10)
            assert len(client.messages) == count, "nobody wants the answer to a cancelled call"

    run_virtual(main())


def test_no_interruption_lets_it_finish_then_answers() -> None:
    async def main() -> None:
        engines = FakeEngines()
        engines.ears.texts = ["roll a die"]
        settings = {"realtime_input_config": {"activity_handling": "NO_INTERRUPTION"}}
        async with talk(engines, **settings) as client:
            await client.type("tell me about yourself")
            await client.until(lambda: len(client.audio()) > 10)
            await speak(client)
            await client.until_turns(2)
            kinds = client.kinds()
            assert "interrupted" not in kinds
            assert kinds.index("turn_complete") < len(kinds) - 1 - kinds[::-1].index("tool_call")

    run_virtual(main())


def test_manual_activity() -> None:
    async def main() -> None:
        engines = FakeEngines()
        engines.ears.texts = [TOKYO]
        async with talk(engines, **MANUAL) as client:
            await speak(client, 5)  # outside of an activity: not heard
            await client.connection.send_activity(ActivityStart())
            await speak(client, 4, silence=0)
            await client.connection.send_activity(ActivityEnd())
            await client.until_turns(1)
            assert engines.ears.audio == [SPEECH * 4]
            assert client.kinds()[1:3] == ["heard", "tool_call"]

    run_virtual(main())


def test_activity_signals_need_manual_detection() -> None:
    async def main() -> None:
        async with talk(FakeEngines()) as client:
            with pytest.raises(InvalidInput):
                await client.connection.send_activity(ActivityStart())
            await client.connection.send_activity(AudioStreamEnd())
            await client.type("hello")
            await client.until_turns(1)

    run_virtual(main())


@pytest.mark.parametrize("signal", [True, False])
def test_the_end_of_the_stream_ends_the_turn(signal: bool) -> None:
    """By its signal, or by no sound coming for a while."""

    async def main() -> None:
        engines = FakeEngines()
        engines.ears.texts = [TOKYO]
        async with talk(engines) as client:
            await speak(client, 10, silence=0)
            if signal:
                await client.connection.send_activity(AudioStreamEnd())
            await client.until(lambda: "heard" in client.kinds())
            assert asyncio.get_running_loop().time() == pytest.approx(0.0 if signal else 1.0, abs=0.05)

    run_virtual(main())


def test_a_sentence_with_a_long_pause_is_heard_as_one() -> None:
    async def main() -> None:
        engines = FakeEngines()
        engines.ears.texts = ["what time is it", "in Tokyo"]
        engines.ears.gate = asyncio.Event()
        async with talk(engines) as client:
            await speak(client, 10)
            await speak(client, 5, silence=0)
            await asyncio.sleep(0.01)
            engines.ears.gate.set()
            await client.until(lambda: "heard" in client.kinds())
            await speak(client, 5)
            await client.until(lambda: "tool_call" in client.kinds())
            call = next(m.tool_call.function_calls[0] for m in client.messages if m.tool_call)  # type: ignore[index]
            assert call.args == {"city": "Tokyo"}

    run_virtual(main())


def test_parallel_calls_are_answered_together() -> None:
    async def main() -> None:
        async with talk(FakeEngines(), response_modalities=["TEXT"]) as client:
            await client.type("the weather in Oslo and the time in Rome")
            await client.until_turns(1)
            calls = client.messages[1].tool_call.function_calls  # type: ignore[union-attr]
            assert [call.name for call in calls or []] == ["get_weather", "get_time"]
            assert len({call.id for call in calls or []}) == 2
            assert client.text().index("Oslo") < client.text().index("Rome")

    run_virtual(main())


def test_late_results_are_said_when_idle_unless_silent() -> None:
    async def main() -> None:
        async with talk(FakeEngines(), response_modalities=["TEXT"]) as client:
            await client.type("roll a die")
            await client.until_turns(1)
            call = client.messages[1].tool_call.function_calls[0]  # type: ignore[union-attr, index]
            quiet = FunctionResponse(id=call.id, response={"result": "hush"}, scheduling="SILENT")
            await client.connection.send_tool_response([quiet])
            await client.connection.send_tool_response([FunctionResponse(id=call.id, response={"result": "done"})])
            await client.until_turns(2)
            assert client.text().endswith("done")
            assert "hush" not in client.text()

    run_virtual(main())


def test_history_with_an_open_question_is_answered() -> None:
    async def main() -> None:
        history = [
            Content(role="user", parts=[Part(text="hello")]),
            Content(role="model", parts=[Part(text="Hello.")]),
            Content(role="user", parts=[Part(text="roll a die")]),
        ]
        async with talk(FakeEngines(), response_modalities=["TEXT"], history=history) as client:
            await client.until_turns(1)
            assert client.text().startswith("You rolled")
        async with talk(FakeEngines(), response_modalities=["TEXT"], history=history[:2]) as client:
            await asyncio.sleep(5)
            assert client.kinds() == ["setup_complete"]

    run_virtual(main())


def test_partial_content_is_context() -> None:
    async def main() -> None:
        async with talk(FakeEngines(), response_modalities=["TEXT"]) as client:
            await client.type("what time is it", turn_complete=False)
            await asyncio.sleep(5)
            assert client.kinds() == ["setup_complete"]
            await client.type("in Tokyo")
            await client.until_turns(1)
            assert "Tokyo" in client.text()

    run_virtual(main())


def test_search_is_refused_plainly() -> None:
    async def main() -> None:
        tools = [Tool(google_search={})]
        async with talk(FakeEngines(), tools=tools, response_modalities=["TEXT"]) as client:
            await client.type("search the web for the news")
            await client.until_turns(1)
            assert client.text() == "I cannot search the web offline."

    run_virtual(main())


def test_what_it_cannot_do() -> None:
    async def main() -> None:
        async with talk(FakeEngines(), response_modalities=["TEXT"]) as client:
            await client.type("tell me a joke")
            await client.until_turns(1)
            assert client.text().startswith("I can't help with that.")
            assert "tool_call" not in client.kinds()
            await client.connection.send_realtime(Blob(data=b"jpeg", mime_type="image/jpeg"))
            with pytest.raises(InvalidInput):
                await client.connection.send_realtime(Blob(data=b"x", mime_type="audio/mp3"))
            with pytest.raises(InvalidInput):
                await client.connection.send_content(Content(role="user", parts=[]))

    run_virtual(main())


def test_failed_recognition_is_said() -> None:
    async def main() -> None:
        engines = FakeEngines()
        engines.ears.texts = [EngineUnavailable("the worker ended"), "roll a die"]
        async with talk(engines) as client:
            await speak(client)
            await client.until_turns(1)
            assert "could not hear" in client.text()
            await speak(client)
            await client.until_turns(2)
            assert "tool_call" in client.kinds()

    run_virtual(main())


def voice(name: str) -> dict[str, Any]:
    return {"voice_config": {"prebuilt_voice_config": {"voice_name": name}}}


@pytest.mark.parametrize(
    ("of_model", "of_run", "speaks"),
    [(None, None, ""), (None, "rms", "rms"), ("slt", "rms", "slt"), ("rms", None, "rms")],
)
def test_the_voice_of_an_agent_stands_before_that_of_the_run(
    of_model: str | None, of_run: str | None, speaks: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        engines = FakeEngines()
        model = Cascade(speech_config=voice(of_model) if of_model else None, engines=engines)
        config = LiveConnectConfig(speech_config=voice(of_run) if of_run else None)
        async with model.connect(ConnectRequest(model="local", config=config)) as connection:
            await connection.send_content(Content(role="user", parts=[Part(text="hello")]))
            await asyncio.sleep(0.1)
            assert engines.voice.voices[0] == speaks

    run_virtual(main())
    assert caplog.text == ""


def test_a_voice_that_is_not_there_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with talk(FakeEngines(), speech_config=voice("Puck")):
            pass

    run_virtual(main())
    assert "has no voice 'Puck' and speaks with its default: it has slt, rms" in caplog.text


def test_failed_speech_still_gives_the_words() -> None:
    async def main() -> None:
        engines = FakeEngines()
        engines.voice.failure = EngineUnavailable("gone")
        async with talk(engines) as client:
            await client.type("roll a die")
            await client.until_turns(1)
            assert client.text().startswith("You rolled a ")
            assert client.audio() == []

    run_virtual(main())


def test_a_defect_ends_the_connection_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with talk(FakeEngines()) as client:
            connection = client.connection
            assert isinstance(connection, CascadeConnection)
            monkeypatch.setattr(connection, "_say", _broken)
            await client.type("hello")
            with pytest.raises(ModelError, match="broken") as caught:
                await client.until_turns(1)
            assert caught.value.code == "local_failed"

    run_virtual(main())


async def _broken(_: str) -> None:
    raise RuntimeError("broken")


@pytest.mark.parametrize("modalities", [["TEXT", "AUDIO"], ["IMAGE"]])
def test_modalities_that_it_cannot_honour(modalities: list[str]) -> None:
    async def main() -> None:
        with pytest.raises(InvalidConfig):
            async with talk(FakeEngines(), response_modalities=modalities):
                pass

    run_virtual(main())


def test_transcripts_only_where_asked_for() -> None:
    async def main() -> None:
        engines = FakeEngines()
        engines.ears.texts = ["roll a die"]
        async with talk(engines, input_audio_transcription=None, output_audio_transcription=None) as client:
            await speak(client)
            await client.until_turns(1)
            assert client.kinds()[1:] == ["tool_call", "audio", "generation_complete", "turn_complete"]

    run_virtual(main())


def test_closing_in_the_middle_of_everything() -> None:
    async def main() -> None:
        engines = FakeEngines()
        engines.ears.texts = ["roll a die"]
        async with talk(engines) as client:
            await client.type("tell me about yourself")
            await client.until(lambda: len(client.audio()) > 5)
            await speak(client, 5, silence=0)
            connection = client.connection
        await connection.close()
        with pytest.raises(ConnectionLost):
            await client.type("hello")

    run_virtual(main())


def test_a_reader_that_stops_stops_the_speaker() -> None:
    async def main() -> None:
        from fullduplex.models.base import ConnectRequest
        from fullduplex.models.cascade.live import Cascade

        words = " ".join(["word"] * 4000)
        tool = FunctionDeclaration(name="read", description='"read it"')
        request = ConnectRequest("local", tools=[Tool(function_declarations=[tool])])
        async with Cascade(engines=FakeEngines()).connect(request) as connection:
            await connection.send_content(Content(role="user", parts=[Part(text="read it")]))
            messages = connection.receive()
            await anext(messages)
            call = (await anext(messages)).tool_call
            assert call is not None
            assert call.function_calls is not None
            answer = FunctionResponse(id=call.function_calls[0].id, response={"text": words})
            await connection.send_tool_response([answer])
            await asyncio.sleep(600)
            assert isinstance(connection, CascadeConnection)
            assert connection._outbox.qsize() <= 300

    run_virtual(main())


# -- agents that follow one another ---------------------------------------------------------------------------------


LOBBY_TOOL = FunctionDeclaration(
    name="transfer_to_agent",
    parameters={
        "type": "OBJECT",
        "properties": {"agent_name": {"type": "STRING", "enum": ["billing", "rooms"]}},
        "required": ["agent_name"],
    },
)
INSTRUCTION = (
    'You are an agent. Your internal name is "lobby".\n\n'
    "Agent name: billing\nAgent description: Knows bills.\n\nAgent name: rooms\nAgent description: Books rooms."
)
QUOTED = "<<<BEGIN_QUOTED_AGENT_CONTENT>>>\n[lobby] called tool `{}` with parameters: {{}}\n<<<END"


def said_by(role: str, text: str) -> Content:
    return Content(role=role, parts=[Part(text=text)])


@asynccontextmanager
async def part_of(*tools: FunctionDeclaration, history: list[Content] | None = None) -> AsyncIterator[Client]:
    """A client of an agent with these tools, in writing, that answers no calls by itself."""
    request = ConnectRequest(
        model="local",
        system_instruction=INSTRUCTION,
        tools=[Tool(function_declarations=list(tools))],
        history=history or [],
        config=LiveConnectConfig(response_modalities=["TEXT"]),
    )
    async with Cascade(engines=FakeEngines()).connect(request) as connection:
        client = Client(connection, run_tools=False)
        reading = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            reading.cancel()
            await asyncio.wait([reading])


def calls_of(client: Client) -> list[Any]:
    return [call for message in client.messages if message.tool_call for call in message.tool_call.function_calls or []]


async def answered(client: Client, number: int, **response: Any) -> None:
    """Answers the call with this number (1 for the first)."""
    await client.until(lambda: len(calls_of(client)) >= number)
    call = calls_of(client)[number - 1]
    await client.connection.send_tool_response([FunctionResponse(id=call.id, name=call.name, response=response)])


def test_a_handover_is_called_and_nothing_is_said() -> None:
    async def main() -> None:
        async with part_of(LOBBY_TOOL) as client:
            await client.type("I have a question about my bills")
            await answered(client, 1, result=None)
            await client.until_turns(1)
            assert [(call.name, call.args) for call in calls_of(client)] == [
                ("transfer_to_agent", {"agent_name": "billing"})
            ]
            assert client.kinds() == ["setup_complete", "tool_call", "turn_complete"]

    run_virtual(main())


@pytest.mark.parametrize("at_once", [True, False])
def test_a_question_that_comes_with_the_conversation_is_answered(at_once: bool) -> None:
    look = FunctionDeclaration(name="look", description='"how much do I owe"')
    history = [said_by("user", "How much do I owe?"), said_by("user", QUOTED.format("transfer_to_agent"))]

    async def main() -> None:
        async with part_of(look, LOBBY_TOOL, history=history if at_once else []) as client:
            if not at_once:
                await client.connection.send_history(history, turn_complete=True)
            await answered(client, 1, result="Nothing.")
            await client.until_turns(1)
            assert [call.name for call in calls_of(client)] == ["look"]
            assert client.text() == "Nothing."

    run_virtual(main())


@pytest.mark.parametrize(
    "history",
    [
        [said_by("user", "I want a room"), said_by("user", QUOTED.format("transfer_to_agent"))],
        [said_by("user", "how much do I owe"), said_by("user", QUOTED.format("task_completed"))],
    ],
    ids=["a question that it cannot answer", "a task that is done"],
)
def test_an_agent_with_nothing_to_answer_says_who_it_is(history: list[Content]) -> None:
    look = FunctionDeclaration(name="look", description='"how much do I owe"')

    async def main() -> None:
        async with part_of(look, LOBBY_TOOL, history=history) as client:
            await client.until_turns(1)
            assert client.text() == "This is lobby. You can say, for example: how much do I owe."
            assert calls_of(client) == []

    run_virtual(main())


def test_a_step_says_that_it_is_done_after_its_last_words() -> None:
    note = FunctionDeclaration(name="note", description='"note it"')

    async def main() -> None:
        async with part_of(note, FunctionDeclaration(name="task_completed")) as client:
            await client.type("note it")
            await answered(client, 1, error="no pen")
            await client.until_turns(1)
            await client.type("note it")
            await answered(client, 2, result="Noted.")
            await answered(client, 3, result="Task completion signaled.")
            await client.until_turns(3)
            assert [call.name for call in calls_of(client)] == ["note", "note", "task_completed"]
            assert client.kinds()[-6:] == [
                "tool_call", "text", "generation_complete", "turn_complete", "tool_call", "turn_complete",
            ]  # fmt: skip
            assert client.text() == "That did not work: no penNoted."

    run_virtual(main())


def test_a_stream_is_announced_and_then_told_of_piece_by_piece() -> None:
    watch = FunctionDeclaration(name="watch_price", description='"watch the price"', behavior="NON_BLOCKING")

    async def main() -> None:
        async with part_of(watch) as client:
            await client.type("watch the price")
            await answered(client, 1, status="The function is running asynchronously and the results are pending.")
            await client.until_turns(1)
            for price in ("300 dollars.", "400 dollars."):
                await answered(client, 1, result=price)
            await client.until_turns(3)
            expected = "Watch price has begun. I will tell you what comes.300 dollars.400 dollars."
            assert client.text() == expected

    run_virtual(main())


def test_a_tool_that_takes_long_is_told_of_and_outlives_what_is_said_meanwhile() -> None:
    send = FunctionDeclaration(name="send_money", description='"send five dollars"')
    clock = FunctionDeclaration(name="look", description='"look at the clock"')

    async def main() -> None:
        async with part_of(send, clock) as client:
            await client.type("send five dollars")
            await client.until_turns(1)
            assert client.text() == "Send money takes a moment. I will tell you when it is done."
            await client.type("look at the clock")
            await answered(client, 2, result="Noon.")
            await client.until_turns(2)
            await answered(client, 1, result="Sent.")
            await client.until_turns(3)
            assert client.text().endswith("done.Noon.Sent.")
            assert all(message.tool_call_cancellation is None for message in client.messages)

    run_virtual(main())
