"""`Gemini` and its connection against Mock Live: what goes over the wire, and what every kind of end means."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pytest

from fullduplex.errors import ConnectionLost, InvalidConfig, InvalidInput, ModelError
from fullduplex.mock_live import (
    MockLive,
    Script,
    Step,
    close,
    drop,
    go_away,
    malformed,
    quota,
    raw,
    refuse,
    resumption_update,
    say,
    tool_call,
    transcript,
    unknown_message,
    wait_for,
)
from fullduplex.mock_live.records import ClientMessage, Connection
from fullduplex.models.base import ConnectRequest, LiveConnection
from fullduplex.models.gemini import Gemini
from fullduplex.models.gemini.live import GeminiConnection
from fullduplex.types.config import (
    AudioTranscriptionConfig,
    LiveConnectConfig,
    Modality,
    ProactivityConfig,
    RealtimeInputConfig,
    SessionResumptionConfig,
    SpeechConfig,
)
from fullduplex.types.content import Blob, Content, FunctionDeclaration, FunctionResponse, Part, Tool
from fullduplex.types.live import ActivityEnd, ActivityStart, AudioStreamEnd, LiveServerMessage
from tests.models.gemini.raw_server import raw_server

SECOND = "gemini-live-2.5-flash"
THIRD = "gemini-3.1-flash-live-preview"
PCM = "audio/pcm;rate=16000"
MANUAL = RealtimeInputConfig.model_validate({"automatic_activity_detection": {"disabled": True}})
JPEG = Blob(data=b"\xff\xd8\xff\xd9", mime_type="image/jpeg")


class FakeLogin:
    """google-auth's credentials as far as they are used."""

    token = "t-1"
    valid = True

    def refresh(self, request: Any) -> None:
        raise AssertionError("a valid token is not refreshed")


def after_setup(connection: Connection) -> list[ClientMessage]:
    """What came over a connection behind the setup."""
    assert connection.messages[0].kind == "setup"
    return connection.messages[1:]


def user(text: str) -> Content:
    return Content(role="user", parts=[Part(text=text)])


def ask(model: str = SECOND, **fields: Any) -> ConnectRequest:
    config = fields.pop("config", {})
    return ConnectRequest(model=model, config=LiveConnectConfig(**config), **fields)


def at(mock: MockLive, model: str = SECOND, **options: Any) -> Gemini:
    return Gemini(model, **{"api_key": "k", "base_url": mock.url, **options})


async def until_turn_complete(connection: LiveConnection) -> list[LiveServerMessage]:
    seen = []
    async for message in connection.receive():
        seen.append(message)
        if message.server_content is not None and message.server_content.turn_complete:
            break
    return seen


def words(messages: list[LiveServerMessage]) -> str:
    """The text of the model's turn."""
    contents = [m.server_content.model_turn for m in messages if m.server_content and m.server_content.model_turn]
    return "".join(content.text for content in contents)


TEXT = {"response_modalities": [Modality.TEXT]}


# -- a conversation -----------------------------------------------------------------------------------------------


async def test_the_first_message_is_the_acceptance_and_then_the_answer() -> None:
    async with MockLive(Script([[say("Hello there.")]])) as mock:
        async with at(mock).connect(ask(config=TEXT)) as connection:
            await connection.send_content(user("hi"))
            messages = await until_turn_complete(connection)
        assert messages[0].setup_complete is not None
        assert words(messages) == "Hello there."
        await mock.wait_for(lambda m: not m.open_connections)
        assert mock.connections[0].close_code == 1000


@pytest.mark.parametrize("frames", ["text", "binary"])
async def test_both_kinds_of_frames(frames: Any) -> None:
    async with MockLive(Script([[say("Hello there.")]]), frames=frames) as mock:
        async with at(mock).connect(ask(config=TEXT)) as connection:
            await connection.send_content(user("hi"))
            assert words(await until_turn_complete(connection)) == "Hello there."


