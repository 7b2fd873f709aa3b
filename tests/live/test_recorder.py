"""What `save_live_blob` records: files, references and their order, and services that are slow or fail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullduplex import Agent, RunConfig, Runner, types
from fullduplex.agents import ParallelAgent
from fullduplex.agents.run_config import LiveBlobConfig
from fullduplex.artifacts import InMemoryArtifactService
from fullduplex.events import Event
from fullduplex.live import Ambient, Engine, LiveSettings
from fullduplex.live.recorder import MAX_WAITING_BYTES, PATIENCE_S, SAVE_DEADLINE_S
from fullduplex.models.registry import resolve
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.clock import run_virtual
from fullduplex.testing.scripted_model import ScriptedModel
from tests.live.kit import (
    GENERATION_COMPLETE,
    INTERRUPTED,
    TURN_COMPLETE,
    Call,
    audio,
    calls,
    clocked,
    content,
    heard,
    leftovers,
    pcm,
    said,
    settle,
    short,
    text,
    user,
    virtual,
)

FRAME = types.Blob(data=b"jpg", mime_type="image/jpeg")


class Shelf(InMemoryArtifactService):
    """A service that takes its time, and fails as long as it is told to."""

    def __init__(self, takes_s: float = 0.0) -> None:
        super().__init__()
        self.takes_s = takes_s
        self.error: Exception | None = None

    async def save_artifact(self, **fields: Any) -> int:
        await asyncio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        return await super().save_artifact(**fields)


class Recorded(Call):
    """A run that is recorded into `shelf`."""

    shelf: InMemoryArtifactService

    @classmethod
    async def begin(
        cls,
        shelf: InMemoryArtifactService | None = None,
        *,
        chance: float | None = None,
        plugins: list[BasePlugin] | None = None,
        **options: Any,
    ) -> Recorded:
        model, shelf = ScriptedModel(), shelf or InMemoryArtifactService()
        ambient = clocked().ambient
        if chance is not None:
            ambient = Ambient(now=ambient.now, new_id=ambient.new_id, chance=lambda: chance)
        runner = Runner(
            app_name="app",
            agent=Agent(name="guide", model=model, tools=options.pop("tools", [])),
            session_service=InMemorySessionService(),
            artifact_service=shelf,
            plugins=plugins,
            engine=Engine(resolve=resolve, ambient=ambient),
        )
        session = await runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
        live_blob = LiveBlobConfig(**options) if options else None
        run = await cls.start(
            model=model, runner=runner, session=session, run_config=RunConfig(save_live_blob=True, live_blob=live_blob)
        )
        assert isinstance(run, Recorded)
        run.shelf = shelf
        await run.connection()
        await settle()
        return run

    async def speak(self, *blobs: types.Blob) -> None:
        """The user's media, each at its own time."""
        for blob in blobs:
            self.queue.send_realtime(blob)
            await settle()

    async def names(self) -> list[str]:
        return await self.shelf.list_artifact_keys(app_name="app", user_id="u", session_id="s")

    async def data(self, part: str) -> list[bytes]:
        """The bytes of all files with `part` in their name, in the order of their names."""
        files = [
            await self.shelf.load_artifact(app_name="app", user_id="u", session_id="s", filename=name)
            for name in await self.names()
            if part in name
        ]
        return [bytes(file.inline_data.data or b"") for file in files if file is not None and file.inline_data]

    @property
    def order(self) -> list[str]:
        """Events in short; references as `user:N` or `guide:N`, N of them."""
        return [described(event) for event in self.events if event.setup_complete is None]


def files_of(event: Event) -> list[types.FileData]:
    parts = (event.content.parts or []) if event.content is not None else []
    return [part.file_data for part in parts if part.file_data is not None]


def described(event: Event) -> str:
    files = files_of(event)
    return f"{event.author}:{len(files)}" if files else short(event)


def errors(call: Call) -> list[tuple[str | None, bool | None]]:
    return [(event.error_code, event.recoverable) for event in call.events if event.error_code]


