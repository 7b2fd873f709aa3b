"""Is Mock Live faithful? The official google-genai SDK, unpatched and over TLS, runs whole sessions against it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fullduplex.mock_live import (
    Certificate,
    MockLive,
    Script,
    Step,
    close,
    drop,
    go_away,
    grounding,
    make_certificate,
    memory_reactor,
    quota,
    safety,
    say,
    tool_call,
    unprompted,
    usage,
)
from fullduplex.testing import tagged_audio

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    genai = pytest.importorskip("google.genai")
    from google.auth import credentials as google_credentials
    from google.genai import errors, live, types

HALF_CASCADE = "gemini-live-2.5-flash-preview"
NATIVE = "gemini-2.5-flash-native-audio-preview-12-2025"
THREE = "gemini-3.1-flash-live-preview"
SILENCE = bytes(16_000 // 50 * 2)
AUDIO = types.LiveConnectConfig(
    response_modalities=[types.Modality.AUDIO],
    input_audio_transcription=types.AudioTranscriptionConfig(),
    output_audio_transcription=types.AudioTranscriptionConfig(),
    session_resumption=types.SessionResumptionConfig(),
)
TEXT = types.LiveConnectConfig(response_modalities=[types.Modality.TEXT])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def trust(monkeypatch: pytest.MonkeyPatch, certificate: Certificate) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert_file))
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clients() -> Iterator[list[Any]]:
    made: list[Any] = []
    yield made
    for client in made:
        client.close()


def gemini(mock: MockLive, clients: list[Any], **http: Any) -> Any:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=mock.url, **http))
    clients.append(client)
    return client.aio.live


class FakeCredentials(google_credentials.Credentials):
    """Valid for ever, and no network."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = "fake-token"

    def refresh(self, request: Any) -> None:
        raise AssertionError("a valid token needs no refresh")


def vertex(mock: MockLive, clients: list[Any]) -> Any:
    client = genai.Client(
        vertexai=True,
        project="p",
        location="us-central1",
        credentials=FakeCredentials(),
        http_options=types.HttpOptions(base_url=mock.url),
    )
    clients.append(client)
    return client.aio.live


async def turn(session: live.AsyncSession) -> list[types.LiveServerMessage]:
    async with asyncio.timeout(5):
        return [message async for message in session.receive()]


async def until(messages: AsyncIterator[types.LiveServerMessage], field: str) -> types.LiveServerMessage:
    async with asyncio.timeout(5):
        async for message in messages:
            if getattr(message, field, None) or getattr(message.server_content, field, None):
                return message
    raise AssertionError(f"no {field}")


async def failure(session: live.AsyncSession) -> errors.APIError:
    """Receives until the connection is closed: the error that says so."""
    try:
        while True:
            await turn(session)
    except errors.APIError as error:
        return error


async def ask(session: live.AsyncSession, text: str) -> None:
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))


def spoken(messages: list[types.LiveServerMessage]) -> str:
    """All the text of a turn, as text parts or output transcription."""
    found = ""
    for message in messages:
        content = message.server_content
        if content and content.output_transcription and content.output_transcription.text:
            found += content.output_transcription.text
        found += "".join(part.text or "" for part in _parts(message))
    return found


def audio(messages: list[types.LiveServerMessage]) -> bytes:
    return b"".join(part.inline_data.data or b"" for m in messages for part in _parts(m) if part.inline_data)


def heard(messages: list[types.LiveServerMessage]) -> str:
    found = ""
    for message in messages:
        if message.server_content and message.server_content.input_transcription:
            found += message.server_content.input_transcription.text or ""
    return found


def _parts(message: types.LiveServerMessage) -> list[types.Part]:
    content = message.server_content
    return (content.model_turn.parts or []) if content and content.model_turn else []


async def test_text_turn_with_usage(certificate: Certificate, clients: list[Any]) -> None:
    script = Script([[say("Hello there, friend."), usage(prompt=11, response=7, thoughts=3)]])
    async with MockLive(script, tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=HALF_CASCADE, config=TEXT) as session:
            await ask(session, "hi")
            messages = await turn(session)
    assert [m.text for m in messages if m.text] == ["Hello ", "there, ", "friend."]
    last = messages[-1]
    assert last.server_content is not None
    assert last.server_content.turn_complete
    assert messages[-2].server_content is not None
    assert messages[-2].server_content.generation_complete
    assert last.usage_metadata is not None
    assert (last.usage_metadata.prompt_token_count, last.usage_metadata.response_token_count) == (11, 7)
    assert (last.usage_metadata.thoughts_token_count, last.usage_metadata.total_token_count) == (3, 21)
    assert mock.connections[0].setup["model"] == f"models/{HALF_CASCADE}"
    assert mock.connections[0].headers["x-goog-api-key"] == "k"
    assert mock.connections[0].version in ("v1", "v1beta")  # 3.4 of the SDK moved from v1beta to v1