async def test_a_tool_call_and_its_answer() -> None:
    tools = [Tool(function_declarations=[FunctionDeclaration(name="f", description="d")])]
    async with MockLive(Script([[tool_call("f", {"a": 1}, id="fc-9"), say("Done.")]])) as mock:
        async with at(mock, THIRD).connect(ask(THIRD, tools=tools)) as connection:
            await connection.send_content(user("hi"))
            messages = connection.receive()
            call = next(iter([m async for m in _first(messages, lambda m: m.tool_call is not None)]))
            assert call.tool_call is not None
            (wanted,) = call.tool_call.function_calls or []
            assert (wanted.id, wanted.name, wanted.args) == ("fc-9", "f", {"a": 1})
            await connection.send_tool_response([FunctionResponse(id="fc-9", name="f", response={"result": 2})])
            await until_turn_complete(connection)
        assert mock.connections[0].count("toolResponse") == 1


async def _first(messages: Any, wanted: Callable[[LiveServerMessage], bool]) -> Any:
    async for message in messages:
        if wanted(message):
            yield message
            return


async def test_what_is_not_content_comes_through_too() -> None:
    steps: list[Step] = [resumption_update(handle="h-1"), transcript("in", "hello"), go_away(10.0), say("x")]
    async with MockLive(Script([steps])) as mock:
        config = {**TEXT, "session_resumption": SessionResumptionConfig()}
        async with at(mock).connect(ask(config=config)) as connection:
            await connection.send_content(user("hi"))
            messages = await until_turn_complete(connection)
        updates = [m.session_resumption_update for m in messages if m.session_resumption_update]
        assert (updates[0].new_handle, updates[0].resumable) == ("h-1", True)
        (away,) = [m.go_away for m in messages if m.go_away]
        assert away.time_left == "10s"
        assert any(m.server_content and m.server_content.generation_complete for m in messages)

        config = {**TEXT, "session_resumption": SessionResumptionConfig(handle="h-1")}
        async with at(mock).connect(ask(config=config)):
            pass
        assert mock.connections[1].resumed_from == "h-1"


@pytest.mark.spec(69)
async def test_unknown_and_unreadable_messages_do_not_end_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    steps: list[Step] = [unknown_message(), malformed(), unknown_message(), malformed("[]"), say("Still here.")]
    async with MockLive(Script([steps])) as mock:
        async with at(mock).connect(ask(config=TEXT)) as connection:
            await connection.send_content(user("hi"))
            with caplog.at_level(logging.WARNING, "fullduplex"):
                assert words(await until_turn_complete(connection)) == "Still here."
    ours = [record for record in caplog.records if record.name.startswith("fullduplex.models")]
    assert len(ours) == 3  # the unknown kind once, and each of the unreadable


# -- what the server sees -----------------------------------------------------------------------------------------


