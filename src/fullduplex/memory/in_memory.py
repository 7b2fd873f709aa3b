"""Memories in the memory of this process: for laptops and tests. They are gone when the process is."""

from __future__ import annotations

from collections import Counter, defaultdict

from fullduplex.memory.base import (
    MOST_FOUND,
    BaseMemoryService,
    Said,
    SearchMemoryResponse,
    asked_words,
    entry_of,
    said_in,
)
from fullduplex.sessions import Session


class InMemoryMemoryService(BaseMemoryService):
    """Keeps what was said in dicts, and looks at all of a user's memories in each search."""

    def __init__(self) -> None:
        self._said: defaultdict[tuple[str, str], dict[tuple[str, str], Said]] = defaultdict(dict)

    async def add_session_to_memory(self, session: Session) -> None:
        """See `BaseMemoryService`."""
        known = self._said[session.app_name, session.user_id]
        for said in said_in(session):
            known.setdefault((session.id, said.event_id), said)

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        """See `BaseMemoryService`."""
        asked = frozenset(asked_words(query))
        fitting = [said for said in self._said.get((app_name, user_id), {}).values() if said.words & asked]
        counts = Counter(word for said in fitting for word in said.words & asked)

        def rank(said: Said) -> tuple[float, float]:
            # Rounded, so that equals stay equal in whatever order they are summed.
            return round(sum(1 / counts[word] for word in said.words & asked), 6), said.timestamp

        best = sorted(fitting, key=rank, reverse=True)[:MOST_FOUND]
        entries = [entry_of(one.event_id, one.author, one.timestamp, one.content.model_copy(deep=True)) for one in best]
        return SearchMemoryResponse(memories=entries)
