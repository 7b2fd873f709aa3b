"""The model callbacks of a live run: they judge what the user says and what the model answers.

What the user types is judged before it is sent. What the user says aloud has reached the model when its transcript is
finished, and is judged then; the answer is judged while it is given. Callbacks may take their time: neither the receive
loop nor anybody's voice waits for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self

from fullduplex.agents.contexts import CallbackContext, InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.model_callbacks import Hook, ask, is_wanted
from fullduplex.errors import CallbackError, FullduplexError, ModelError
from fullduplex.events import Event, EventActions
from fullduplex.live.conversation import Conversation
from fullduplex.live.upstream import as_turn, check
from fullduplex.models.text import LlmRequest, LlmResponse
from fullduplex.plugins import hooks
from fullduplex.requests import LiveRequest
from fullduplex.turns.answer_text import AnswerText
from fullduplex.types.content import Content, Part

logger = logging.getLogger(__name__)


class _Said(NamedTuple):
    """Words of one side, and the number of the turn in which they fell."""

    turn: int
    text: str
    partial: bool = False


class Screening:
    """The screening of one agent's part of a run.

    `question` makes the request that callbacks are shown. `mute` keeps the answer that is yet to come from being heard
    (True) or ends that (False); `interrupt` breaks off the one that is given. `note` takes what the session keeps of
    the user's input.
    """

    def __init__(
        self,
        ctx: InvocationContext,
        agent: LlmAgent,
        *,
        question: Callable[[], LlmRequest],
        conversation: Conversation,
        group: asyncio.TaskGroup,
        note: Callable[[Event], None],
        interrupt: Callable[[], None],
        mute: Callable[[bool], None],
    ) -> None:
        self._ctx = ctx
        self._agent = agent
        self._question = question
        self._conversation = conversation
        self._group = group
        self._note = note
        self._interrupt = interrupt
        self._mute = mute
        self._input = is_wanted(ctx, agent, "before_model_callback")
        self._output = is_wanted(ctx, agent, "after_model_callback")
        self._typed: tuple[LiveRequest, asyncio.Task[LiveRequest | None]] | None = None
        self._spoken: list[_Said] = []
        self._answers: dict[int, _Said] = {}
        self._judge: asyncio.Task[None] | None = None
        self._answer = AnswerText()
        self._turn = 0
        self._replaced = -1
        self._muted = False
        self._is_over = False

    @classmethod
    def of(cls, ctx: InvocationContext, agent: LlmAgent, *, conversation: Conversation, **rest: Any) -> Self | None:
        """The screening that follows `conversation`; None where nobody has anything to judge."""
        screening = cls(ctx, agent, conversation=conversation, **rest)
        if screening._input or screening._output:
            conversation.follow(screening.follow)
        elif not ctx.plugins.wants("on_user_message_callback"):
            return None
        return screening

    def judges(self, request: LiveRequest) -> bool:
        """Whether `request` holds words of the user's. Raises `InvalidInput` for content that no user may send."""
        if request.content is None:
            return False
        check(request.content)
        return not all(part.function_response is not None for part in request.content.parts or ())

    def verdict(self, request: LiveRequest) -> asyncio.Task[LiveRequest | None]:
        """What of `request` may be sent; None when nothing is left. One that comes again is not judged again.

        Who waits must not cancel it: when the line is lost, the sender of the next one asks for it.
        """
        assert request.content is not None
        if self._typed is None or self._typed[0] is not request:
            judging = self._admit(request, as_turn(request.content))
            self._typed = request, self._group.create_task(judging, name="screening of a message")
        return self._typed[1]

    def follow(self, events: list[Event]) -> None:
        """Takes what the conversation has shown; waits for nothing."""
        if self._is_over:
            return
        for event in events:
            if event.input_transcription is not None:
                self._hears(event, event.input_transcription.text)
            elif self._output and self._answer.feed(event):
                self._answers[self._turn] = _Said(self._turn, self._answer.text, partial=True)
            if event.turn_complete or event.interrupted:
                self._turn_over()
        if (self._spoken or self._answers) and (self._judge is None or self._judge.done()):
            self._judge = self._group.create_task(self._work_off(), name="screening")

    async def drain(self, deadline_s: float) -> None:
        """Lets running callbacks finish, for `deadline_s` seconds at most, then cancels them: the part is over."""
        tasks = {task for task in (self._judge, self._typed and self._typed[1]) if task is not None}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=deadline_s)
            for task in late:
                task.cancel()
        self._is_over = True

    # -- what is to be judged -----------------------------------------------------------------------------------------

    def _hears(self, event: Event, text: str | None) -> None:
        if self._muted:  # what was not to be answered has been left behind
            self._muted = False
            self._mute(False)
        if self._input and text and not event.partial:
            self._spoken.append(_Said(self._turn, text))

    def _turn_over(self) -> None:
        if self._output and self._answer.text and self._turn != self._replaced:
            self._answers[self._turn] = _Said(self._turn, self._answer.text)
        self._answer.begin()
        self._turn += 1
        self._muted = False

    async def _work_off(self) -> None:
        while self._spoken or self._answers:
            if self._spoken:
                await self._judge_spoken()
            else:
                await self._judge_answer(self._answers.pop(next(iter(self._answers))))

    # -- judging ------------------------------------------------------------------------------------------------------

    async def _admit(self, request: LiveRequest, content: Content) -> LiveRequest | None:
        context = CallbackContext(self._ctx)
        asked = self._question()

        async def judge() -> LlmResponse | None:
            nonlocal content
            content = await hooks.user_message(self._ctx, content)
            asked.contents = [content]
            return await self._ask("before_model_callback", callback_context=context, llm_request=asked)

        blocked = await self._guarded(judge())
        if blocked is None:
            self._show_changes(context)
            return request.model_copy(update={"content": asked.contents[-1] if asked.contents else content})
        if not request.partial:
            delta = EventActions(state_delta=request.state_delta or {})
            self._note(self._conversation.event(author="user", content=content, actions=delta))
        if self._conversation.in_turn:
            self._interrupt()
        self._say(blocked, context)
        rest = request.model_copy(update={"content": None, "state_delta": None})
        return rest if rest != LiveRequest(partial=rest.partial) else None

    async def _judge_spoken(self) -> None:
        """All that was said while the last judgement took its time is judged at once."""
        said, self._spoken = self._spoken, []
        asked = self._question()
        asked.contents = [Content(role="user", parts=[Part(text=one.text)]) for one in said]
        context = CallbackContext(self._ctx)
        blocked = await self._guarded(self._ask("before_model_callback", callback_context=context, llm_request=asked))
        self._judged(said[-1].turn, blocked, context)

    async def _judge_answer(self, said: _Said) -> None:
        content = Content(role="model", parts=[Part(text=said.text)])
        context = CallbackContext(self._ctx)
        answer = LlmResponse(content=content, partial=said.partial)
        replaced = await self._guarded(self._ask("after_model_callback", callback_context=context, llm_response=answer))
        if replaced is not None and replaced.content is not None and replaced.content.text == said.text:
            replaced = None  # the answer itself, given back
        self._judged(said.turn, replaced, context)

    async def _ask(self, hook: Hook, **arguments: object) -> LlmResponse | None:
        return await ask(self._ctx, self._agent, hook, **arguments)

    async def _guarded(self, judgement: Awaitable[LlmResponse | None]) -> LlmResponse | None:
        """What the callbacks say. One that fails blocks what it was to judge, without a word, and the run goes on."""
        try:
            return _checked(await judgement)
        except Exception as error:  # the boundary of the developer's code
            logger.exception("a model callback of agent %s failed", self._agent.name)
            known = isinstance(error, FullduplexError)
            self._conversation.tell(
                error if known else CallbackError(f"a model callback failed: {type(error).__name__}"), lives_on=True
            )
            return LlmResponse()

    # -- what comes of it ---------------------------------------------------------------------------------------------

    def _judged(self, turn: int, answer: LlmResponse | None, context: CallbackContext) -> None:
        if answer is None:
            self._show_changes(context)
            return
        self._replaced = turn
        self._answers.pop(turn, None)
        if turn != self._turn:
            if not self._conversation.in_turn:  # it is over, but may still be played
                self._conversation.interrupt()
        elif self._conversation.in_turn:
            self._interrupt()
        else:
            self._muted = True
            self._mute(True)
        self._say(answer, context)

    def _say(self, answer: LlmResponse, context: CallbackContext) -> None:
        self._conversation.show(_turn_of(answer, context, self._conversation))

    def _show_changes(self, context: CallbackContext) -> None:
        if context.actions.state_delta or context.actions.artifact_delta:
            self._conversation.show(self._conversation.event(actions=context.actions))