@pytest.mark.spec(72)
async def test_model_and_voice_of_the_object_reach_the_server() -> None:
    puck = SpeechConfig.model_validate({"voice_config": {"prebuilt_voice_config": {"voice_name": "Puck"}}})
    kore = SpeechConfig.model_validate({"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}})
    async with MockLive() as mock:
        async with at(mock, SECOND, speech_config=puck).connect(ask("", config={"speech_config": kore})):
            pass
        async with at(mock, SECOND).connect(ask("", config={"speech_config": kore})):
            pass
        first, second = mock.connections
        assert first.setup["model"] == f"models/{SECOND}"
        assert first.setup["generationConfig"]["speechConfig"]["voiceConfig"] == {
            "prebuiltVoiceConfig": {"voiceName": "Puck"}
        }
        assert second.setup["generationConfig"]["speechConfig"]["voiceConfig"] == {
            "prebuiltVoiceConfig": {"voiceName": "Kore"}
        }


@pytest.mark.spec(76, 80)
@pytest.mark.parametrize(
    ("model", "kinds"), [(SECOND, ["mediaChunks", "mediaChunks"]), (THIRD, ["audio", "video"])], ids=["2.x", "3.x"]
)
async def test_audio_and_images_on_the_wire(model: str, kinds: list[str]) -> None:
    pcm = bytes(range(256)) * 5
    async with MockLive() as mock:
        async with at(mock, model).connect(ask(model)) as connection:
            await connection.send_realtime(Blob(data=pcm, mime_type=PCM))
            await connection.send_realtime(JPEG)
            await mock.wait_for(lambda m: m.connections[0].images)
        (seen,) = mock.connections
        assert [message.kind for message in after_setup(seen)] == kinds
        assert bytes(seen.audio) == pcm
        assert seen.audio_mimes == [PCM]
        assert seen.images == [("image/jpeg", JPEG.data)]


@pytest.mark.spec(79)
async def test_the_order_of_signals_and_audio() -> None:
    chunk = Blob(data=b"\0\0" * 160, mime_type=PCM)
    async with MockLive() as mock:
        async with at(mock).connect(ask(config={"realtime_input_config": MANUAL})) as connection:
            await connection.send_activity(ActivityStart())
            await connection.send_realtime(chunk)
            await connection.send_realtime(chunk)
            await connection.send_activity(ActivityEnd())
            await connection.send_activity(AudioStreamEnd())
            await mock.wait_for(lambda m: m.connections[0].count("audioStreamEnd"))
        kinds = [message.kind for message in after_setup(mock.connections[0])]
        assert kinds == ["activityStart", "mediaChunks", "mediaChunks", "activityEnd", "audioStreamEnd"]


@pytest.mark.spec(77)
async def test_function_responses_as_content_are_a_tool_response() -> None:
    async with MockLive() as mock:
        async with at(mock).connect(ask()) as connection:
            part = Part(function_response=FunctionResponse(id="fc", name="f", response={"result": 1}))
            await connection.send_content(Content(role="user", parts=[part]))
            await mock.wait_for(lambda m: after_setup(m.connections[0]))
        (message,) = after_setup(mock.connections[0])
        assert message.kind == "toolResponse"


@pytest.mark.spec(122)
@pytest.mark.parametrize("model", [SECOND, THIRD])
@pytest.mark.parametrize("answered", [True, False])
async def test_history_and_whether_it_is_answered(model: str, answered: bool) -> None:
    history = [user("My name is Ada."), Content(role="model", parts=[Part(text="Hi.")])]
    if answered:
        history.append(user("What is my name?"))
    async with MockLive(Script([[say("Ada.")]])) as mock:
        async with at(mock, model).connect(ask(model, history=history)) as connection:
            if answered:
                await until_turn_complete(connection)
            await mock.wait_for(lambda m: after_setup(m.connections[0]))
        (seen,) = mock.connections
        assert seen.setup["historyConfig"] == {"initialHistoryInClientContent": True}
        first, *more = after_setup(seen)
        assert first.body["turnComplete"] is answered
        assert len(first.body["turns"]) == len(history)
        assert [message.kind for message in more] == (["text"] if answered and model == THIRD else [])


async def test_settings_on_trial_choose_the_version() -> None:
    async with MockLive() as mock:
        async with at(mock).connect(ask()):
            pass
        config = {"proactivity": ProactivityConfig(proactive_audio=True)}
        async with at(mock).connect(ask(config=config)):
            pass
        async with at(mock, api_version="v1alpha").connect(ask()):
            pass
        async with at(mock, api_key="auth_tokens/x").connect(ask()):
            pass
        assert [connection.version for connection in mock.connections] == ["v1beta", "v1alpha", "v1alpha", "v1alpha"]
        assert mock.connections[3].path.endswith("BidiGenerateContentConstrained")


@pytest.mark.spec(82)
async def test_the_backend_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Gemini(SECOND, credentials=FakeLogin())
    async with MockLive() as gemini, MockLive() as vertex:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini.url)
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", vertex.url)
        monkeypatch.setenv("GOOGLE_API_KEY", "k")
        async with model.connect(ask()):
            pass
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "TRUE")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-central1")
        async with model.connect(ask()) as connection:
            first = await anext(aiter(connection.receive()))
            assert first.setup_complete is not None
            assert first.setup_complete.session_id
        (one,), (two,) = gemini.connections, vertex.connections
        assert (one.backend, one.headers["x-goog-api-key"]) == ("gemini", "k")
        assert one.setup["model"] == f"models/{SECOND}"
        assert (two.backend, two.headers["authorization"]) == ("vertex", "Bearer t-1")
        assert two.setup["model"] == f"projects/p/locations/us-central1/publishers/google/models/{SECOND}"
        assert "x-goog-api-key" not in two.headers


