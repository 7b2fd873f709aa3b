"""What of a live conversation becomes a file: audio cut at the turns, frames of video one by one, and their names.

Bytes are joined as they went up and came down, nothing is converted. Where the files are kept, and what an app is told
of them, is the business of `live.recorder`. No clock here: time comes in as an argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from fullduplex.turns.media_queue import audio_seconds
from fullduplex.types.content import Blob


class Kind(Enum):
    """Whose media a file holds; the value stands in its name."""

    INPUT_AUDIO = "audio_storage_input_audio"
    OUTPUT_AUDIO = "audio_storage_output_audio"
    INPUT_VIDEO = "video_storage_input_video"


_NAME = re.compile(rf"adk_live_({'|'.join(kind.value for kind in Kind)})_(\d+)\.")


@dataclass(frozen=True, slots=True)
class Recording:
    """A file: whose it is, the time of its first chunk (milliseconds since the epoch), and its bytes."""

    kind: Kind
    author: str
    mime_type: str
    first_ms: int
    data: bytes

    @property
    def filename(self) -> str:
        """Its name, which tells the kind, the time and the type."""
        subtype = self.mime_type.partition(";")[0].partition("/")[2].strip()
        return f"adk_live_{self.kind.value}_{self.first_ms}.{subtype or 'bin'}"


class _Track:
    """One side's audio since the last cut."""

    def __init__(self, kind: Kind, max_file_s: float) -> None:
        self._kind = kind
        self._max_file_s = max_file_s
        self._chunks: list[bytes] = []
        self._seconds = 0.0
        self._first = 0.0
        self._source: tuple[str, str | None] = ("", None)

    def add(self, author: str, blob: Blob, now: float) -> list[Recording]:
        """Takes a chunk; gives the files that end with it: another speaker or format begins, or the file is full."""
        source = (author, blob.mime_type)
        ended = self.cut() if source != self._source else []
        if not self._chunks:
            self._source, self._first = source, now
        self._chunks.append(blob.data or b"")
        self._seconds += audio_seconds(len(self._chunks[-1]), blob.mime_type)
        return [*ended, *self.cut()] if self._seconds >= self._max_file_s else ended

    def cut(self) -> list[Recording]:
        """What has come so far, as one file; none when that is nothing."""
        data = b"".join(self._chunks)
        self._chunks, self._seconds = [], 0.0
        author, mime_type = self._source
        return [Recording(self._kind, author, mime_type or "", int(self._first * 1000), data)] if data else []


class Recordings:
    """The media of one run on their way into files. No file holds more than about `max_file_s` seconds of audio."""

    def __init__(self, *, audio: bool = True, video: bool = True, max_file_s: float = 120.0) -> None:
        self._audio = audio
        self._video = video
        self._input = _Track(Kind.INPUT_AUDIO, max_file_s)
        self._output = _Track(Kind.OUTPUT_AUDIO, max_file_s)

    def sent(self, blob: Blob, now: float) -> list[Recording]:
        """Takes media that the model was sent at `now` (seconds since the epoch); gives the files that it completes."""
        mime_type = blob.mime_type or ""
        if self._audio and mime_type.startswith("audio/"):
            return self._input.add("user", blob, now)
        if self._video and mime_type.startswith("image/") and blob.data:
            return [Recording(Kind.INPUT_VIDEO, "user", mime_type, int(now * 1000), blob.data)]
        return []

    def received(self, author: str, blob: Blob, now: float) -> list[Recording]:
        """Takes what the agent `author` said at `now`; gives the files that it completes."""
        if self._audio and (blob.mime_type or "").startswith("audio/"):
            return self._output.add(author, blob, now)
        return []

    def answer_over(self) -> list[Recording]:
        """The agent has said all, or was interrupted: its audio. The user's goes on."""
        return self._output.cut()

    def turn_over(self) -> list[Recording]:
        """A turn, or the run, is over: the user's audio, then the agent's."""
        return [*self._input.cut(), *self._output.cut()]


def expired(
    names: Iterable[str], now: float, *, max_age_s: float | None = None, keep_last: int | None = None
) -> list[str]:
    """Which of the files `names` are too old at `now`, or beyond the newest `keep_last` of their kind; oldest first.

    Names that are none of a recording's are passed over.
    """
    found = [(int(match[2]), match[1], name) for name in names if (match := _NAME.match(name))]
    old: list[str] = []
    seen: dict[str, int] = {}
    for first_ms, kind, name in sorted(found, reverse=True):
        seen[kind] = seen.get(kind, 0) + 1
        too_old = max_age_s is not None and first_ms < (now - max_age_s) * 1000
        if too_old or (keep_last is not None and seen[kind] > keep_last):
            old.append(name)
    return old[::-1]
