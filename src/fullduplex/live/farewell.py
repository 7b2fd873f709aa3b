"""The last words of a line that was left in the middle of an answer, while the next one listens already.

It may end its answer. The next line is asked for it only when it does not in time, and speaks then in its place.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from fullduplex.errors import ModelError
from fullduplex.live.conversation import Conversation
from fullduplex.live.line import Line
from fullduplex.live.uplink import FLICKER_BYTES, Uplink
from fullduplex.requests import LiveRequest
from fullduplex.sessions import Session
from fullduplex.turns.history import contents_of
from fullduplex.types.content import Content

logger = logging.getLogger(__name__)

LAST_WORDS_S = 0.5
"""How long the line may go on before the next one is asked for the answer."""

LISTEN_EVERY_S = 0.05


class Farewell:
    """At most one line that speaks its last words. The ids of what it left unfinished go into `cut_off`."""

    __slots__ = ("_asked", "_conversation", "_cut_off", "_in_use", "_session", "_uplink", "line")

    def __init__(
        self,
        *,
        session: Session,
        conversation: Conversation,
        uplink: Uplink,
        cut_off: set[str],
        in_use: Callable[[], Line | None],
    ) -> None:
        self._session = session
        self._conversation = conversation
        self._uplink = uplink
        self._cut_off = cut_off
        self._in_use = in_use
        self._asked = False
        self.line: Line | None = None

    def begin(self, line: Line) -> None:
        """`line` is left; what it says goes on to be heard."""
        self._uplink.backlog.went_on(self._conversation.now())
        if self._conversation.finish_input():  # this line answers it; the next one need not hear it
            self._uplink.backlog.transcribed(self._conversation.now())
        line.is_deaf = self._uplink.backlog.speech  # which the next line is sent, and puts into words
        self._cut_off |= self._conversation.unfinished
        self.line = line
        self._asked = False

    async def speak_out(self, retired: Line, line: Line, question: Content | None, told: frozenset[str]) -> None:
        """Lets `retired` speak on; `line` is asked for the answer to `question` when it does not end in time.

        `line` knows the events `told`. Where words of the answer are among them, the question came behind those, and
        `retired` knows nothing of it: then `line` is asked when that has ended.
        """
        is_newer = question is not None and not told.isdisjoint(self._conversation.said)
        await self._listen(retired, math.inf if is_newer else LAST_WORDS_S)
        if is_newer and self.line is retired:
            self.let_go()
        try:
            if retired.has_finished:
                await self._tell_of_it(line, told)
                await self._uplink.ask_later(line)
            if question is not None and self._is_to_be_asked(line, retired, is_newer):
                self._asked = not is_newer
                await line.connection.send_history([], turn_complete=True)
                self._uplink.note(LiveRequest(content=question), line)
        except ModelError as error:
            logger.debug("the next line is gone, too: %s", error)
        await self._listen(retired)
        if self.line is retired and self._in_use() is line:  # else the line after that one sees to it
            self.let_go()

    def _is_to_be_asked(self, line: Line, retired: Line, is_newer: bool) -> bool:
        """Whether the question is still open, and nothing has been said since."""
        if self._in_use() is not line or self._goes_on:
            return False
        return self.line is None if is_newer else self.line is retired

    def finished(self) -> None:
        """The line came to the end of its answer after all: nobody needs it again."""
        if self.line is None:
            return
        following = self._in_use()
        if self._asked and following is not None:
            following.skips_turn = True
        self.line.has_finished = True
        self.line.leave()
        self.line = None

    def called(self) -> None:
        """The line called a tool; the next one is told of the call when the tool has answered."""
        if self.line is not None:
            self.line.has_finished = True
            self.let_go()

    def let_go(self) -> None:
        """The line has said its last word, wherever it was."""
        if self.line is not None:
            self.line.leave()
            self.line = None
            self._cut_off |= self._conversation.break_off(input_comes_again=False)

    async def _listen(self, retired: Line, patience_s: float = math.inf) -> None:
        """Returns when `retired` has nothing more to say or the time is over.

        That line does not hear the user any more: who speaks over it is heard here, and silences it.
        """
        while not retired.task.done() and patience_s > 0:
            await asyncio.wait([retired.task], timeout=min(LISTEN_EVERY_S, patience_s))
            patience_s -= LISTEN_EVERY_S
            if self.line is retired and self._uplink.backlog.loud_bytes > FLICKER_BYTES:
                self._conversation.interrupt()
                self.let_go()

    @property
    def _goes_on(self) -> bool:
        """Whether the user has said something since the line in use was told of the session."""
        return self._uplink.backlog.owed or self._uplink.backlog.speech or self._uplink.goes_on

    async def _tell_of_it(self, line: Line, told: frozenset[str]) -> None:
        said = self._conversation.said - told
        await self._conversation.kept()
        answer = contents_of(event for event in self._session.events if event.id in said)
        if answer and line is self._in_use():
            await line.connection.send_history(answer, turn_complete=False)
            line.told = line.connection.messages_sent or 0