# -- files and references ---------------------------------------------------------------------------------------------


@pytest.mark.spec(152)
@virtual
async def test_a_turn_is_two_files_and_two_references_before_its_end() -> None:
    call = await Recorded.begin()
    await asyncio.sleep(1)
    await call.speak(pcm())
    await asyncio.sleep(1)
    await call.play(heard("hello", True), audio(), said("hi", True), TURN_COMPLETE)
    first, second = [event for event in call.events if files_of(event)]
    spoken, answered = sorted(await call.names())
    assert spoken.startswith("adk_live_audio_storage_input_audio_1")
    assert answered.startswith("adk_live_audio_storage_output_audio_2")
    assert spoken.endswith(".pcm")
    assert answered.endswith(".pcm")
    assert first.model_dump(exclude_none=True, by_alias=True)["content"] == {
        "role": "user",
        "parts": [
            {"fileData": {"fileUri": f"artifact://app/u/s/_adk_live/{spoken}#0", "mimeType": "audio/pcm;rate=16000"}}
        ],
    }
    assert second.model_dump(exclude_none=True, by_alias=True)["content"] == {
        "role": "model",
        "parts": [
            {"fileData": {"fileUri": f"artifact://app/u/s/_adk_live/{answered}#0", "mimeType": "audio/pcm;rate=24000"}}
        ],
    }
    assert (first.author, second.author) == ("user", "guide")
    assert call.order[-3:] == ["user:1", "guide:1", "end"]
    saved = [described(event) for event in (await call.saved()).events]
    assert saved[-5:] == ["M-in:hello", "M-out:hi", "user:1", "guide:1", "end"]
    await call.end()


@pytest.mark.spec(153)
@virtual
async def test_audio_is_kept_byte_by_byte_as_it_was_sent_and_received() -> None:
    call = await Recorded.begin()
    spoken = [types.Blob(data=bytes([number]) * 640, mime_type="audio/pcm;rate=16000") for number in range(20)]
    answered = [bytes([number]) * 960 for number in range(20)]
    await call.speak(*spoken)
    await call.play(*map(audio, answered), TURN_COMPLETE)
    connection = await call.connection()
    sent = b"".join(value.data for kind, value in connection.sent if kind == "realtime")
    assert await call.data("input_audio") == [sent] == [b"".join(blob.data or b"" for blob in spoken)]
    assert await call.data("output_audio") == [b"".join(answered)]
    await call.end()


@pytest.mark.spec(153)
@virtual
async def test_of_converted_audio_the_model_s_side_is_kept() -> None:
    call = await Recorded.begin()
    await call.speak(*(types.Blob(data=bytes(960), mime_type="audio/pcm;rate=48000") for _ in range(50)))
    call.queue.send_activity_end()
    await settle()
    await call.play(audio(), TURN_COMPLETE)
    connection = await call.connection()
    sent = b"".join(value.data for kind, value in connection.sent if kind == "realtime")
    assert await call.data("input_audio") == [sent]
    assert 0 < len(sent) < 50 * 960 / 2
    await call.end()


@pytest.mark.spec(153)
@virtual
async def test_speech_that_is_sent_again_is_kept_once() -> None:
    call = await Recorded.begin()
    loud = types.Blob(data=b"\0\x40" * 640, mime_type="audio/pcm;rate=16000")
    await call.speak(loud, loud, loud)
    connection = await call.connection()
    connection.lose()
    second = await call.connection(2)
    await settle()
    await call.play(audio(), TURN_COMPLETE, number=2)
    assert [kind for kind, _ in second.sent] == ["realtime"] * 3
    assert [len(data) for data in await call.data("input_audio")] == [3 * 1280]
    await call.end()