async def test_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography")
    async with MockLive(Script([[say("Safe.")]]), tls=True) as mock:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with pytest.raises(ConnectionLost, match="SSL_CERT_FILE") as caught:
            async with at(mock).connect(ask()):
                pass
        assert (caught.value.code, caught.value.recoverable) == ("unreachable", False)
        monkeypatch.setenv("SSL_CERT_FILE", mock.ca_file)
        async with at(mock).connect(ask(config=TEXT)) as connection:
            await connection.send_content(user("hi"))
            assert words(await until_turn_complete(connection)) == "Safe."


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.spec(81)
async def test_transparent_resumption_with_a_key() -> None:
    async with MockLive() as mock:
        config = {"session_resumption": SessionResumptionConfig(transparent=True)}
        with pytest.raises(
            ValueError, match=r"^Transparent session resumption is only supported for Vertex AI backend\."
        ):
            async with at(mock).connect(ask(config=config)):
                pass
        assert mock.stats.connects == 0


@pytest.mark.spec(83)
async def test_two_modalities() -> None:
    async with MockLive() as mock:
        with pytest.raises(InvalidConfig, match="Only one response modality"):
            async with at(mock).connect(ask(config={"response_modalities": [Modality.TEXT, Modality.AUDIO]})):
                pass
        assert mock.stats.connects == 0


async def test_input_that_cannot_be_sent_leaves_the_connection_as_it_was() -> None:
    async with MockLive(Script([[say("Still here.")]])) as mock:
        async with at(mock).connect(ask(config=TEXT)) as connection:
            with pytest.raises(InvalidInput):
                await connection.send_activity(ActivityStart())
            with pytest.raises(InvalidInput):
                await connection.send_realtime(Blob(data=b"x"))
            with pytest.raises(InvalidInput):
                await connection.send_tool_response([FunctionResponse(name="f", response={})])
            await connection.send_realtime(Blob(data=b"", mime_type=PCM))
            await connection.send_content(user("hi"))
            assert words(await until_turn_complete(connection)) == "Still here."
        assert [message.kind for message in after_setup(mock.connections[0])] == ["clientContent"]


# -- how it ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "request_fields", "kind", "code", "recoverable", "says"),
    [
        ({}, {"model": "gemini-flash-latest"}, ConnectionLost, "model_unavailable", False, "gemini-flash-latest"),
        ({"api_key": "wrong"}, {}, ConnectionLost, "unauthorized", False, "API key"),
        (
            {},
            {"config": {"session_resumption": SessionResumptionConfig(handle="unknown")}},
            ConnectionLost,
            "resumption_failed",
            False,
            "session not found",
        ),
        (
            {
                "speech_config": SpeechConfig.model_validate(
                    {"voice_config": {"prebuilt_voice_config": {"voice_name": "?"}}}
                )
            },
            {},
            ConnectionLost,
            "invalid_setup",
            False,
            "voice",
        ),
        ({"api_version": "v0"}, {}, ModelError, "model_unavailable", False, "HTTP 404"),
    ],
    ids=["model", "key", "handle", "voice", "version"],
)
async def test_what_the_backend_refuses_is_told_in_words(
    options: dict[str, Any],
    request_fields: dict[str, Any],
    kind: type[ModelError],
    code: str,
    recoverable: bool,
    says: str,
) -> None:
    async with MockLive(valid_credentials=["k"]) as mock:
        request = ask(**{"model": SECOND, **request_fields})
        with pytest.raises(kind, match=says) as caught:
            async with at(mock, **options).connect(request):
                raise AssertionError("must not connect")
        assert (caught.value.code, caught.value.recoverable) == (code, recoverable)
        await mock.wait_for(lambda m: not m.open_connections)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (refuse(503), "unavailable"),
        (refuse(429, "slow down"), "quota_exceeded"),
        (quota(), "quota_exceeded"),
    ],
)
async def test_refusals_that_may_be_tried_again(fault: Any, code: str) -> None:
    async with MockLive() as mock:
        mock.fail_next(fault)
        with pytest.raises(ModelError) as caught:
            async with at(mock).connect(ask()):
                raise AssertionError("must not connect")
        assert (caught.value.code, caught.value.recoverable) == (code, True)
        async with at(mock).connect(ask()):
            pass


