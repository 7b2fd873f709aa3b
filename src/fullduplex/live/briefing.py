"""What a connection that takes over is told of the session: what happened since the point that it remembers.

A connection that goes on from a handle remembers all up to that handle; a fresh one remembers nothing. Told is what was
said and done to its end, by this agent and, quoted, by others. An answer that the loss cut off is left out, so that its
question is answered anew; so is a call until its tool has answered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fullduplex.events import Event
from fullduplex.tools.flow import COMPLETED
from fullduplex.tools.streaming import PENDING
from fullduplex.turns.approvals import open_requests
from fullduplex.turns.history import contents_of
from fullduplex.turns.ledger import are_silent
from fullduplex.turns.quoting import is_others
from fullduplex.turns.recall import on_branch
from fullduplex.types.content import Content, FunctionResponse, Part


@dataclass(frozen=True)
class Handle:
    """A point that a backend can go on from: its name for it, and the last event of the session that it covers.

    An id that the session does not know (an empty one, for instance) means that it covers none of these events.
    """

    name: str
    event_id: str


@dataclass(frozen=True)
class Reader:
    """Through whose eyes a session is read: an agent on a branch, which of other agents is told in quotations.

    With `only_open` it is told no more than what was said in that run and is not answered yet.
    """

    agent: str | None = None
    branch: str | None = None
    only_open: str | None = None


@dataclass(frozen=True)
class Briefing:
    """Turns to be told, oldest first; whether the model is to answer the last of them; the ids of the events told."""

    contents: list[Content]
    open_question: bool
    told: frozenset[str] = frozenset()


def brief(
    events: Sequence[Event],
    *,
    since: Handle | None,
    reader: Reader = Reader(),
    cut_off: Collection[str] = (),
    elsewhere: Collection[str] = (),
    running: Collection[str] = (),
    pending: Collection[str] = (),
) -> Briefing:
    """What a connection is told that goes on from `since`, or from nothing.

    `cut_off` holds the ids of the words of an answer that a loss cut off: they are told if the user has said something
    since, else they are left out, also when another agent was to give the answer and has handed over. `elsewhere` holds
    the ids of what the connection learns in another way, and `running` the calls whose tools work: the model is asked
    nothing until they have answered, nor while a call waits for the user's approval, unless the user went on meanwhile.
    `pending` holds the calls for whose answers no model waits: it is told that they are pending, lest it call again.
    """
    news = [event for event in on_branch(_after(events, since), reader.branch) if event.id not in elsewhere]
    if reader.only_open is not None:
        news = _open(news, reader.only_open)
    answered = {answer.id for event in events for answer in event.get_function_responses()}
    told = _told(events, news, answered, pending)
    asking = _asking(told, reader.agent)
    if cut_off and (asking is None or _is_by_another(asking, reader.agent)):
        told = _told(events, _without_rest(news, cut_off), answered, pending)
        asking = _asking(told, reader.agent)
    asks = asking is not None
    contents = contents_of(told, agent=reader.agent) if asks or reader.only_open is None else []
    approvals = {request.call.id for request in open_requests(events).values()}
    ids = frozenset(event.id for event in told) if contents else frozenset[str]()
    return Briefing(contents, open_question=asks and not _is_working(news, {*running, *approvals}), told=ids)


def _asking(told: Sequence[Event], agent: str | None) -> Event | None:
    """What is for `agent` to answer, if the last that was said is: the user's words, what a tool answered, or that
    another agent has handed over. What that agent said before may have been put into words only afterwards."""
    spoke: set[str] = set()
    silent: set[str | None] = set()  # calls of whose answers the model says nothing
    is_over = False
    for event in reversed(told):
        answers = event.get_function_responses()
        if _is_by_another(event, agent):
            if hands_over(event):
                return event if spoke <= {event.author} else None
            # Its tools may answer, and its recordings be kept, long after it has gone.
            if not answers and contents_of([event], agent=agent):
                spoke.add(event.author)
        elif answers and are_silent(answers):
            silent |= {answer.id for answer in answers}
        elif (calls := event.get_function_calls()) and all(call.id in silent for call in calls):
            pass
        elif contents := contents_of([event], agent=agent):
            return event if not (spoke or (silent and is_over)) and contents[-1].role != "model" else None
        elif event.turn_complete:
            is_over = True
    return None


def _is_by_another(event: Event, agent: str | None) -> bool:
    return agent is not None and is_others(event, agent)


def hands_over(event: Event) -> bool:
    """Whether an agent's part ended with this answer of a tool, so that another agent goes on."""
    actions = event.actions
    completed = any(answer.name == COMPLETED for answer in event.get_function_responses())
    return bool(actions.transfer_to_agent or actions.end_of_agent or actions.escalate or completed)