@pytest.mark.spec(154)
@virtual
async def test_an_interruption_keeps_the_answer_alone() -> None:
    call = await Recorded.begin()
    await call.speak(pcm())
    await call.play(audio(), INTERRUPTED)
    assert [name.split("_")[-3] for name in await call.names()] == ["output"]
    await call.speak(pcm())
    await call.play(TURN_COMPLETE)
    assert call.order == ["audio", "interrupted", "guide:1", "user:1", "end"]
    assert [len(data) for data in await call.data("input_audio")] == [2 * 1280]
    await call.end()


@virtual
async def test_an_answer_that_is_generated_is_stored_at_once_and_referred_to_in_its_place() -> None:
    call = await Recorded.begin()
    await call.speak(pcm())
    await call.play(audio(), GENERATION_COMPLETE)
    assert len(await call.data("output_audio")) == 1
    assert call.order == ["audio", "generated"]
    await call.play(TURN_COMPLETE)
    assert call.order[-3:] == ["user:1", "guide:1", "end"]
    await call.end()


@pytest.mark.spec(155)
@virtual
async def test_the_rest_is_kept_when_the_queue_is_closed() -> None:
    call = await Recorded.begin(Shelf(takes_s=0.5))
    await call.speak(pcm())
    await call.play(audio())
    await call.speak(FRAME)
    assert await call.names() == []
    assert (await call.end())[0] == "audio"
    assert call.order[-3:] == ["user:1", "user:1", "guide:1"]
    assert len(await call.names()) == 3
    assert [described(event) for event in (await call.saved()).events] == ["user:1", "user:1", "guide:1"]


@pytest.mark.spec(155)
@virtual
async def test_the_rest_is_kept_when_the_app_goes_away() -> None:
    call = await Recorded.begin(Shelf(takes_s=0.5))
    await call.speak(pcm())
    call.reader.cancel()
    await asyncio.wait([call.reader])
    assert len(await call.names()) == 1
    assert [described(event) for event in (await call.saved()).events] == ["user:1"]


@pytest.mark.spec(156)
@virtual
async def test_frames_are_kept_one_by_one_and_referred_to_together() -> None:
    call = await Recorded.begin()
    await call.speak(*(types.Blob(data=bytes([number]), mime_type="image/jpeg") for number in range(3)))
    names = await call.names()
    assert len(names) == 3
    assert all(name.startswith("adk_live_video_storage_input_video_") and name.endswith(".jpeg") for name in names)
    assert await call.data("video") == [b"\0", b"\1", b"\2"]
    await call.play(audio(), TURN_COMPLETE)
    assert call.order[-3:] == ["user:3", "guide:1", "end"]
    frames = next(event for event in call.events if len(files_of(event)) == 3)
    assert [file.file_uri for file in files_of(frames)] == [f"artifact://app/u/s/_adk_live/{name}#0" for name in names]
    assert {file.mime_type for file in files_of(frames)} == {"image/jpeg"}
    await call.end()


@pytest.mark.spec(156)
@virtual
async def test_frames_of_a_long_turn_are_referred_to_before_its_end() -> None:
    call = await Recorded.begin()
    await call.speak(*[FRAME] * 60)
    assert call.order == ["user:50"]
    await call.play(TURN_COMPLETE)
    assert call.order == ["user:50", "user:10", "end"]
    await call.end()


@virtual
async def test_a_long_turn_is_several_files_of_which_the_first_do_not_wait_for_its_end() -> None:
    call = await Recorded.begin(max_file_s=1.0)
    await call.speak(*[pcm(0.4)] * 4)
    await call.play(*[audio(bytes(24_000))] * 3)
    assert call.order == ["user:1", "audio", "audio", "guide:1", "audio"]
    await call.play(TURN_COMPLETE)
    assert call.order[-3:] == ["user:1", "guide:1", "end"]
    assert [len(data) for data in await call.data("input_audio")] == [38_400, 12_800]
    await call.end()


