"""The checklist's part E as an app meets it: `run_live` with Gemini, and what Mock Live then has seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from fullduplex import Agent, Event, InMemoryRunner, LiveRequestQueue, RunConfig, types
from fullduplex.errors import ModelError
from fullduplex.mock_live import MockLive, Script, malformed, say, unknown_message
from fullduplex.mock_live.records import Connection
from fullduplex.models import Gemini

SECOND = "gemini-live-2.5-flash"
NATIVE = "gemini-live-2.5-flash-native-audio"
THIRD = "gemini-3.1-flash-live-preview"
TEXT: dict[str, Any] = {"response_modalities": ["TEXT"]}
PCM = bytes(range(256)) * 5


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "k")


def typed(text: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=text)])


async def run(
    agent: Agent, fill: Callable[[LiveRequestQueue], None], *, seen: list[Event] | None = None, **settings: Any
) -> list[Event]:
    """All events of a run whose queue is closed after the first turn; `seen` has them if the run fails."""
    runner = InMemoryRunner(agent=agent, app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    queue = LiveRequestQueue()
    fill(queue)
    events = [] if seen is None else seen
    async with (
        asyncio.timeout(10),
        aclosing(
            runner.run_live(
                user_id="u", session_id=session.id, live_request_queue=queue, run_config=RunConfig(**settings)
            )
        ) as stream,
    ):
        async for event in stream:
            events.append(event)
            if event.turn_complete:
                queue.close()
    return events


def ask(queue: LiveRequestQueue) -> None:
    queue.send_content(typed("hi"))


async def setup_of(monkeypatch: pytest.MonkeyPatch, model: Any = SECOND, agent: Any = None, **settings: Any) -> Any:
    """The setup that a run of an agent with this model, and these settings, opens with."""
    async with MockLive() as mock:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        await run(Agent(name="guide", model=model, **(agent or {})), ask, **settings)
        return mock.connections[0].setup


def kinds(connection: Connection) -> list[str]:
    return [message.kind for message in connection.messages]


def voice(name: str) -> types.SpeechConfig:
    return types.SpeechConfig.model_validate({"voice_config": {"prebuilt_voice_config": {"voice_name": name}}})


# -- setup --------------------------------------------------------------------------------------------------------


@pytest.mark.spec(14)
async def test_generation_settings_of_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    generation = types.GenerateContentConfig(
        temperature=0.5, top_p=0.9, top_k=40, max_output_tokens=99, seed=7, media_resolution="MEDIA_RESOLUTION_LOW"
    )
    setup = await setup_of(monkeypatch, agent={"generate_content_config": generation})
    assert setup["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 99,
        "seed": 7,
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    }


@pytest.mark.spec(70)
async def test_audio_unless_text_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await setup_of(monkeypatch))["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert (await setup_of(monkeypatch, **TEXT))["generationConfig"]["responseModalities"] == ["TEXT"]


@pytest.mark.spec(71)
async def test_transcription_unless_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = await setup_of(monkeypatch)
    assert setup["inputAudioTranscription"] == {}
    assert setup["outputAudioTranscription"] == {}
    setup = await setup_of(monkeypatch, input_audio_transcription=None, output_audio_transcription=None)
    assert "inputAudioTranscription" not in setup
    assert "outputAudioTranscription" not in setup


@pytest.mark.spec(72)
async def test_the_agents_voice_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(setup: Any) -> Any:
        return setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]

    own = Gemini(model=SECOND, speech_config=voice("Puck"))
    assert chosen(await setup_of(monkeypatch, own, speech_config=voice("Kore"))) == "Puck"
    assert chosen(await setup_of(monkeypatch, Gemini(model=SECOND), speech_config=voice("Kore"))) == "Kore"


@pytest.mark.spec(73, 74)
async def test_settings_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = await setup_of(
        monkeypatch,
        NATIVE,
        realtime_input_config=types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(disabled=True),
            activity_handling=types.ActivityHandling.NO_INTERRUPTION,
        ),
        proactivity=types.ProactivityConfig(proactive_audio=True),
        enable_affective_dialog=True,
        context_window_compression=types.ContextWindowCompressionConfig(
            trigger_tokens=1000, sliding_window=types.SlidingWindow(target_tokens=500)
        ),
        session_resumption=types.SessionResumptionConfig(),
        history_config=types.HistoryConfig(initial_history_in_client_content=True),
    )
    assert setup["realtimeInputConfig"] == {
        "automaticActivityDetection": {"disabled": True},
        "activityHandling": "NO_INTERRUPTION",
    }
    assert setup["proactivity"] == {"proactiveAudio": True}
    assert setup["generationConfig"]["enableAffectiveDialog"] is True
    assert setup["contextWindowCompression"] == {"triggerTokens": 1000, "slidingWindow": {"targetTokens": 500}}
    assert setup["sessionResumption"] == {}
    assert setup["historyConfig"] == {"initialHistoryInClientContent": True}


@pytest.mark.spec(75)
async def test_third_generation_loses_what_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "fullduplex.models"):
        setup = await setup_of(
            monkeypatch,
            THIRD,
            proactivity=types.ProactivityConfig(proactive_audio=True),
            enable_affective_dialog=True,
        )
    assert "proactivity" not in setup
    assert "enableAffectiveDialog" not in setup["generationConfig"]
    assert "proactivity and enable_affective_dialog" in caplog.text


@pytest.mark.spec(81, 83)
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"session_resumption": types.SessionResumptionConfig(transparent=True)},
            r"^Transparent session resumption is only supported for Vertex AI backend\.",
        ),
        ({"response_modalities": ["TEXT", "AUDIO"]}, "^Only one response modality is supported per session"),
    ],
    ids=["transparent", "two modalities"],
)
async def test_settings_that_cannot_be_are_clear_value_errors(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        await setup_of(monkeypatch, **settings)


@pytest.mark.spec(82)
async def test_one_app_two_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    google_auth = pytest.importorskip("google.auth")

    class Login:
        token = "t-1"
        valid = True

    agent = Agent(name="guide", model=SECOND)
    async with MockLive() as gemini, MockLive() as vertex:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini.url)
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", vertex.url)
        await run(agent, ask)
        assert (len(gemini.connections), len(vertex.connections)) == (1, 0)
        monkeypatch.setattr(google_auth, "default", lambda scopes: (Login(), "p"))
        monkeypatch.setattr("fullduplex.google_login.default_login._credentials", None)
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "TRUE")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-central1")
        await run(agent, ask)
        assert (len(gemini.connections), len(vertex.connections)) == (1, 1)
        assert vertex.connections[0].backend == "vertex"


# -- upstream -----------------------------------------------------------------------------------------------------


@pytest.mark.spec(76, 80)
@pytest.mark.parametrize(
    ("model", "expected"),
    [(SECOND, ["mediaChunks", "mediaChunks", "clientContent"]), (THIRD, ["audio", "video", "text"])],
    ids=["2.x", "3.x"],
)
async def test_media_and_text_on_the_wire(monkeypatch: pytest.MonkeyPatch, model: str, expected: list[str]) -> None:
    def fill(queue: LiveRequestQueue) -> None:
        queue.send_realtime(types.Blob(data=PCM, mime_type="audio/pcm;rate=16000"))
        queue.send_realtime(types.Blob(data=b"\xff\xd8\xff\xd9", mime_type="image/jpeg"))
        queue.send_content(typed("what is this?"))

    async with MockLive() as mock:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        await run(Agent(name="guide", model=model), fill)
        (connection,) = mock.connections
        assert kinds(connection) == ["setup", *expected]
        assert bytes(connection.audio) == PCM
        assert connection.images == [("image/jpeg", b"\xff\xd8\xff\xd9")]


@pytest.mark.spec(77)
async def test_function_responses_of_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(queue: LiveRequestQueue) -> None:
        response = types.FunctionResponse(id="fc", name="f", response={"result": 1})
        queue.send_content(types.Content(role="user", parts=[types.Part(function_response=response)]))
        queue.send_content(typed("hi"))

    async with MockLive() as mock:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        await run(Agent(name="guide", model=SECOND), fill)
        assert kinds(mock.connections[0]) == ["setup", "toolResponse", "clientContent"]
        assert mock.connections[0].messages[1].body == {
            "functionResponses": [{"id": "fc", "name": "f", "response": {"result": 1}}]
        }


@pytest.mark.spec(79)
async def test_signals_stay_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(queue: LiveRequestQueue) -> None:
        chunk = types.Blob(data=PCM, mime_type="audio/pcm;rate=16000")
        queue.send_activity_start()
        queue.send_realtime(chunk)
        queue.send_realtime(chunk)
        queue.send_activity_end()
        queue.send_audio_stream_end()

    manual = types.RealtimeInputConfig(
        automatic_activity_detection=types.AutomaticActivityDetection(disabled=True),
    )
    async with MockLive() as mock:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        await run(Agent(name="guide", model=SECOND), fill, realtime_input_config=manual)
        assert kinds(mock.connections[0]) == [
            "setup", "activityStart", "mediaChunks", "mediaChunks", "activityEnd", "audioStreamEnd"
        ]  # fmt: skip


@pytest.mark.spec(78)
async def test_function_calls_of_the_user_are_an_error_event_and_the_run_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(queue: LiveRequestQueue) -> None:
        call = types.Part(function_call=types.FunctionCall(name="f", args={}))
        queue.send_content(types.Content(role="user", parts=[call]))
        queue.send_content(typed("hi"))

    async with MockLive(Script([[say("Still here.")]])) as mock:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        events = await run(Agent(name="guide", model=SECOND), fill, **TEXT)
    (error,) = [event for event in events if event.error_code]
    assert "User message cannot contain function calls." in (error.error_message or "")
    assert events[-1].turn_complete


# -- downstream ---------------------------------------------------------------------------------------------------


@pytest.mark.spec(69)
async def test_unknown_messages_are_logged_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with MockLive(Script([[unknown_message(), malformed(), say("Still here.")]])) as mock:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        with caplog.at_level(logging.WARNING, "fullduplex.models"):
            events = await run(Agent(name="guide", model=SECOND), ask, **TEXT)
    texts = [event.content.text for event in events if event.content and not event.partial]
    assert texts == ["Still here."]
    assert not [event for event in events if event.error_code]
    assert "futureMessage" in caplog.text
    assert "no JSON" in caplog.text


async def test_an_unavailable_model_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Event] = []
    async with MockLive() as mock:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        with pytest.raises(ModelError, match="gemini-flash-latest is not found"):
            await run(Agent(name="guide", model="gemini-flash-latest"), ask, seen=seen)
    (error,) = [event for event in seen if event.error_code]
    assert error.error_code == "model_unavailable"
    assert "gemini-flash-latest" in (error.error_message or "")