def _open(news: Sequence[Event], run: str) -> list[Event]:
    """From the user's last words in this run on."""
    words = (number for number, event in enumerate(news) if event.invocation_id == run and _is_users(event))
    last = max(words, default=len(news))
    return list(news[last:])


def _is_working(news: Sequence[Event], running: Collection[str | None]) -> bool:
    """Whether a tool works on what the user said last."""
    for event in reversed(news):
        if _is_users(event):
            return False
        if any(call.id in running for call in event.get_function_calls()):
            return True
    return False


def _without_rest(news: Sequence[Event], cut_off: Collection[str]) -> list[Event]:
    """`news` without the words of a broken answer, and without what an interruption left of the one before it."""
    last = max((number for number, event in enumerate(news) if _is_users(event)), default=-1)
    return [
        event
        for number, event in enumerate(news)
        if event.id not in cut_off and not (event.interrupted and number > last and not _corrects(event))
    ]


def _corrects(event: Event) -> bool:
    """Whether it tells how to read the words of an answer that was given before."""
    return event.heard is not None and bool(event.heard.cuts)


def _is_users(event: Event) -> bool:
    """Whether the user speaks in it: a recording of the user is nothing that was said."""
    return event.author == "user" and bool(contents_of([event])) and not event.get_function_responses()


def exchange(events: Sequence[Event], answers: Sequence[FunctionResponse], reader: Reader = Reader()) -> Briefing:
    """Calls and their answers as turns, for a model that does not know of the calls; empty if the session does not
    either. The question is open unless the user has gone on since the calls."""
    ids = {answer.id for answer in answers}
    called = [event for event in events if any(call.id in ids for call in event.get_function_calls())]
    if not called:
        return Briefing([], open_question=False)
    answer = Event(content=Content(role="user", parts=[Part(function_response=one) for one in answers]))
    told = [event for event in (_finished(one, ids) for one in called) if event is not None]
    answer.author = called[-1].author
    return Briefing(contents_of([*told, answer], agent=reader.agent), open_question=_is_working(events, ids))


def _after(events: Sequence[Event], since: Handle | None) -> Sequence[Event]:
    if since is None:
        return events
    covered = (index for index in range(len(events) - 1, -1, -1) if events[index].id == since.event_id)
    return events[next(covered, -1) + 1 :]


def _told(
    events: Sequence[Event], news: Sequence[Event], answered: Collection[str | None], pending: Collection[str]
) -> list[Event]:
    """`news` without what is unfinished, and with the calls that its answers belong to."""
    told: list[Event] = []
    for one in news:
        if (event := _finished(one, {*answered, *pending})) is not None:
            told += [event, *_pending(event, pending)]
    return _with_calls(events, told)


def _pending(event: Event, pending: Collection[str]) -> list[Event]:
    """The answer that the calls of `event` have until their tools give one."""
    answers = [
        FunctionResponse(id=call.id, name=call.name, response=dict(PENDING))
        for call in event.get_function_calls()
        if call.id in pending
    ]
    content = Content(role="user", parts=[Part(function_response=answer) for answer in answers])
    return [Event(author=event.author, content=content)] if answers else []


def _finished(event: Event, answered: Collection[str | None]) -> Event | None:
    """`event` without the calls that have no answer yet."""
    calls = event.get_function_calls()
    if all(call.id in answered for call in calls):
        return event
    parts = event.content.parts or [] if event.content is not None else []
    kept = [part for part in parts if part.function_call is None or part.function_call.id in answered]
    if not kept:
        return None
    return event.model_copy(update={"content": Content(role="model", parts=kept)})


def _with_calls(events: Sequence[Event], told: list[Event]) -> list[Event]:
    """`told`, and before each answer its call if that was made before, or has been answered already."""
    known = {call.id for event in told for call in event.get_function_calls()}
    answered: set[str | None] = set()
    whole: list[Event] = []
    for event in told:
        answered.difference_update(call.id for call in event.get_function_calls())
        ids = {answer.id for answer in event.get_function_responses()}
        missing = (ids - known) | (ids & answered)
        answered |= ids
        if missing:
            whole += [
                one
                for earlier in events
                if any(call.id in missing for call in earlier.get_function_calls())
                and (one := _finished(earlier, missing)) is not None
            ]
        whole.append(event)
    return whole