@virtual
async def test_the_next_run_is_not_told_of_recordings_and_keeps_its_words_in_order() -> None:
    call = await Recorded.begin(Shelf(takes_s=3.0))
    await call.speak(pcm())
    await call.play(heard("hello", True), audio(), said("hi", True), TURN_COMPLETE)
    await asyncio.sleep(5)  # the references came late
    call.queue.send_content(user("and now?"))
    await settle()
    assert (await call.saved_short())[-1] == "user:and now?"
    await call.end()
    again = await Call.start(model=call.model, runner=call.runner, session=await call.saved())
    connection = await again.connection(2)
    assert [told.text for told in connection.request.history] == ["hello", "hi", "and now?"]
    await again.end()


@virtual
async def test_each_agent_has_its_own_file_when_the_conversation_is_handed_over() -> None:
    first, second, shelf = ScriptedModel("first"), ScriptedModel("second"), InMemoryArtifactService()
    helper = Agent(name="helper", model=second, description="Helps.")
    runner = Runner(
        app_name="app",
        agent=Agent(name="guide", model=first, sub_agents=[helper]),
        session_service=InMemorySessionService(),
        artifact_service=shelf,
        engine=clocked(),
    )
    call = await Recorded.start(model=first, runner=runner, run_config=RunConfig(save_live_blob=True))
    assert isinstance(call, Recorded)
    (await call.connection()).say(audio(b"\1\1" * 240))
    await call.speak(pcm())
    (await call.connection()).say(calls(("t1", "transfer_to_agent", {"agent_name": "helper"})))
    await settle()
    await call.speak(pcm())
    (await second.opened()).say(audio(b"\2\2" * 240))
    await settle()
    (await second.opened()).say(TURN_COMPLETE)
    await settle()
    await call.end()
    assert call.order[3:] == ["user:1", "guide:1", "end", "audio", "user:1", "helper:1", "end"]
    files = [file for event in call.events for file in files_of(event)]
    sizes = []
    for file in files:
        name = (file.file_uri or "").rpartition("/")[2].partition("#")[0]
        session_id = (await call.saved()).id
        part = await shelf.load_artifact(app_name="app", user_id="u", session_id=session_id, filename=name)
        assert part is not None
        assert part.inline_data is not None
        sizes.append(len(part.inline_data.data or b""))
    assert sizes == [1280, 480, 1280, 480]


@virtual
async def test_what_several_agents_hear_at_once_is_kept_once() -> None:
    models = [ScriptedModel("one"), ScriptedModel("two")]
    agents = [Agent(name=model.model, model=model) for model in models]
    shelf = InMemoryArtifactService()
    runner = Runner(
        app_name="app",
        agent=ParallelAgent(name="both", sub_agents=agents),
        session_service=InMemorySessionService(),
        artifact_service=shelf,
        engine=clocked(),
    )
    call = await Recorded.start(model=models[0], runner=runner, run_config=RunConfig(save_live_blob=True))
    assert isinstance(call, Recorded)
    connections = [await model.opened() for model in models]
    await settle()
    await call.speak(pcm(), pcm())
    for connection, byte in zip(connections, (b"\1", b"\2"), strict=True):
        assert [kind for kind, _ in connection.sent] == ["realtime"] * 2
        connection.say(audio(byte * 480))
        connection.say(TURN_COMPLETE)
        await settle()
    await call.end()
    assert [one for one in call.order if ":" in one] == ["user:1", "one:1", "two:1"]
    names = await shelf.list_artifact_keys(app_name="app", user_id="u", session_id=(await call.saved()).id)
    assert sorted("input" in name for name in names) == [False, False, True]


@pytest.mark.spec(115)
@virtual
async def test_references_are_kept_and_tool_calls_stay_beside_them() -> None:
    async def look() -> str:
        return "rain"

    call = await Recorded.begin(tools=[look])
    await call.speak(pcm())
    await call.play(audio(), calls(("c1", "look")), audio(), TURN_COMPLETE)
    await call.end()
    saved = [described(event) for event in (await call.saved()).events]
    assert saved == ["call-c1", "answer-c1", "user:1", "guide:1", "end"]