async def test_the_key_is_in_no_error_even_if_the_server_repeats_it() -> None:
    async with MockLive() as mock:
        mock.fail_next(refuse(403, "The key s3cret is not known"))
        with pytest.raises(ModelError) as caught:
            async with at(mock, api_key="s3cret").connect(ask()):
                pass
        assert "s3cret" not in str(caught.value)
        assert "is not known" in str(caught.value)
        assert "s3cret" not in repr(at(mock, api_key="s3cret"))


async def read_all(connection: LiveConnection, seen: list[LiveServerMessage]) -> None:
    async for message in connection.receive():
        seen.append(message)


@pytest.mark.parametrize(
    ("step", "close_code", "code", "recoverable"),
    [
        (close(1000), 1000, "connection_lost", True),
        (close(1001), 1001, "connection_lost", True),
        (drop(), 1006, "connection_lost", True),
        (close(1011, "internal error"), 1011, "connection_lost", True),
        (close(1012), 1012, "connection_lost", True),
        (close(1013), 1013, "connection_lost", True),
        (close(1014), 1014, "connection_lost", True),
        (quota(), 1011, "quota_exceeded", True),
        (close(1007, "bad"), 1007, "protocol_error", False),
        (close(1008, "policy"), 1008, "connection_lost", False),
        (close(4000, "own"), 4000, "connection_lost", False),
    ],
)
async def test_every_close_in_a_conversation(step: Any, close_code: int, code: str, recoverable: bool) -> None:
    async with MockLive(Script([[say("Half a"), wait_for("audioStreamEnd"), step]])) as mock:
        async with at(mock).connect(ask(config=TEXT)) as connection:
            await connection.send_content(user("hi"))
            await connection.send_activity(AudioStreamEnd())
            seen: list[LiveServerMessage] = []
            with pytest.raises(ConnectionLost) as caught:
                await read_all(connection, seen)
            assert words(seen) == "Half a"
            error = caught.value
            assert (error.close_code, error.code, error.recoverable) == (close_code, code, recoverable)
            with pytest.raises(ConnectionLost):
                await connection.send_content(user("anybody there?"))
            with pytest.raises(ConnectionLost):
                await anext(aiter(connection.receive()))