async def test_voice_turn_by_server_vad(certificate: Certificate, clients: list[Any]) -> None:
    config = AUDIO.model_copy(
        update={
            "realtime_input_config": types.RealtimeInputConfig(
                automatic_activity_detection=types.AutomaticActivityDetection(silence_duration_ms=100)
            )
        }
    )
    async with MockLive(Script([[say("It is noon.", audio_ms=200)]]), tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=NATIVE, config=config) as session:
            speech = tagged_audio.encode(0, 20, 16_000)
            for piece in [speech[:6400], speech[6400:], SILENCE * 6]:
                await session.send_realtime_input(audio=types.Blob(data=piece, mime_type="audio/pcm;rate=16000"))
            messages = await turn(session)
            update = await until(session.receive(), "session_resumption_update")
    assert heard(messages) == "(speech of 400 ms)"
    assert spoken(messages) == "It is noon."
    assert tagged_audio.decode(audio(messages), 24_000) == list(range(10))
    assert update.session_resumption_update is not None
    assert update.session_resumption_update.new_handle == mock.connections[0].handles[0]
    assert bytes(mock.connections[0].audio) == speech + SILENCE * 6
    assert mock.connections[0].audio_mimes == ["audio/pcm;rate=16000"] * 3


async def test_voice_turn_by_activity_signals(certificate: Certificate, clients: list[Any]) -> None:
    config = AUDIO.model_copy(
        update={
            "realtime_input_config": types.RealtimeInputConfig(
                automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
            )
        }
    )
    async with MockLive(tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=THREE, config=config) as session:
            loud = types.Blob(data=tagged_audio.encode(0, 10, 16_000), mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=loud)  # outside of the signals: ignored
            await session.send_realtime_input(activity_start=types.ActivityStart())
            await session.send_realtime_input(audio=loud)
            await session.send_realtime_input(activity_end=types.ActivityEnd())
            messages = await turn(session)
    assert heard(messages) == "(speech of 200 ms)"
    assert spoken(messages) == "You said: (speech of 200 ms)"


async def test_voice_turn_ended_by_audio_stream_end(certificate: Certificate, clients: list[Any]) -> None:
    async with MockLive(tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=NATIVE, config=AUDIO) as session:
            loud = types.Blob(data=tagged_audio.encode(0, 15, 16_000), mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=loud)
            await session.send_realtime_input(audio_stream_end=True)
            assert spoken(await turn(session)) == "You said: (speech of 300 ms)"


async def test_deprecated_send_speaks_to_2x_models(certificate: Certificate, clients: list[Any]) -> None:
    async with MockLive(tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=HALF_CASCADE, config=TEXT) as session:
            with pytest.warns(DeprecationWarning, match="send"):
                await session.send(input="hello", end_of_turn=True)
            assert spoken(await turn(session)) == "You said: hello"
            blob = types.Blob(data=tagged_audio.encode(0, 15, 16_000), mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(media=blob)
            await session.send_realtime_input(audio_stream_end=True)
            assert "speech of 300 ms" in spoken(await turn(session))
    assert mock.connections[0].kinds == ["setup", "clientContent", "mediaChunks", "audioStreamEnd"]


@pytest.mark.parametrize("model", [NATIVE, THREE])
async def test_tool_call_round_trip(certificate: Certificate, clients: list[Any], model: str) -> None:
    declaration = types.FunctionDeclaration(
        name="get_weather",
        parameters=types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}),
    )
    config = AUDIO.model_copy(update={"tools": [types.Tool(function_declarations=[declaration])]})
    script = Script(
        [
            [
                tool_call("get_weather", {"city": "Paris"}),
                lambda user, talk: [say(f"It is {user.tool_results['get_weather']['sky']}.", audio_ms=40)],
            ]
        ]
    )
    async with MockLive(script, tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=model, config=config) as session:
            await ask(session, "weather?")
            received = session.receive()
            message = await until(received, "tool_call")
            assert message.tool_call is not None
            assert message.tool_call.function_calls is not None
            call = message.tool_call.function_calls[0]
            assert (call.name, call.args) == ("get_weather", {"city": "Paris"})
            if model == NATIVE:  # 2.x completes the turn that called; 3.x goes on with it
                await until(received, "turn_complete")
            await session.send_tool_response(
                function_responses=types.FunctionResponse(id=call.id, name=call.name, response={"sky": "sunny"})
            )
            assert spoken(await turn(session)) == "It is sunny."
    assert mock.connections[0].bodies("toolResponse")[0]["functionResponses"][0]["response"] == {"sky": "sunny"}


