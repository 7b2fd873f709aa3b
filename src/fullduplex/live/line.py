"""One connection to the model, from the wish for it to its end: opened and heard in a task of its own.

A line may be opened long before it is used: then it waits, and what the model says waits with it.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fullduplex.errors import ConnectionLost, ModelError
from fullduplex.live.briefing import Handle
from fullduplex.models.base import ConnectRequest, LiveConnection, LiveModel
from fullduplex.turns.reconnect import NORMAL_CLOSE
from fullduplex.types.live import LiveServerMessage

Take = Callable[["Line", LiveServerMessage], None]


class Line:
    """A connection of one run: the `number`th, going on from `handle` if there is one."""

    __slots__ = (
        "_connection",
        "_opened",
        "_take",
        "_used",
        "calls",
        "handle",
        "has_called",
        "has_finished",
        "is_deaf",
        "is_up_to_date",
        "lost",
        "muted",
        "number",
        "request",
        "skips_turn",
        "task",
        "told",
    )

    def __init__(
        self,
        number: int,
        model: LiveModel,
        request: ConnectRequest,
        *,
        handle: Handle | None,
        group: asyncio.TaskGroup,
        take: Take,
    ) -> None:
        self.number = number
        self.request = request
        self.handle = handle
        self.calls: set[str] = set()
        self.lost: ModelError | None = None
        self.muted = False
        self.is_deaf = False
        self.told = 0
        self.is_up_to_date = not request.history_follows
        self.skips_turn = False
        self.has_called = False  # a tool, since it last spoke
        self.has_finished = False
        self._connection: LiveConnection | None = None
        self._take = take
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._used: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = group.create_task(self._run(model.connect(request)), name=f"line {number}")
        self.task.add_done_callback(lambda _: self._opened.cancel())  # also when it was cancelled before it began

    @property
    def connection(self) -> LiveConnection:
        """The open connection."""
        assert self._connection is not None
        return self._connection

    @property
    def is_open(self) -> bool:
        """Whether the backend has accepted the setup and nothing has ended the connection since."""
        return self._connection is not None and not self.task.done()

    @property
    def was_refused(self) -> bool:
        """Whether it ended before it was open."""
        return self._connection is None and self.lost is not None

    async def opened(self) -> None:
        """Returns when the line is open or will never be (`lost` says why)."""
        await asyncio.wait([self._opened])

    def use(self) -> None:
        """From now on what the model says is taken."""
        if not self._used.done():
            self._used.set_result(None)

    def leave(self) -> None:
        """Ends the connection; nobody need wait until nothing is left of it."""
        self.task.cancel()

    def quiet(self, message: LiveServerMessage) -> LiveServerMessage:
        """`message` without the words of an answer that nobody wants to hear: `muted`, or a turn that is skipped."""
        content = message.server_content
        if message.tool_call is not None:
            self.skips_turn = False
        if content is None:
            return message
        gone = {"model_turn": None, "output_transcription": None, "interrupted": None, "generation_complete": None}
        if content.turn_complete:
            gone |= {"turn_complete": None} if self.skips_turn else {}
            self.muted = self.skips_turn = False
        return message.model_copy(update={"server_content": content.model_copy(update=gone)})

    def unheard(self, message: LiveServerMessage) -> LiveServerMessage:
        """`message` without what the user is said to have said, when `is_deaf`: another line will tell of it."""
        content = message.server_content
        if content is None or content.input_transcription is None:
            return message
        return message.model_copy(update={"server_content": content.model_copy(update={"input_transcription": None})})

    async def _run(self, opening: AbstractAsyncContextManager[LiveConnection]) -> None:
        try:
            async with opening as connection:
                self._connection = connection
                self._opened.set_result(None)
                await self._used
                await connection.listen(functools.partial(self._take, self))
            self.lost = ConnectionLost("the model ended the conversation", close_code=NORMAL_CLOSE, recoverable=True)
        except ModelError as error:
            self.lost = error