async def test_an_error_message() -> None:
    error = {"error": {"code": 8, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}
    async with MockLive(Script([[raw(error)]])) as mock:
        async with at(mock).connect(ask()) as connection:
            await connection.send_content(user("hi"))
            with pytest.raises(ModelError, match="Quota exceeded") as caught:
                await until_turn_complete(connection)
        assert caught.value.code == "quota_exceeded"


async def test_nobody_there_and_nobody_answers() -> None:
    async with MockLive() as mock:
        gone = at(mock)
    with pytest.raises(ConnectionLost, match="cannot be reached") as caught:
        async with gone.connect(ask()):
            pass
    assert (caught.value.code, caught.value.recoverable) == ("unreachable", True)

    async with raw_server(_silent) as server:
        model = Gemini(SECOND, api_key="k", base_url=f"http://127.0.0.1:{server.port}", connect_timeout=0.05)
        with pytest.raises(ConnectionLost, match=r"within 0\.05 s") as late:
            async with model.connect(ask()):
                pass
        assert (late.value.code, late.value.recoverable) == ("timeout", True)
        await server.wait_for(lambda s: s.open == 0)

    async with MockLive(setup_delay_s=60) as mock:
        with pytest.raises(ConnectionLost) as late:
            async with at(mock, connect_timeout=0.05).connect(ask()):
                pass
        assert (late.value.code, late.value.recoverable) == ("timeout", True)
        await mock.wait_for(lambda m: not m.open_connections)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pass


# -- our own end --------------------------------------------------------------------------------------------------


async def test_close_ends_receive_without_an_error() -> None:
    async with MockLive() as mock:
        async with at(mock).connect(ask()) as connection:
            messages = connection.receive()
            assert (await anext(aiter(messages))).setup_complete is not None

            async def rest() -> list[LiveServerMessage]:
                return [message async for message in messages]

            reading = asyncio.create_task(rest())
            await asyncio.sleep(0)
            await connection.close()
            await connection.close()
            assert await reading == []
            with pytest.raises(ConnectionLost):
                await connection.send_content(user("hi"))
        await mock.wait_for(lambda m: not m.open_connections)
        assert mock.connections[0].close_code == 1000


async def test_an_exception_in_the_body_closes() -> None:
    async with MockLive() as mock:
        with pytest.raises(ZeroDivisionError):
            async with at(mock).connect(ask()):
                raise ZeroDivisionError
        await mock.wait_for(lambda m: m.stats.connects == 1 and not m.open_connections)


async def test_cancelled_at_any_moment_leaves_nothing() -> None:
    async with MockLive(Script([[say("Hello there.")]], scope="session")) as mock:
        history = [user("hi")]

        async def talk() -> None:
            async with at(mock).connect(ask(history=history, config=TEXT)) as connection:
                await until_turn_complete(connection)
                await asyncio.Event().wait()

        for ticks in range(40):
            task = asyncio.create_task(talk(), name="talk")
            for _ in range(ticks):
                await asyncio.sleep(0.0005)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await mock.wait_for(lambda m: not m.open_connections)
        assert mock.stats.connects > 5
        assert not [one for one in asyncio.all_tasks() if "fullduplex.models" in str(one.get_coro())]


async def test_many_connections_of_one_object_do_not_mix() -> None:
    async with MockLive(reactor=_repeat) as mock:
        model = at(mock)

        async def talk(number: int) -> str:
            async with model.connect(ask(config=TEXT)) as connection:
                await connection.send_content(user(f"number {number}"))
                return words(await until_turn_complete(connection))

        answers = await asyncio.gather(*(talk(number) for number in range(50)))
        assert answers == [f"number {number}" for number in range(50)]


def _repeat(turn: Any, talk: Any) -> list[Step]:
    return [say(turn.text)]


async def test_transcription_of_both_sides() -> None:
    config = {
        "input_audio_transcription": AudioTranscriptionConfig(),
        "output_audio_transcription": AudioTranscriptionConfig(),
    }
    async with MockLive(Script([[transcript("in", "hello you"), say("Good day.")]])) as mock:
        async with at(mock).connect(ask(config=config)) as connection:
            await connection.send_content(user("hi"))
            messages = await until_turn_complete(connection)
        contents = [m.server_content for m in messages if m.server_content]
        heard = [c.input_transcription.text or "" for c in contents if c.input_transcription]
        said = [c.output_transcription.text or "" for c in contents if c.output_transcription]
        assert "".join(heard) == "hello you"
        assert "Good day." in "".join(said)
        (usage,) = [m.usage_metadata for m in messages if m.usage_metadata]
        assert usage.candidates_token_count == usage.response_token_count is not None


async def test_it_is_the_promised_class() -> None:
    async with MockLive() as mock:
        async with at(mock).connect(ask()) as connection:
            assert isinstance(connection, GeminiConnection)
            assert isinstance(connection, LiveConnection)
