"""Sends the user's input over the line in use, and knows what of it must be sent again over the next.

A request stays ours until the connection has taken it (`_unsent`), and after that until the model is known to have it
(`turns.backlog`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from fullduplex.errors import FullduplexError, InvalidInput, ModelError
from fullduplex.live.ambient import Ambient
from fullduplex.live.answers import Answers
from fullduplex.live.briefing import Reader, exchange
from fullduplex.live.conversation import Conversation
from fullduplex.live.line import Line
from fullduplex.live.screening import Screening
from fullduplex.live.settings import LiveSettings
from fullduplex.live.tool_runner import ToolRunner
from fullduplex.live.upstream import NOTHING, Sent, Upstream, answers_in, as_turn, is_media, kind_of
from fullduplex.requests import LiveRequest, LiveRequestQueue
from fullduplex.sessions import Session
from fullduplex.turns.backlog import Backlog
from fullduplex.turns.ledger import are_silent, is_news
from fullduplex.turns.loudness import is_loud
from fullduplex.turns.utterances import BYTES_A_SECOND, Kind
from fullduplex.types.content import Blob, Content

logger = logging.getLogger(__name__)

NOTED_TOGETHER = 4
"""So many pieces of media that left are noted together: what that takes is in no cache by then, once for all."""
FLICKER_BYTES = 6_400  # 0.2 s: a shorter sound may be none that anybody answers


class Noted(NamedTuple):
    """A request that was sent, and the event that the session keeps of it (None: the session knows nothing of it)."""

    request: LiveRequest
    event_id: str | None = None


class Uplink:
    """The upward side of a channel."""

    def __init__(
        self,
        *,
        queue: LiveRequestQueue,
        session: Session,
        conversation: Conversation,
        upstream: Upstream,
        answers: Answers,
        ambient: Ambient,
        settings: LiveSettings,
    ) -> None:
        self._queue = queue
        self._session = session
        self._conversation = conversation
        self._upstream = upstream
        self._answers = answers
        self._tools: ToolRunner | None = None
        self._screening: Screening | None = None
        self._reader = Reader()
        self.is_held = False
        self._free = asyncio.Event()
        self._free.set()
        self._ambient = ambient
        self._settings = settings
        self._unsent: LiveRequest | None = None
        self._again: list[Noted] = []
        self._known: dict[int, str] = {}  # of requests that wait, by their identity
        self._refused: set[str] = set()
        self._late: Content | None = None
        self._unasked: Content | None = None  # what tools answered, and the model on this line was only told
        self._unheard: list[LiveRequest] = []
        self._settled: list[Noted] = []
        self._backlog: Backlog[Noted] = Backlog()
        self._left: list[tuple[Blob, int, int | None, float]] = []  # media that are still to be noted
        self.is_closing = False
        conversation.last_speech = lambda: self.backlog.last_speech()
        conversation.awaits = lambda: bool(self._awaited)

    def begin(self, tools: ToolRunner, screening: Screening | None, reader: Reader) -> None:
        """Another agent's part begins, which has these tools; `screening` judges what the user types."""
        self._tools = tools
        self._screening = screening
        self._reader = reader
        self._settled = self.backlog.unheard  # what the tools of another agent said: no news for this one
        self.release()

    def hold(self) -> None:
        """Keeps back what comes from now on: it is for the agent that is about to take over."""
        self.is_held = True
        self._free.clear()

    def release(self) -> None:
        """Lets it go, to the agent that is at work by now."""
        self.is_held = False
        self._free.set()

    @property
    def backlog(self) -> Backlog[Noted]:
        """What was sent and the model is not known to have."""
        if self._left:
            self._note_left()
        return self._backlog

    @property
    def _awaited(self) -> frozenset[str]:
        return self._tools.awaited if self._tools is not None else frozenset()

    @property
    def is_engaged(self) -> bool:
        """Whether the model speaks, or owes an answer to words or to a tool, or is still to be asked for one."""
        return self._is_at_work or self._unasked is not None

    @property
    def _is_at_work(self) -> bool:
        return self._conversation.in_turn or self.backlog.owed or self._answers.waiting or bool(self._awaited)

    def waits(self) -> bool:
        """Whether something is still to be sent."""
        return self._unsent is not None or bool(self._again) or self._queue.qsize() > 0

    def unsent(self) -> list[LiveRequest]:
        """What the user has said and is still to be sent; tools' answers are not among it."""
        waiting = [noted.request for noted in self._again]
        waiting += [self._unsent] if self._unsent is not None else []
        waiting += self._queue.waiting()
        return [one for one in waiting if not (one.close or self._answers.is_own(one))]

    def take_back(self, *, afresh: bool) -> set[str]:
        """Makes ready what the next line is to be sent again; gives the ids of the session's events among it."""
        self._unasked = None
        known = {event.id for event in self._session.events}
        if self.backlog.lost_bytes:
            seconds = self.backlog.lost_bytes / BYTES_A_SECOND
            lost = f"{seconds:.0f} s of speech were more than is kept, and cannot be sent again"
            self._conversation.tell(FullduplexError(lost, code="input_dropped"), lives_on=True)
            self.backlog.lost_bytes = 0
        self._unheard = [one.request for one in self.backlog.unheard if one not in self._settled]
        again = self.backlog.take_back(
            afresh=afresh, held=lambda noted: noted.event_id is not None and noted.event_id not in known
        )
        self._again[:0] = [Noted(LiveRequest(blob=one)) if isinstance(one, Blob) else one for one in again]
        return {noted.event_id for noted in self._again if noted.event_id is not None} | set(self._known.values())

    def keep_unsent(self) -> None:
        """The run is over: the session keeps what the user typed and no model was told of, so that the next one is.

        Words that were to be judged first, and are not, are not kept.
        """
        waiting = [self._unsent] if self._unsent is not None else []
        for request in [*waiting, *self._queue.waiting()]:
            if kind_of(request) is not Kind.TURN or id(request) in self._known:
                continue
            try:
                if self._screening is not None and self._screening.judges(request):
                    continue
                self._upstream.keep(request)
                request.content = request.state_delta = None  # a further run may be given this queue
            except InvalidInput as error:
                logger.warning("input refused: %s", error)

    def expect(self, request: LiveRequest, event_id: str) -> None:
        """`request` is about to come by the queue, and the session knows of it already, by this event."""
        self._known[id(request)] = event_id

    def known(self, request: LiveRequest) -> str | None:
        """The event by which the session knows of a request that came by the queue and is taken elsewhere."""
        return self._known.pop(id(request), None)

    def give_up(self) -> tuple[list[Noted], list[LiveRequest]]:
        """For another uplink: what was sent and not answered, and what was about to be sent."""
        self.take_back(afresh=True)
        given, self._again = self._again, []
        unsent = [self._unsent] if self._unsent is not None else []
        self._unsent = None
        return given, unsent

    def take_up(self, given: list[Noted]) -> None:
        """Takes what another uplink has given up; the session knows of it already."""
        self._again += given

    @property
    def goes_on(self) -> bool:
        """Whether the user says more, in what is still to be sent, than the session knows of."""
        again = [noted.request for noted in self._again]
        waiting = [self._unsent] if self._unsent is not None else []
        waiting += self._queue.waiting()
        typed = any(kind_of(request) is Kind.TURN for request in [*again, *waiting])
        blobs = [request.blob for request in [*again, *waiting] if request.blob is not None]
        audio = [blob.data or b"" for blob in blobs if (blob.mime_type or "").startswith("audio/")]
        return typed or sum(len(pcm) for pcm in audio if is_loud(pcm)) > FLICKER_BYTES

    async def send_again(self, line: Line) -> None:
        """Sends what `take_back` made ready."""
        while self._again:
            request, event_id = self._again[0]
            # What a tool said last, and the model perhaps never heard, is still to be told to the user.
            is_news = len(self._again) == 1 and any(one is request for one in self._unheard)
            if not await self._retell(request, line, asks=is_news):
                sent = await self._upstream.send(request, line.connection, noted=True)
                self.note(request, line, Sent(sent.media, event_id))
            del self._again[0]

    async def send(self, line: Line) -> None:
        """One request after another, until the queue is closed and `line` with it."""
        with self._queue.shortcut(self._offer(line)):
            while True:
                if self._unsent is None:
                    # What a full network cannot take waits in the queue, which knows what grows too old.
                    await self._queue.arrival()
                    await line.connection.ready()
                    await self._free.wait()
                    self._unsent = self._queue.take()
                if self._unsent.close:
                    self._unsent = None
                    if await self._close(line):
                        return
                    continue
                try:
                    request = await self._judged(self._unsent, line)
                    if request is not None:
                        await self._deliver(request, line)
                except InvalidInput as error:
                    self._refuse(error, self._unsent)
                self._known.pop(id(self._unsent), None)
                self._unsent = None

    def note(self, request: LiveRequest, line: Line, sent: Sent = NOTHING, waited_s: float = 0.0) -> None:
        """Keeps what was sent, after so long in the queue, until the model is known to have it."""
        count, now = line.connection.messages_sent, self._ambient.now()
        if sent.media is not None:
            self.backlog.media(sent.media, line.number, count, now, waited_s)
        kind = kind_of(request)
        if kind in (Kind.TURN, Kind.ANSWER):
            line.told = count or 0
        is_owed = kind is not Kind.ANSWER or request.content is None or not are_silent(answers_in(request.content))
        if kind is not None and (is_owed or sent.event_id is not None):
            self.backlog.sent(kind, Noted(request, sent.event_id), line.number, count, now)

    def turn_began(self) -> None:
        """The model on the line in use answers, and has what it was told before."""
        self._unasked = None
        self.backlog.turn_began(self._conversation.now())

    def hush(self) -> None:
        """The user wants to hear something else, or nothing: who was only told of an answer is not asked for it."""
        self._unasked = None

    @property
    def is_to_ask(self) -> bool:
        """Whether the model on the line in use was told of an answer, and nobody has asked for it."""
        return self._unasked is not None

    async def ask_later(self, line: Line) -> None:
        """Asks for what tools answered in the middle of something else, if nothing goes on any more."""
        if self._unasked is None or self._is_at_work or self.is_held or self.backlog.speech or self.goes_on:
            return
        asked, self._unasked = LiveRequest(content=self._unasked), None
        try:
            await line.connection.send_history([], turn_complete=True)
            self.note(asked, line)
        except ModelError as error:
            logger.debug("the line is gone, and the next one is told of it: %s", error)

    def _offer(self, line: Line) -> Callable[[Blob], bool]:
        """The short way of media: past the queue, when nothing waits in it."""
        connection, number = line.connection, line.number
        passes, send_now, tap = self._upstream.passes, connection.offer_realtime, self._upstream.tap
        left, now = self._left, self._ambient.now

        def offer(blob: Blob) -> bool:
            if self.is_held or not (passes(blob) and send_now(blob)):
                return False
            # A copy, because the app may use its blob again.
            left.append((blob.__copy__(), number, connection.messages_sent, now()))
            if tap is not None:
                tap(blob)
            if len(left) >= NOTED_TOGETHER:
                self._note_left()
            return True

        return offer

    def _note_left(self) -> None:
        while self._left:
            blob, number, count, at = self._left.pop(0)
            self._upstream.meter(blob, at)
            self._backlog.media(blob, number, count, at)

    async def _judged(self, request: LiveRequest, line: Line) -> LiveRequest | None:
        """What of `request` may be sent. While that is judged, media flows on until something else stands before it."""
        if self._screening is None or not self._screening.judges(request):
            return request
        verdict = self._screening.verdict(request)
        while not verdict.done():
            arrival = asyncio.create_task(self._queue.arrival(), name="watch for media")
            try:
                await asyncio.wait({verdict, arrival}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrival.cancel()
                await asyncio.wait([arrival])
            if not any(is_media(waiting) for waiting in self._queue.waiting()[:1]):
                await asyncio.wait([verdict])
            elif not verdict.done():
                await self._overtake(self._queue.take(), line)
        return verdict.result()

    async def _overtake(self, media: LiveRequest, line: Line) -> None:
        try:
            await self._deliver(media, line)
        except InvalidInput as error:
            self._refuse(error, media)
        except ModelError:
            self._again.append(Noted(media))
            raise

    async def _deliver(self, request: LiveRequest, line: Line) -> None:
        if not self._answers.wanted(request):
            return
        if request.content is not None and not self._answers.is_own(request):
            request.content = self._from_app(request.content)
            if request.content is None:
                return
        known = self._known.get(id(self._unsent))
        if not await self._retell(request, line, asks=True, event_id=known):
            self._note_left()  # it left before this
            media, event_id = await self._upstream.send(request, line.connection)
            self.note(request, line, Sent(media, event_id or known), self._queue.waited_s)
            if kind_of(request) is Kind.TURN:
                self._conversation.typed(self._queue.waited_s)
        self._answers.sent(request)

    async def _retell(self, request: LiveRequest, line: Line, *, asks: bool, event_id: str | None = None) -> bool:
        """Tells the model on `line` of answers to calls that it did not make; whether `request` is that."""
        answers = answers_in(request.content) if request.content is not None else []
        if not answers or any(answer.id in line.calls for answer in answers):
            return False
        news = exchange(self._session.events, answers, self._reader)
        if not news.contents:
            return False
        # In the middle of something else it would interrupt: then the model only learns of it, and is asked later.
        elsewhere = (self.backlog.owed and not news.open_question) or bool(self._awaited)
        busy = self._conversation.in_turn or self.backlog.speech or elsewhere
        wanted = not are_silent(answers)
        asks = asks and not busy and wanted
        await line.connection.send_history(news.contents, turn_complete=asks)
        # What a tool says while it works on is in no session; what the app answers late may not be in it yet.
        if asks or request.partial or event_id is not None:
            self.note(request, line, Sent(None, event_id))
        else:  # the model owes nothing for it: the answer to come, of another tool or to the user, asks
            line.told = line.connection.messages_sent or 0
        if wanted:
            self._unasked = None if asks else request.content
        return True

    def _from_app(self, content: Content) -> Content | None:
        """What of `content` is for the model: decisions are for the tools. The session keeps answers that come late."""
        rest = self._tools.take(content) if self._tools is not None else content
        if rest is not None and rest is not self._late and is_news(self._session.events, answers_in(rest)):
            self._late = rest  # which may have to be sent twice
            event = self._conversation.event(author="user", content=as_turn(rest))
            self._conversation.note(event)
            self._known[id(self._unsent)] = event.id
        return rest

    def _refuse(self, error: InvalidInput, request: LiveRequest) -> None:
        """Tells of input that no model could read. Of media, which comes many times a second, once for each reason."""
        self._answers.sent(request)
        if request.blob is not None:
            if error.code in self._refused:
                return
            self._refused.add(error.code)
        logger.warning("input refused: %s", error)
        self._conversation.tell(error, lives_on=True)

    async def _close(self, line: Line) -> bool:
        """Ends the conversation, unless tools have given answers meanwhile: those are to be sent first."""
        if not self.is_closing:
            self.is_closing = True
            if self._tools is not None:
                await self._tools.drain(self._settings.tool_deadline_s)
            if self._queue.qsize():
                return False
        await line.connection.close()
        return True
