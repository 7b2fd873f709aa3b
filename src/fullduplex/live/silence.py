"""Ends or keeps back what the agent at work says, for a user or an app that wants silence, and speaks in its place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine

from fullduplex.errors import InvalidInput, ModelError
from fullduplex.live.conversation import Conversation
from fullduplex.live.farewell import Farewell
from fullduplex.live.line import Line
from fullduplex.live.tool_runner import ToolRunner
from fullduplex.types.content import Content, Part

logger = logging.getLogger(__name__)

_INSTEAD = "(Your last answer was stopped before the user heard all of it. The user was told instead: {words})"


class Silence:
    """The silence of one agent's part. `begin` begins what goes on beside the line that is `in_use`."""

    def __init__(
        self,
        *,
        conversation: Conversation,
        tools: ToolRunner,
        farewell: Farewell,
        in_use: Callable[[], Line | None],
        begin: Callable[[Coroutine[None, None, None], str], None],
    ) -> None:
        self._conversation = conversation
        self._tools = tools
        self._farewell = farewell
        self._in_use = in_use
        self._begin = begin

    def interrupt(self) -> None:
        """Silences the answer that is being given, or that was given and still plays, if there is one. What comes of it
        after that is not shown."""
        line = self._in_use()
        if line is None or not self._conversation.in_turn:
            self._conversation.cut_rest()
            return
        self._conversation.interrupt()
        self._tools.interrupted()
        if self._farewell.line is not None:  # that line speaks; the one in use has said nothing yet
            self._farewell.let_go()
            return
        line.muted = True
        self._begin(_ask_for(line), "interruption")

    def fall(self, to_come: bool) -> None:
        """As `interrupt`; silences, too, an answer that was given and may still be heard, or one that is `to_come`."""
        if self._in_use() is not None and self._conversation.in_turn:
            self.interrupt()
            return
        self._conversation.interrupt()
        if to_come:
            self.mute(True)

    def mute(self, muted: bool) -> None:
        """Keeps the answer that is to come from being heard, to the end of its turn; or no longer does."""
        if (line := self._in_use()) is not None:
            line.muted = muted
            if muted:
                self._begin(_ask_for(line), "interruption")

    def say(self, words: str) -> None:
        """Says `words` in the agent's name, in place of an answer that was silenced: aloud if the backend can."""
        if (line := self._in_use()) is None:
            self._write(words)
        else:
            self._begin(self._say(line, words), "fallback")

    async def _say(self, line: Line, words: str) -> None:
        try:
            if await line.connection.speak(words):
                return
        except ModelError as error:
            logger.debug("nobody is there to say it: %s", error)
        self._write(words)
        told = Content(role="user", parts=[Part(text=_INSTEAD.format(words=words))])
        try:
            await line.connection.send_content(told, turn_complete=False)
        except (ModelError, InvalidInput) as error:
            logger.debug("the model could not be told of it: %s", error)

    def _write(self, words: str) -> None:
        content = Content(role="model", parts=[Part(text=words)])
        self._conversation.show(self._conversation.event(content=content, turn_complete=True))


async def _ask_for(line: Line) -> None:
    try:
        await line.connection.interrupt()
    except ModelError as error:
        logger.debug("the model could not be told to stop: %s", error)