async def test_interruption_by_voice(certificate: Certificate, clients: list[Any]) -> None:
    script = Script([[say("A very long story indeed.", audio_ms=60_000)], [say("All right.", audio_ms=40)]])
    async with MockLive(script, tls=certificate, pace=True) as mock:
        async with gemini(mock, clients).connect(model=NATIVE, config=AUDIO) as session:
            await ask(session, "tell me")
            received = session.receive()
            await until(received, "model_turn")
            blob = types.Blob(data=tagged_audio.encode(0, 10, 16_000), mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=blob)
            message = await until(received, "interrupted")
            rest = [m async for m in received]
            await session.send_realtime_input(audio_stream_end=True)
            answer = await turn(session)
    assert message.server_content is not None
    assert rest[-1].server_content.turn_complete
    assert not any(m.server_content and m.server_content.generation_complete for m in rest)
    assert spoken(answer) == "All right."


async def test_resumption_by_handle_restores_the_conversation(certificate: Certificate, clients: list[Any]) -> None:
    async with MockLive(tls=certificate, reactor=memory_reactor) as mock:
        connect = gemini(mock, clients).connect
        async with connect(model=NATIVE, config=AUDIO) as session:
            await ask(session, "my number is 42")
            await turn(session)
            update = (await until(session.receive(), "session_resumption_update")).session_resumption_update
            await ask(session, "my number is 7")
            await turn(session)
        assert update is not None
        assert update.resumable
        config = AUDIO.model_copy(
            update={"session_resumption": types.SessionResumptionConfig(handle=update.new_handle)}
        )
        async with connect(model=NATIVE, config=config) as session:
            await ask(session, "what number did I say?")
            assert spoken(await turn(session)) == "You said 42."
        async with connect(model=NATIVE, config=AUDIO) as session:
            await ask(session, "what number did I say?")
            assert spoken(await turn(session)) == "You did not say a number."


async def test_go_away_comes_before_the_close(certificate: Certificate, clients: list[Any]) -> None:
    async with MockLive(Script([[say("Soon.", audio_ms=40), go_away(0.05)]]), tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=NATIVE, config=AUDIO) as session:
            await ask(session, "hi")
            message = await until(session.receive(), "go_away")
            assert message.go_away is not None
            assert message.go_away.time_left == "0.050s"
            assert (await failure(session)).code == 1000


async def test_thoughts_grounding_and_unprompted_turn(certificate: Certificate, clients: list[Any]) -> None:
    script = Script([unprompted(say("Good morning.", thought="Greet first."), grounding())])
    async with MockLive(script, tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=HALF_CASCADE, config=TEXT) as session:
            messages = await turn(session)
    parts = [part for message in messages for part in _parts(message)]
    assert (parts[0].text, parts[0].thought) == ("Greet first.", True)
    assert any(m.server_content and m.server_content.grounding_metadata for m in messages)


async def test_empty_turn_for_safety(certificate: Certificate, clients: list[Any]) -> None:
    async with MockLive(Script([[safety("PROHIBITED_INPUT_CONTENT")]]), tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=NATIVE, config=AUDIO) as session:
            await ask(session, "x")
            messages = await turn(session)
    assert len(messages) == 1
    assert messages[0].server_content is not None
    assert messages[0].server_content.turn_complete_reason == types.TurnCompleteReason.PROHIBITED_INPUT_CONTENT


async def test_vertex_form(certificate: Certificate, clients: list[Any]) -> None:
    config = AUDIO.model_copy(
        update={
            "session_resumption": types.SessionResumptionConfig(transparent=True),
            "explicit_vad_signal": True,
            "system_instruction": "Be brief.",
        }
    )
    async with MockLive(tls=certificate) as mock:
        async with vertex(mock, clients).connect(model="gemini-live-2.5-flash-native-audio", config=config) as session:
            assert session.session_id == "mock-session-1"
            blob = types.Blob(data=tagged_audio.encode(0, 15, 16_000), mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=blob)
            await session.send_realtime_input(audio_stream_end=True)
            messages = await turn(session)
            update = (await until(session.receive(), "session_resumption_update")).session_resumption_update
    connection = mock.connections[0]
    assert (connection.backend, connection.version) == ("vertex", "v1beta1")
    assert connection.headers["authorization"] == "Bearer fake-token"
    assert connection.setup["model"].startswith("projects/p/locations/us-central1/publishers/google/models/")
    assert connection.setup["systemInstruction"]["parts"][0]["text"] == "Be brief."
    signals = [m.voice_activity.voice_activity_type for m in messages if m.voice_activity]
    assert signals == [types.VoiceActivityType.ACTIVITY_START, types.VoiceActivityType.ACTIVITY_END]
    assert messages[-1].usage_metadata is not None
    assert messages[-1].usage_metadata.response_token_count
    assert messages[-1].usage_metadata.traffic_type == types.TrafficType.ON_DEMAND
    assert update is not None
    assert update.last_consumed_client_message_index == 2