@virtual
async def test_plugins_see_whole_references_in_their_order() -> None:
    class Watcher(BasePlugin):
        seen: list[tuple[str, list[str | None]]] = []

        async def on_event_callback(self, *, invocation_context: Any, event: Event) -> None:
            await asyncio.sleep(0.01)
            self.seen.append((described(event), [file.file_uri for file in files_of(event)]))

    watcher = Watcher(name="watcher")
    call = await Recorded.begin(Shelf(takes_s=0.3), plugins=[watcher])
    await call.speak(pcm())
    await call.play(audio(), TURN_COMPLETE)
    await call.until(lambda event: event.turn_complete)
    assert call.order == ["audio", "user:1", "guide:1", "end"]
    await call.speak(pcm())
    await call.play(audio(), TURN_COMPLETE, INTERRUPTED)
    await asyncio.sleep(0.1)
    assert call.order[4:] == ["audio", "end", "interrupted"]
    await call.end()
    assert call.order[7:] == ["user:1", "guide:1"]
    assert [seen for seen, _ in watcher.seen if seen != "setup"] == call.order
    assert all(uri and uri.startswith("artifact://") for _, uris in watcher.seen for uri in uris)
    assert [described(event) for event in (await call.saved()).events if not event.interrupted][-3:] == [
        "end",
        "user:1",
        "guide:1",
    ]


# -- services that are slow, fail, or are not there -------------------------------------------------------------------


@virtual
async def test_a_turn_s_end_waits_for_its_references_and_audio_does_not() -> None:
    call = await Recorded.begin(Shelf(takes_s=0.4))
    await call.speak(pcm())
    await call.play(audio(), audio(), TURN_COMPLETE)
    assert call.order == ["audio", "audio"]
    await asyncio.sleep(0.5)
    assert call.order[2:] == ["user:1", "guide:1", "end"]
    await call.speak(pcm())
    await call.play(audio(), TURN_COMPLETE, audio())
    assert call.order[5:] == ["audio", "end", "audio"], "the next answer ends the wait"
    await asyncio.sleep(0.5)
    assert call.order[8:] == ["user:1", "guide:1"]
    await call.end()


@virtual
async def test_an_interruption_does_not_wait_for_a_recording() -> None:
    call = await Recorded.begin(Shelf(takes_s=0.9))
    await call.play(audio(), TURN_COMPLETE, INTERRUPTED)
    assert call.order == ["audio", "end", "interrupted"]
    await call.end()


@pytest.mark.spec(157)
@virtual
async def test_a_turn_s_end_waits_only_so_long_for_a_slow_service() -> None:
    call = await Recorded.begin(Shelf(takes_s=5.0))
    await call.speak(pcm())
    await call.play(audio(), TURN_COMPLETE)
    start = asyncio.get_running_loop().time()
    await call.until(lambda event: event.turn_complete)
    assert asyncio.get_running_loop().time() - start == pytest.approx(PATIENCE_S, abs=0.05)
    await asyncio.sleep(5)
    assert call.order == ["audio", "end", "user:1", "guide:1"]
    await call.end()
    assert [described(event) for event in (await call.saved()).events][-3:] == ["end", "user:1", "guide:1"]


@pytest.mark.spec(157)
@virtual
async def test_a_service_that_fails_costs_the_recording_alone(caplog) -> None:
    shelf = Shelf()
    shelf.error = OSError("disk full")
    call = await Recorded.begin(shelf)
    for _ in range(3):
        await call.speak(pcm())
        await call.play(audio(), text("words"), TURN_COMPLETE)
    assert errors(call) == [("recording_failed", True)], "told once, not with every turn"
    assert "disk full" in next(event.error_message or "" for event in call.events if event.error_code)
    assert caplog.text.count("is lost: disk full") == 6
    shelf.error = None
    await call.speak(pcm())
    await call.play(audio(), TURN_COMPLETE)
    assert call.order[-3:] == ["user:1", "guide:1", "end"]
    shelf.error = OSError("disk full again")
    await call.speak(pcm())
    await call.play(TURN_COMPLETE)
    assert len(errors(call)) == 2
    await call.end()
    assert "7 recordings are lost" in caplog.text
    assert sum(len(files_of(event)) for event in (await call.saved()).events) == 2


