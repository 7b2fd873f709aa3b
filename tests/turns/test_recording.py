"""What becomes a file: where audio is cut, that no byte is lost or moved, names, and which files are too old."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fullduplex.turns.recording import Kind, Recording, Recordings, expired
from fullduplex.types.content import Blob

MIC = "audio/pcm;rate=16000"
VOICE = "audio/pcm;rate=24000"


def mic(data: bytes) -> Blob:
    return Blob(data=data, mime_type=MIC)


def voice(data: bytes) -> Blob:
    return Blob(data=data, mime_type=VOICE)


def names(recordings: list[Recording]) -> list[tuple[str, bytes]]:
    return [(recording.filename, recording.data) for recording in recordings]


def test_a_turn_leaves_the_users_file_and_the_agents() -> None:
    recordings = Recordings()
    assert recordings.sent(mic(b"ab"), 1.2349) == []
    assert recordings.received("guide", voice(b"AB"), 2.0) == []
    assert recordings.sent(mic(b"cd"), 2.5) == []
    assert recordings.received("guide", voice(b"CD"), 3.0) == []
    user, agent = recordings.turn_over()
    assert user == Recording(Kind.INPUT_AUDIO, "user", MIC, 1234, b"abcd")
    assert agent == Recording(Kind.OUTPUT_AUDIO, "guide", VOICE, 2000, b"ABCD")
    assert user.filename == "adk_live_audio_storage_input_audio_1234.pcm"
    assert agent.filename == "adk_live_audio_storage_output_audio_2000.pcm"
    assert recordings.turn_over() == []


def test_an_answers_end_leaves_the_users_audio_going_on() -> None:
    recordings = Recordings()
    recordings.sent(mic(b"ab"), 1.0)
    recordings.received("guide", voice(b"AB"), 1.5)
    assert [recording.kind for recording in recordings.answer_over()] == [Kind.OUTPUT_AUDIO]
    recordings.sent(mic(b"cd"), 2.0)
    assert names(recordings.turn_over()) == [("adk_live_audio_storage_input_audio_1000.pcm", b"abcd")]


def test_a_frame_is_a_file_at_once() -> None:
    recordings = Recordings()
    [frame] = recordings.sent(Blob(data=b"jpg", mime_type="image/jpeg"), 7.0)
    assert (frame.filename, frame.author, frame.data) == (
        "adk_live_video_storage_input_video_7000.jpeg",
        "user",
        b"jpg",
    )
    assert recordings.turn_over() == []


def test_what_is_not_wanted_is_not_kept() -> None:
    frame = Blob(data=b"jpg", mime_type="image/jpeg")
    silent, blind = Recordings(audio=False), Recordings(video=False)
    assert silent.sent(mic(b"ab"), 1.0) == silent.received("guide", voice(b"AB"), 1.0) == silent.turn_over() == []
    assert blind.sent(frame, 1.0) == []
    assert len(silent.sent(frame, 1.0)) == 1
    assert Recordings().sent(Blob(data=b"?", mime_type="text/plain"), 1.0) == []
    assert Recordings().sent(Blob(), 1.0) == []


def test_another_speaker_or_format_begins_another_file() -> None:
    recordings = Recordings()
    recordings.received("guide", voice(b"AB"), 1.0)
    assert names(recordings.received("clerk", voice(b"CD"), 2.0)) == [
        ("adk_live_audio_storage_output_audio_1000.pcm", b"AB")
    ]
    [of_clerk] = recordings.received("clerk", Blob(data=b"EF", mime_type=MIC), 3.0)
    assert (of_clerk.author, of_clerk.data) == ("clerk", b"CD")
    assert [(one.author, one.mime_type) for one in recordings.turn_over()] == [("clerk", MIC)]


def test_a_long_turn_is_several_files() -> None:
    recordings = Recordings(max_file_s=2.0)
    second = bytes(32_000)
    done = [one for at in range(5) for one in recordings.sent(mic(second), float(at))] + recordings.turn_over()
    assert [(one.first_ms, len(one.data)) for one in done] == [(0, 64_000), (2000, 64_000), (4000, 32_000)]


def test_a_type_without_a_name_is_no_path() -> None:
    assert Recording(Kind.INPUT_VIDEO, "user", "image/", 1, b"").filename.endswith("_1.bin")


STEPS = st.lists(st.sampled_from(["mic", "voice", "answer over", "turn over"]), max_size=60)


@given(STEPS, st.sampled_from([1.0, 2.5, 600.0]))
def test_no_byte_is_lost_doubled_or_moved(steps: list[str], max_file_s: float) -> None:
    recordings = Recordings(max_file_s=max_file_s)
    went: dict[Kind, bytes] = {Kind.INPUT_AUDIO: b"", Kind.OUTPUT_AUDIO: b""}
    files: list[Recording] = []
    for number, step in enumerate(steps):
        chunk = number.to_bytes(2, "big") * 8000  # half a second of the microphone
        if step == "mic":
            went[Kind.INPUT_AUDIO] += chunk
            files += recordings.sent(mic(chunk), float(number))
        elif step == "voice":
            went[Kind.OUTPUT_AUDIO] += chunk
            files += recordings.received("guide", voice(chunk), float(number))
        else:
            files += recordings.turn_over() if step == "turn over" else recordings.answer_over()
    files += recordings.turn_over()
    for kind, data in went.items():
        assert b"".join(file.data for file in files if file.kind is kind) == data
    assert all(len(file.data) <= (max_file_s + 0.5) * 48_000 for file in files)
    assert len({file.filename for file in files}) == len(files)


# -- retention ------------------------------------------------------------------------------------------------------


def kept_from(*seconds: int) -> list[str]:
    return [f"adk_live_audio_storage_input_audio_{second * 1000}.pcm" for second in seconds]


def test_old_files_expire_and_others_do_not() -> None:
    files = kept_from(30, 10, 20)
    assert expired([*files, "note.txt", "adk_live_notes.txt"], 31.0, max_age_s=15.0) == kept_from(10)
    assert expired(files, 31.0) == []


def test_of_each_kind_the_newest_stay() -> None:
    frames = [f"adk_live_video_storage_input_video_{at}.jpeg" for at in (5, 6, 7)]
    files = kept_from(10, 9, 8)
    assert expired(files + frames, 100.0, keep_last=2) == [frames[0], *kept_from(8)]
    assert expired(files, 100.0, keep_last=1, max_age_s=91.5) == kept_from(8, 9)
