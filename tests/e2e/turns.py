"""What a test reads off the page after a turn: the order of its events, what was said, and how long things took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.web.browser import AUDIBLE, VoicePage

Entry = dict[str, Any]
Message = dict[str, Any]


def parts(message: Message) -> list[dict[str, Any]]:
    """The parts of an event's content."""
    content = message.get("content") or {}
    found: list[dict[str, Any]] = content.get("parts") or []
    return found


def kind_of(entry: Entry) -> str:
    """What an event is about, in one word."""
    message = entry["message"]
    for name in ("functionCall", "functionResponse"):
        if any(name in part for part in parts(message)):
            return name
    if entry["audio"]:
        return "audio"
    for name in ("inputTranscription", "outputTranscription", "interrupted", "generationComplete", "turnComplete"):
        if message.get(name):
            return name
    return "other"


def kinds(entries: list[Entry]) -> list[str]:
    """The kinds of events in order, each run of one kind once."""
    found: list[str] = []
    for entry in entries:
        kind = kind_of(entry)
        if not found or found[-1] != kind:
            found.append(kind)
    return found


def calls(entries: list[Entry]) -> list[tuple[str, dict[str, Any]]]:
    """Names and arguments of the tools that were called."""
    found = (part.get("functionCall") for entry in entries for part in parts(entry["message"]))
    return [(call["name"], call.get("args") or {}) for call in found if call]


def heard(entries: list[Entry]) -> list[str]:
    """What the user was understood to say."""
    return _finished(entries, "inputTranscription")


def said(entries: list[Entry]) -> list[str]:
    """What the agent said, each finished transcript."""
    return _finished(entries, "outputTranscription")


def _finished(entries: list[Entry], name: str) -> list[str]:
    found = (entry["message"].get(name) for entry in entries)
    return [transcription["text"] for transcription in found if transcription and transcription.get("finished")]


async def down(voice: VoicePage, since: float) -> list[Entry]:
    """All that came from the server from `since` on."""
    entries: list[Entry] = await voice.page.evaluate(
        "(since) => fullduplex.events.filter((entry) => entry.at >= since && entry.direction !== 'up')", since
    )
    return entries


async def loud(voice: VoicePage, track: str, since: float) -> list[float]:
    """When each loud quantum of `output` or `input` was rendered or recorded, from `since` on."""
    times: list[float] = await voice.page.evaluate(
        """([track, since, threshold]) =>
             fullduplex.probe[track].levels(since).filter(({ rms }) => rms > threshold).map(({ at }) => at)""",
        [track, since, AUDIBLE],
    )
    return times


@dataclass(frozen=True)
class Delay:
    """From the last loud sample of the microphone to what followed, in ms."""

    transcript: float
    """The user's words are on the page."""
    first_audio: float
    """The answer's first piece of audio has arrived."""
    audible: float
    """Its first audible sample was rendered."""


async def delay_of(voice: VoicePage, since: float) -> Delay:
    """The delays of the turn that was spoken at `since` and is over."""
    end = (await loud(voice, "input", since))[-1]
    entries = await down(voice, since)

    def first(kind: str) -> float:
        return float(next(entry["at"] for entry in entries if kind_of(entry) == kind))

    sounded = await loud(voice, "output", since)
    assert sounded, "the answer was never audible"
    assert sounded[0] > end, "something sounded while the user spoke"
    # The probe dates a quantum by the audio clock, which runs in bursts: never earlier than the audio was there.
    audible = max(sounded[0], first("audio"))
    return Delay(first("inputTranscription") - end, first("audio") - end, audible - end)


async def spoken_lines(voice: VoicePage, since: float, pause_ms: float) -> list[tuple[float, float]]:
    """When each line began and ended that was spoken into one open microphone, lines apart by `pause_ms` or more."""
    bounds: list[tuple[float, float]] = []
    for at in await loud(voice, "input", since):
        if bounds and at - bounds[-1][1] < pause_ms:
            bounds[-1] = (bounds[-1][0], at)
        else:
            bounds.append((at, at))
    return bounds
