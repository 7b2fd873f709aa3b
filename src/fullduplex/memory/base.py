"""What a memory is made of, and the interface of the services that keep memories. Nothing is stored here.

A search finds what shares a word with the question, whole words, without regard to capitals. The rarer a word is among
the user's memories, the more it counts; of equals the newest comes first. All services follow this one rule.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from fullduplex.events import Event
from fullduplex.sessions import Session
from fullduplex.turns.history import as_heard
from fullduplex.types.content import Content, Part
from fullduplex.types.struct import Message

MOST_FOUND = 20
_LONGEST_WORD = 64
_MOST_ASKED = 100
_WORD = re.compile(r"[^\W_]+")


class MemoryEntry(Message):
    """Something that was said; `timestamp` is ISO 8601 in UTC."""

    content: Content
    author: str | None = None
    timestamp: str | None = None
    id: str | None = None


def _no_memories() -> list[MemoryEntry]:
    return []


class SearchMemoryResponse(Message):
    """What a search found, the best first."""

    memories: list[MemoryEntry] = msgspec.field(default_factory=_no_memories)


class BaseMemoryService(ABC):
    """A store of what was said, kept apart by app and user."""

    @abstractmethod
    async def add_session_to_memory(self, session: Session) -> None:
        """Remembers what was said in `session`: text, and finished transcripts of speech. A session may be added again
        as it grows, in whole or in part: each event is remembered once."""

    @abstractmethod
    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        """The memories of this user of this app that fit `query` best, 20 at most; none when no word of it is known."""


class Said(NamedTuple):
    """What is remembered of one event; `timestamp` is in seconds since the epoch."""

    event_id: str
    author: str
    timestamp: float
    content: Content
    words: frozenset[str]


def said_in(session: Session) -> list[Said]:
    """What is worth remembering of a session, an event once, and no more of an answer than was heard."""
    found = {}
    for event in as_heard(session.events):
        content = _content(event)
        if content is not None and (words := words_of(content.text)):
            found[event.id] = Said(event.id, event.author, event.timestamp, content, words)
    return list(found.values())


def entry_of(event_id: str, author: str, timestamp: float, content: Content) -> MemoryEntry:
    """What was said, as a search gives it back; `timestamp` is in seconds since the epoch."""
    when = datetime.fromtimestamp(timestamp, UTC).isoformat()
    return MemoryEntry(content=content, author=author, timestamp=when, id=event_id)


def words_of(text: str) -> frozenset[str]:
    """The words of `text`, as they are compared."""
    return frozenset(word[:_LONGEST_WORD] for word in _WORD.findall(text.casefold()))


def asked_words(query: str) -> list[str]:
    """The words of a question; of a very long one the longest, which say most."""
    return sorted(words_of(query), key=lambda word: (-len(word), word))[:_MOST_ASKED]


def _content(event: Event) -> Content | None:
    if event.partial:
        return None
    for transcription, role in ((event.input_transcription, "user"), (event.output_transcription, "model")):
        if transcription is not None and transcription.finished and transcription.text:
            return Content(role=role, parts=[Part(text=transcription.text)])
    if event.content is None:
        return None
    texts = [part.text for part in _parts(event.content) if part.text and not part.thought]
    return Content(role=event.content.role or "user", parts=[Part(text=text) for text in texts]) if texts else None


def _parts(content: Content) -> Iterable[Part]:
    return content.parts or ()