async def excuse(
    error: Exception, ctx: InvocationContext, agent: LlmAgent, question: LlmRequest, conversation: Conversation
) -> bool:
    """Whether a callback has an answer to the model's `error`, which is shown; the run then ends without the error."""
    if not isinstance(error, ModelError):
        return False
    context = CallbackContext(ctx)
    hook: Hook = "on_model_error_callback"
    try:
        answer = _checked(await ask(ctx, agent, hook, callback_context=context, llm_request=question, error=error))
    except Exception:  # the boundary of the developer's code
        logger.exception("a model callback of agent %s failed", agent.name)
        return False
    if answer is not None:
        conversation.show(_turn_of(answer, context, conversation))
    return answer is not None


def _checked(answer: LlmResponse | None) -> LlmResponse | None:
    if answer is not None and not isinstance(answer, LlmResponse):
        raise CallbackError(f"a model callback returns an LlmResponse or None, not {type(answer).__name__}")
    return answer


def _turn_of(answer: LlmResponse, context: CallbackContext, conversation: Conversation) -> Event:
    """`answer` as a turn of its own, unless the model is in the middle of another."""
    content = answer.content
    if content is not None and not content.role:
        content = content.model_copy(update={"role": "model"})
    fields = {name: getattr(answer, name) for name in answer.__struct_fields__}
    fields |= {"content": content, "partial": None}
    ends = None if conversation.in_turn else True
    return conversation.event(turn_complete=ends, actions=context.actions, **fields)
