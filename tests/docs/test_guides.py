"""Tables of the guides that the code can be asked about: settings, what is not there yet, limits, a script in JSON."""

from __future__ import annotations

import importlib

from fullduplex.live.outbox import LIMITS
from fullduplex.live.scribe import MAX_WAITING
from fullduplex.mock_live import Script
from fullduplex.server import ServerSettings, refusals
from fullduplex.turns.media_queue import Limits
from tests.docs.blocks import codes_in, labelled, rows

SERVER = "guides/run-a-server.md"


def test_every_setting_of_the_server_is_told_with_its_default() -> None:
    told = {codes_in(row[0])[0]: row[1].strip("`") for row in rows(SERVER, "field")}
    plain = ServerSettings.model_fields
    assert list(told) == list(plain)
    for name, field in plain.items():
        assert told[name] == ("none" if field.default == () else str(field.default)), name


def test_every_close_code_of_the_server_is_told() -> None:
    told = {row[0] for row in rows(SERVER, "code")}
    ours = {value for name, value in vars(refusals).items() if name.startswith("CLOSE_")}
    assert told == {str(code) for code in ours} | {"1009", "1012"}  # those two are uvicorn's


MISSING = [
    path
    for row in rows("guides/move-from-adk.md", "not there")
    for path in codes_in(row[0])
    if path.startswith("fullduplex.")
]


def test_what_is_said_not_to_be_there_is_not_there() -> None:
    for path in MISSING:
        _, module, *names = path.split(".")
        found: object = importlib.import_module(f"fullduplex.{module}")
        for name in names[:-1]:
            found = getattr(found, name)
        assert not hasattr(found, names[-1]), f"{path} is there by now: take it out of the table"


def test_the_limits() -> None:
    queue = Limits()
    text = {row[0]: " ".join(row) for row in rows("guides/interruptions-and-limits.md", "what")}
    settings = ServerSettings()
    for what, numbers in {
        "audio going up": (f"{queue.max_audio_s:g} s", f"{queue.keep_audio_s:g} s"),
        "video frames going up": (str(queue.max_frames),),
        "text, tool answers of the app, signals": (f"{queue.max_messages:,}",),
        "the same, on the server": (f"{settings.upstream_high_water:,}",),
        "events that the app has not read": (f"{LIMITS.max_audio_s / 60:g} min", f"{LIMITS.max_messages:,}"),
        "events that a store has not written": (f"{MAX_WAITING:,}",),
        "audio for a slow client": (f"{settings.downstream_audio_s:g} s",),
        "other events for a slow client": (f"{settings.downstream_messages:,}",),
    }.items():
        for number in numbers:
            assert number in text[what], what


def test_the_script_in_json_is_one() -> None:
    script = Script.from_json("\n".join(labelled("guides/test-your-agent.md", "story")))
    assert len(script.turns) == 2