@pytest.mark.spec(157)
@virtual
async def test_a_service_that_never_answers_fills_no_memory_and_holds_nobody_back(caplog) -> None:
    call = await Recorded.begin(Shelf(takes_s=1e6), max_file_s=600.0)
    size = MAX_WAITING_BYTES // 4
    for _ in range(5):
        await call.play(audio(bytes(size)), TURN_COMPLETE)
        await call.until(lambda event: event.turn_complete)
    await asyncio.sleep(PATIENCE_S + 0.1)
    assert "too much waits" in caplog.text
    await asyncio.sleep(2 * SAVE_DEADLINE_S)
    assert f"not saved within {SAVE_DEADLINE_S:.0f} s" in caplog.text
    await call.play(audio(), TURN_COMPLETE)
    start = asyncio.get_running_loop().time()
    await call.end()
    assert asyncio.get_running_loop().time() - start < 5
    assert call.order.count("end") == 6
    assert "the run ended before it was saved" in caplog.text
    assert leftovers() == []


@pytest.mark.spec(157)
@virtual
async def test_without_a_service_the_run_goes_on_and_says_so() -> None:
    call = await Call.start(run_config=RunConfig(save_live_blob=True))
    await call.play(audio(), TURN_COMPLETE)
    await call.end()
    assert errors(call) == [("recording_failed", True)]
    assert call.short[-2:] == ["audio", "end"]


# -- how much, and for how long ---------------------------------------------------------------------------------------


@pytest.mark.spec(158)
@pytest.mark.parametrize(("chance", "files"), [(0.09, 1), (0.1, 0), (0.9, 0)])
@virtual
async def test_a_share_of_the_runs_is_recorded(chance: float, files: int) -> None:
    call = await Recorded.begin(chance=chance, sample=0.1)
    for _ in range(3):
        await call.play(audio(), TURN_COMPLETE)
    assert len(await call.names()) == 3 * files
    assert errors(call) == []
    await call.end()


@pytest.mark.spec(158)
@virtual
async def test_sound_or_pictures_alone() -> None:
    for options, kinds in (({"video": False}, ["input", "output"]), ({"audio": False}, ["input"])):
        call = await Recorded.begin(**options)
        await call.speak(pcm(), FRAME)
        await call.play(audio(), TURN_COMPLETE)
        assert [name.split("_")[-3] for name in await call.names()] == kinds
        await call.end()


@pytest.mark.spec(158)
@virtual
async def test_the_newest_stay_and_an_earlier_run_s_count() -> None:
    shelf = InMemoryArtifactService()
    place = {"app_name": "app", "user_id": "u", "session_id": "s"}
    earlier = "adk_live_audio_storage_output_audio_1.pcm"
    for name in (earlier, "note.txt"):
        await shelf.save_artifact(**place, filename=name, artifact=types.Part(text="x"))
    call = await Recorded.begin(shelf, keep_last=2)
    await call.play(audio(), TURN_COMPLETE)
    assert earlier in await call.names()
    await asyncio.sleep(1)
    await call.play(audio(), TURN_COMPLETE)
    await asyncio.sleep(1)
    await call.play(audio(b"\1\1"), TURN_COMPLETE)
    names = await call.names()
    assert (len(names), "note.txt" in names, earlier in names) == (3, True, False)
    await call.play(audio(b"\2\2"))
    await call.end()
    assert await call.data("output_audio") == [b"\1\1", b"\2\2"], "when the run ends, too"


@pytest.mark.spec(158)
@virtual
async def test_old_recordings_go() -> None:
    call = await Recorded.begin(max_age_s=60.0)
    for _ in range(4):
        await call.play(audio(), TURN_COMPLETE)
        await asyncio.sleep(40)
    assert len(await call.names()) == 2
    await call.end()


