"""Keeps the model within reach, and changes lines so that nothing is lost.

After a loss the next line is opened (`opening`); on a goAway it is opened first, and the change is made at a turn's end
or just before the time is up (`rotation`). Each new line is told what it does not know: from a handle what has happened
since, else the session as it is now (`briefing`); then the input that nobody has acknowledged (`uplink`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.errors import ConnectionLost, ModelError
from fullduplex.events import Event
from fullduplex.live.briefing import Handle, brief
from fullduplex.live.channel import Channel
from fullduplex.live.compression import Compression
from fullduplex.live.farewell import Farewell
from fullduplex.live.greeting import opens
from fullduplex.live.line import Line
from fullduplex.live.opening import Opening
from fullduplex.live.rotation import Rotation
from fullduplex.live.setup import Setup
from fullduplex.live.silence import Silence
from fullduplex.live.tool_runner import ToolRunner
from fullduplex.live.wiring import Wiring
from fullduplex.models.base import LiveModel
from fullduplex.requests import LiveRequest
from fullduplex.types.live import (
    LiveServerAudio,
    LiveServerContent,
    LiveServerMessage,
    LiveServerSessionResumptionUpdate,
)

logger = logging.getLogger(__name__)


class Supervisor:
    """The lines of one agent's part: at most one is in use, one may be opening, and one speaking its last words."""

    __slots__ = (
        "_agent",
        "_answers",
        "_chores",
        "_compression",
        "_conversation",
        "_cut_off",
        "_farewell",
        "_gate",
        "_group",
        "_leave",
        "_line",
        "_opening",
        "_patience_s",
        "_queue",
        "_reader",
        "_rotation",
        "_sent_off",
        "_session",
        "_tools",
        "_uplink",
        "_withdrawn",
        "silence",
    )

    def __init__(
        self,
        *,
        ctx: InvocationContext,
        agent: LlmAgent,
        model: LiveModel,
        setup: Setup,
        channel: Channel,
        tools: ToolRunner,
        wiring: Wiring,
        is_first: bool,
        withdrawn: Callable[[list[str]], None],
    ) -> None:
        self._session = ctx.session
        self._queue = channel.queue
        self._agent = agent
        self._conversation = channel.conversation
        self._answers = channel.answers
        self._tools = tools
        self._withdrawn = withdrawn
        self._gate = channel.gate
        self._group = wiring.group
        self._patience_s = wiring.settings.tool_deadline_s + wiring.settings.send_deadline_s
        self._reader = setup.reader
        fallback = setup.context_fallback
        self._compression = Compression(fallback, setup.reader) if fallback is not None else None
        self._uplink = channel.uplink
        self._opening = Opening(
            model=model,
            setup=setup,
            session=ctx.session,
            group=wiring.group,
            policy=wiring.settings.reconnect,
            ambient=wiring.ambient,
            take=channel.gate.admit(self._take),
            number=channel.next_line,
            is_first=is_first,
        )
        self._rotation = Rotation(self._opening, wiring.group, self._consider_leaving)
        self._line: Line | None = None
        self._leave: asyncio.Future[ConnectionLost | None] | None = None
        self._sent_off = False
        self._cut_off = channel.cut_off
        self._farewell = Farewell(
            session=ctx.session,
            conversation=self._conversation,
            uplink=self._uplink,
            cut_off=self._cut_off,
            in_use=lambda: self._line,
        )
        self._chores: set[asyncio.Task[None]] = set()
        self.silence = Silence(
            conversation=self._conversation,
            tools=tools,
            farewell=self._farewell,
            in_use=lambda: self._line,
            begin=self._begin,
        )

    def prepare(self) -> None:
        """Opens the first line, which waits until the part begins."""
        self._rotation.prepare()

    def discard(self) -> None:
        """The part will not begin after all."""
        if (line := self._rotation.take()) is not None:
            line.leave()

    async def run(self) -> None:
        """One line after another, until the app closes the queue or the model cannot be reached any more."""
        closed = self._queue.closing()
        try:
            line = await self._open(closed)
            while line is not None:
                line = await self._use(line, closed)
        finally:
            closed.cancel()
            for left in (self._line, self._rotation.take(), self._farewell.line):
                if left is not None:
                    left.leave()
            self._line = self._farewell.line = None  # nobody listens to what comes of them yet
            for chore in self._chores:
                chore.cancel()
            self._break_off()

    def _begin(self, chore: Coroutine[None, None, None], name: str) -> None:
        """Begins what goes on beside the line in use, and ends with the part."""
        task = self._group.create_task(chore, name=name)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    # -- one line after another ---------------------------------------------------------------------------------------

    async def _open(self, closed: asyncio.Future[None], lost: ModelError | None = None) -> Line | None:
        """The next line, open; None when nobody wants it any more. Raises what makes it hopeless."""
        refused = False
        while self._uplink.waits() or not self._queue.closed:
            line = self._rotation.take()
            if line is None:
                if lost is not None and not await self._opening.may_try_again(
                    lost, refused=refused, sent_off=self._sent_off, closed=closed, tell=self._tell_of_loss
                ):
                    return None
                if self._queue.closed and not self._uplink.waits():
                    return None
                line = self._opening.new_line(self._opening.handle)
            if not await self._opening.open(line, closed, self._uplink.waits, self._patience_s):
                return None
            if line.is_open:
                self._opening.connected()
                return line
            lost, refused = line.lost or _broken(), True
        return None

    def _tell_of_loss(self, lost: ModelError, delay: float) -> None:
        logger.warning("connection to the model lost (%s); again in %.1f s", lost, delay)
        self._conversation.tell(lost, lives_on=True)

    async def _use(self, line: Line, closed: asyncio.Future[None]) -> Line | None:
        """Talks over `line` to its end; gives the line to go on with, None when the conversation is over."""
        self._line = line
        self._opening.handle = line.handle  # the last line may have given one since: this line's news are none to it
        self._sent_off = False
        leave = self._leave = asyncio.get_running_loop().create_future()
        line.use()
        sender = asyncio.create_task(self._send(line), name="sender")
        try:
            await asyncio.wait({line.task, sender, leave, closed}, return_when=asyncio.FIRST_COMPLETED)
            if closed.done() and not (line.task.done() or sender.done()):
                await self._hang_up(line, sender)
        finally:
            self._leave = None
            sender.cancel()
            await asyncio.wait([sender])
        error = None if sender.cancelled() else sender.exception()
        if error is not None and not isinstance(error, ModelError):
            raise error
        if self._uplink.is_closing and error is None:
            return None
        if leave.done() and error is None and not line.task.done():
            if (hopeless := leave.result()) is not None:
                raise hopeless
            return self._change(line)
        lost = line.lost or error or _broken()
        line.leave()
        self._break_off()
        self._line = None
        return await self._open(closed, lost)

    async def _hang_up(self, line: Line, sender: asyncio.Task[None]) -> None:
        """After `close()` gives the sender its time; a network that takes nothing any more must not keep the run."""
        await asyncio.wait({line.task, sender}, timeout=self._patience_s, return_when=asyncio.FIRST_COMPLETED)
        if not (line.task.done() or sender.done()):
            logger.warning("closed with %d requests unsent: the model takes nothing any more", self._queue.qsize() + 1)
            self._uplink.is_closing = True

    def _break_off(self) -> None:
        """The line is gone: what it was saying ends here, and is to be said anew."""
        self._uplink.backlog.went_on(self._conversation.now())
        self._cut_off |= self._conversation.break_off(input_comes_again=self._uplink.backlog.speech)
        self._gate.broken_off()

    async def _send(self, line: Line) -> None:
        """Tells `line` what it does not know, then what the user says."""
        asked = self._uplink.backlog.asked
        again = self._uplink.take_back(afresh=line.handle is None)
        if line.request.history_follows:
            await self._brief(line, again, asked=asked)
        if (words := opens(self._session, self._agent, line.request)) is not None:
            await line.connection.greet(words)
        await self._uplink.send_again(line)
        line.is_up_to_date = True
        await self._uplink.send(line)

    async def _brief(self, line: Line, again: set[str], *, asked: bool) -> None:
        """Tells `line` what it does not know, and asks for an answer to the user's last words, if that is `asked`, also
        where an answer stands behind them: a line that was left has given it to earlier ones."""
        await self._conversation.kept()
        news = brief(
            self._session.events,
            since=line.handle,
            reader=self._reader,
            cut_off=self._cut_off,
            elsewhere=again,
            running=self._tools.awaited,
            pending=self._tools.pending,
        )
        self._answers.in_history()
        contents = news.contents
        if self._compression is not None and line.handle is None:
            contents = await self._compression.fit(contents)
        is_behind = asked and bool(contents) and contents[-1].role == "model" and not self._tools.awaited
        asks = (news.open_question or is_behind) and not self._uplink.goes_on
        if contents:
            await line.connection.send_history(contents, turn_complete=asks and self._farewell.line is None)
            line.told = line.connection.messages_sent or 0
        if (retired := self._farewell.line) is not None:
            question = contents[-1] if asks else None
            self._begin(self._farewell.speak_out(retired, line, question, news.told), "last words")
        elif asks:
            self._uplink.note(LiveRequest(content=contents[-1]), line)

    # -- hearing ------------------------------------------------------------------------------------------------------

    def _take(self, line: Line, message: LiveServerMessage) -> None:
        """What a message says is shown, and what it asks for is begun. Waits for nothing."""
        if line is not self._line:
            if line is not self._farewell.line:
                return  # a line that was left: nobody waits for its words
            if line.is_deaf:
                message = line.unheard(message)
        elif line.muted or line.skips_turn:
            if line.muted:
                self._uplink.hush()
            message = line.quiet(message)
        elif self._farewell.line is not None and _speaks(message):
            self._farewell.let_go()
        elif type(message) is LiveServerAudio and not line.has_called and self._conversation.hear_on(message):
            return
        spoke = self._conversation.in_turn
        shown = self._conversation.hear(message)
        content = message.server_content
        if line is self._line and self._conversation.in_turn and (not spoke or (line.has_called and _speaks(message))):
            line.has_called = False
            self._uplink.turn_began()
        if content is not None and (content.turn_complete or content.interrupted or content.input_transcription):
            self._follow(line, content)
        if message.tool_call is not None and message.tool_call.function_calls:
            line.calls.update(call.id or "" for call in message.tool_call.function_calls)
            line.has_called = True
            self._tools.start(message.tool_call.function_calls)
            if not self._tools.awaited.isdisjoint(call.id or "" for call in message.tool_call.function_calls):
                self._conversation.called()
            if line is self._farewell.line:
                self._farewell.called()
        if content is not None and content.interrupted:
            self._tools.interrupted()
        if message.tool_call_cancellation is not None:
            self._tools.cancel(message.tool_call_cancellation.ids or [])
            self._withdrawn(message.tool_call_cancellation.ids or [])
            self._ask_later()
        if message.usage_metadata is not None and self._compression is not None:
            self._compression.used(message.usage_metadata.prompt_token_count)
        if line is self._line:
            if message.session_resumption_update is not None:
                self._remember(line, message.session_resumption_update, shown)
            if message.go_away is not None:
                self._send_off(message.go_away.time_left)

    def _follow(self, line: Line, content: LiveServerContent) -> None:
        """Keeps count of what the model has heard and answered."""
        if line is self._line:
            if content.input_transcription is not None and content.input_transcription.finished:
                self._uplink.backlog.transcribed(self._conversation.now())
            if content.interrupted:
                self._uplink.backlog.interrupted(self._conversation.now())
                self._uplink.hush()
            if content.turn_complete and not self._goes_on_elsewhere(line):
                self._uplink.backlog.turn_over()
        if content.turn_complete:
            self._turn_over(line)

    def _goes_on_elsewhere(self, line: Line) -> bool:
        """Whether what the user said is still to be answered when this turn ends: after a tool, or by another agent."""
        return self._uplink.is_held or not self._tools.awaited.isdisjoint(line.calls)

    def _turn_over(self, line: Line) -> None:
        self._cut_off.clear()
        if line is self._farewell.line:
            self._farewell.finished()
        if self._compression is not None and not self._rotation.is_on:
            self._begin(self._compress(self._compression), "compression")
        self._ask_later()
        self._consider_leaving()

    def _ask_later(self) -> None:
        """Something is over: what waited for that is asked now."""
        if self._line is not None and self._farewell.line is None and self._uplink.is_to_ask:
            self._begin(self._uplink.ask_later(self._line), "question")

    def _remember(self, line: Line, update: LiveServerSessionResumptionUpdate, shown: list[Event]) -> None:
        """A handle is taken up when it covers all that was said and done: else the older one and its news are right.

        Speech that was consumed and not put into words yet is covered by the next handle, with its words.
        """
        index = update.last_consumed_client_message_index
        count = int(index) + 1 if index is not None and str(index).isdecimal() else None
        if not (update.resumable and update.new_handle and line.is_up_to_date) or self._uplink.is_engaged:
            return
        if self._farewell.line is not None:
            return  # what that line answers would not be asked again if it were cut off
        if count is not None:
            heard = not self._uplink.backlog.speech_gone_since(line.number, count)
            if count < line.told or self._uplink.backlog.speech_until(line.number, count) or not heard:
                return
            line.told = count
            self._uplink.backlog.consumed(line.number, count)
        elif self._uplink.backlog.speech:
            return
        else:
            self._uplink.backlog.heard()
            self._uplink.backlog.settled()
        if self._rotation.next is not None:
            return  # that line goes on from the older one
        event = next(event for event in shown if event.live_session_resumption_update is not None)
        self._opening.handle = Handle(update.new_handle, event.id)
        self._uplink.backlog.covered(line.number, count)

    # -- changing lines -----------------------------------------------------------------------------------------------

    def _send_off(self, time_left: str | None) -> None:
        self._sent_off = True
        try:
            self._rotation.send_off(time_left)
        except ConnectionLost as lost:
            if self._leave is not None and not self._leave.done():
                self._leave.set_result(lost)

    async def _compress(self, compression: Compression) -> None:
        """Has a fresh line take over, which is told less, when the context has grown too long."""
        await self._conversation.kept()
        if not self._rotation.is_on and self._leave is not None and compression.is_due(self._session.events):
            self._opening.handle = None
            self._rotation.prepare()

    def _consider_leaving(self) -> None:
        following = self._rotation.next
        if following is None or not following.is_open or self._leave is None or self._leave.done():
            return
        if self._rotation.time_is_up or not (self._uplink.is_engaged or self._uplink.backlog.speech):
            self._leave.set_result(None)

    def _change(self, line: Line) -> Line | None:
        """Leaves `line` for the next; in the middle of an answer it may speak on until the next one does."""
        self._farewell.let_go()  # an answer that has outlasted the next line, too
        if self._conversation.in_turn and not self._tools.awaited:
            self._farewell.begin(line)
        else:  # a line that waits for a tool says nothing more
            line.leave()
            self._break_off()
        return self._rotation.take()


def _broken() -> ConnectionLost:
    return ConnectionLost("the line broke off", close_code=1006, recoverable=True)


def _speaks(message: LiveServerMessage) -> bool:
    content = message.server_content
    return message.tool_call is not None or (content is not None and content.model_turn is not None)