async def test_ephemeral_token_goes_to_the_constrained_method(certificate: Certificate, clients: list[Any]) -> None:
    async with MockLive(tls=certificate) as mock:
        client = genai.Client(
            api_key="auth_tokens/abc", http_options=types.HttpOptions(base_url=mock.url, api_version="v1alpha")
        )
        clients.append(client)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", errors.ExperimentalWarning)
            async with client.aio.live.connect(model=HALF_CASCADE, config=TEXT) as session:
                await ask(session, "hi")
                assert spoken(await turn(session)) == "You said: hi"
    assert mock.connections[0].path.endswith("v1alpha.GenerativeService.BidiGenerateContentConstrained")


@pytest.mark.parametrize(
    ("model", "change", "code", "reason"),
    [
        ("gemini-1.5-flash", {}, 1008, "not found"),
        (NATIVE, {"response_modalities": ["TEXT"]}, 1007, "modality"),
        (HALF_CASCADE, {"response_modalities": ["TEXT", "AUDIO"]}, 1007, "one response modality"),
        (NATIVE, {"session_resumption": {"handle": "never-issued"}}, 1008, "session not found"),
        (
            NATIVE,
            {"speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Nobody"}}}},
            1007,
            "voice",
        ),
        (THREE, {"enable_affective_dialog": True}, 1007, "affective"),
    ],
)
async def test_bad_setups_surface_as_api_errors(
    certificate: Certificate, clients: list[Any], model: str, change: dict[str, Any], code: int, reason: str
) -> None:
    config = AUDIO.model_dump(exclude_none=True) | change
    async with MockLive(tls=certificate) as mock:
        with pytest.raises(errors.APIError, match=reason) as caught:
            async with gemini(mock, clients).connect(model=model, config=config):
                pass
    assert caught.value.code == code
    assert mock.connections[0].close_code == code


async def test_quota_surfaces_as_an_api_error(certificate: Certificate, clients: list[Any]) -> None:
    async with MockLive(Script([[quota()]]), tls=certificate) as mock:
        with pytest.raises(errors.APIError, match="RESOURCE_EXHAUSTED") as caught:
            async with gemini(mock, clients).connect(model=NATIVE, config=AUDIO):
                pass
    assert caught.value.code == 1011


@pytest.mark.parametrize(("fault", "code"), [(close(1011, "Internal error encountered."), 1011), (drop(), 1006)])
async def test_faults_surface_as_api_errors(
    certificate: Certificate, clients: list[Any], fault: Step, code: int
) -> None:
    async with MockLive(Script([[fault]]), tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=NATIVE, config=AUDIO) as session:
            await ask(session, "hi")
            assert (await failure(session)).code == code


async def test_activity_signal_with_automatic_vad_is_an_error(certificate: Certificate, clients: list[Any]) -> None:
    async with MockLive(tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=NATIVE, config=AUDIO) as session:
            await session.send_realtime_input(activity_start=types.ActivityStart())
            with pytest.raises(errors.APIError, match="activity") as caught:
                await turn(session)
    assert caught.value.code == 1007


async def test_context_update_changes_what_the_model_knows(certificate: Certificate, clients: list[Any]) -> None:
    script = Script([lambda user, talk: [say(f"I am told: {talk.system_instruction}")]])
    async with MockLive(script, tls=certificate) as mock:
        async with gemini(mock, clients).connect(model=HALF_CASCADE, config=TEXT) as session:
            await session.send_context_update(system_instruction="Be kind.")
            await ask(session, "?")
            assert spoken(await turn(session)) == "I am told: Be kind."


async def test_version_of_the_api_by_option(certificate: Certificate, clients: list[Any]) -> None:
    async with MockLive(tls=certificate, gemini_versions=["v1beta"]) as mock:
        async with gemini(mock, clients, api_version="v1beta").connect(model=HALF_CASCADE, config=TEXT) as session:
            await ask(session, "hi")
            assert spoken(await turn(session)) == "You said: hi"
    assert mock.connections[0].version == "v1beta"