@virtual
async def test_what_cannot_be_deleted_is_logged(caplog) -> None:
    class Stiff(InMemoryArtifactService):
        async def delete_artifact(self, **_: Any) -> None:
            raise PermissionError("read only")

    call = await Recorded.begin(Stiff(), keep_last=1)
    for _ in range(2):
        await call.play(audio(), TURN_COMPLETE)
        await asyncio.sleep(1)
    assert "are not deleted: read only" in caplog.text
    assert errors(call) == []
    await call.end()


@virtual
async def test_nothing_is_recorded_unless_asked_for() -> None:
    model, shelf = ScriptedModel(), InMemoryArtifactService()
    runner = Runner(
        app_name="app",
        agent=Agent(name="guide", model=model),
        session_service=InMemorySessionService(),
        artifact_service=shelf,
        engine=clocked(),
    )
    call = await Call.start(model=model, runner=runner)
    call.queue.send_realtime(pcm())
    await call.play(audio(), content(turnComplete=True))
    await call.end()
    assert await shelf.list_artifact_keys(app_name="app", user_id="u", session_id=(await call.saved()).id) == []


# -- any order --------------------------------------------------------------------------------------------------------


STEPS = {
    "audio": audio(b"\1\2" * 240),
    "said": said("words ", True),
    "heard": heard("question", True),
    "generated": GENERATION_COMPLETE,
    "interrupted": INTERRUPTED,
    "end": TURN_COMPLETE,
}


async def played(steps: list[str], run_config: RunConfig, shelf: InMemoryArtifactService | None) -> Call:
    model = ScriptedModel()
    runner = Runner(
        app_name="app",
        agent=Agent(name="guide", model=model),
        session_service=InMemorySessionService(),
        artifact_service=shelf,
        engine=clocked(LiveSettings(store_deadline_s=60.0)),  # time for all that is left
    )
    session = await runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
    call = await Call.start(model=model, runner=runner, session=session, run_config=run_config)
    await call.connection()
    for number, step in enumerate(steps):
        if step == "mic":
            call.queue.send_realtime(types.Blob(data=bytes([number, 0]) * 320, mime_type="audio/pcm;rate=16000"))
        elif step == "typed":
            call.queue.send_content(user(f"typed {number}"))
        elif step == "wait":
            await asyncio.sleep(0.7)
        else:
            (await call.connection()).say(STEPS[step])
        await settle()
    await call.end()
    return call


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.sampled_from([*STEPS, "mic", "typed", "wait"]), max_size=25),
    takes_s=st.sampled_from([0.0, 0.01, 0.4, 1.7]),
)
def test_a_recorded_run_is_the_same_conversation_and_its_files_hold_all_of_it(steps: list[str], takes_s: float) -> None:
    async def both() -> None:
        shelf = Shelf(takes_s)
        plain = await played(steps, RunConfig(), None)
        recorded = await played(steps, RunConfig(save_live_blob=True), shelf)
        assert leftovers() == []
        saved = [event for event in (await recorded.saved()).events if not files_of(event)]
        assert [*map(short, saved)] == [*map(short, (await plain.saved()).events)]
        shown = [event for event in recorded.events if not files_of(event) and event.setup_complete is None]
        assert sorted(map(short, shown)) == sorted(plain.short)
        references = [file.file_uri for event in recorded.events for file in files_of(event)]
        kept = [file.file_uri for event in (await recorded.saved()).events for file in files_of(event)]
        names = await shelf.list_artifact_keys(app_name="app", user_id="u", session_id="s")
        assert sorted(references) == sorted(kept) == sorted(f"artifact://app/u/s/_adk_live/{name}#0" for name in names)
        assert len(set(references)) == len(references)
        files = [
            await shelf.load_artifact(app_name="app", user_id="u", session_id="s", filename=name) for name in names
        ]
        sizes = [len(file.inline_data.data or b"") for file in files if file is not None and file.inline_data]
        assert sum(sizes) == steps.count("mic") * 640 + steps.count("audio") * 480

    run_virtual(both())
