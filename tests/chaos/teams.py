"""A team on a bad network: agents that hand over to one another, and whose tools block, do not, go on, or ask first."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from fullduplex import Agent, types
from fullduplex.agents.speech_guard import SpeechGuard
from fullduplex.events import Event
from fullduplex.mock_live import Conversation, Reactor, Step, UserTurn, call, say, tool_call, tool_calls
from fullduplex.mock_live.records import Connection
from fullduplex.tools import FunctionTool, ToolContext
from fullduplex.turns.approvals import CONFIRMATION
from fullduplex.types.config import Behavior, FunctionResponseScheduling

from .model import ended, tokens
from .plan import AN_UTTERANCE, Fault, Plan, make
from .scenes import MemoryScene
from .trial import Job, Trial

NAMES = ("root", "helper", "expert")
TRANSFER = "transfer_to_agent"
NEWS = 3
LONGEST_STALL_S = 3.0
"""A handover may wait for as long beside it, and the queue keeps 5 s of speech: it tells of what it drops."""

_CALLED = re.compile(r"called tool `(\w+)` with parameters: {[^}]*\"job\":\"(\w+)\"")
_RETURNED = re.compile(r"`(\w+)` tool returned result: {[^}]*\"job\":\"(\w+)\"")
_NAME = re.compile(r"Your internal name is \"(\w+)\"")

Tool = Literal["work", "dig", "watch", "pay"]


@dataclass(frozen=True)
class Deed:
    """How a turn is answered: by whom (None: whoever is asked), and with which tool.

    A handover is thought over for so many `seconds`; `along`: the tool is called in the message that hands over.
    """

    owner: str | None
    tool: Tool | None
    seconds: float
    preface: bool
    audio_ms: int
    along: bool


@dataclass(frozen=True)
class Team:
    """Who works in a trial, who of them is guarded, whether it is recorded, and how long the user takes for a yes."""

    plan: Plan
    names: tuple[str, ...]
    guarded: tuple[str, ...]
    recorded: bool
    decides_s: float

    @classmethod
    def of(cls, plan: Plan) -> Team:
        chance = random.Random(f"team {plan.seed}")
        names = NAMES[: chance.randint(2, 3)]
        guarded = tuple(name for name in names if chance.random() < 0.2)
        return cls(plan, names, guarded, chance.random() < 0.3, chance.uniform(0.2, 3.0))

    def deed(self, label: str) -> Deed:
        """How the turn with this label is answered: the same each time, whoever is asked."""
        chance = random.Random(f"deed {self.plan.seed} {label}")
        owner = chance.choice(self.names) if chance.random() < 0.7 else None
        tool: Tool | None = chance.choice(["work", "dig", "watch", "pay"]) if chance.random() < 0.5 else None  # type: ignore[arg-type]
        return Deed(
            owner,
            tool,
            chance.uniform(0.0, 2.0),
            chance.random() < 0.4,
            chance.randrange(600, 3000, 20),
            chance.random() < 0.3,
        )


def make_team(seed: int) -> Team:
    """The team and its plan: the faults of `plan`, and handovers that nobody asked for, at any time."""
    plan = make(seed)
    faults = tuple(
        replace(one, seconds=min(one.seconds, LONGEST_STALL_S)) if one.kind == "stall" else one for one in plan.faults
    )
    chance = random.Random(f"handovers {seed}")
    times = [round(chance.uniform(0.5, plan.acts[-1].ends + 2.0), 3) for _ in range(chance.randint(0, 2))]
    # What moves the model to hand over has reached it: it does not while nothing does.
    deaf = [(fault.at, fault.ends + 0.5) for fault in faults if fault.kind in ("stall", "blackhole")]
    handovers = (Fault("hand_over", at) for at in times if not any(begin < at < end for begin, end in deaf))
    return Team.of(replace(plan, faults=(*faults, *handovers)))


# -- the model --------------------------------------------------------------------------------------------------------


def who(connection: Connection | Conversation) -> str:
    """The agent that a connection speaks for."""
    instruction = connection.setup.get("systemInstruction") or {}
    text = "".join(part.get("text") or "" for part in instruction.get("parts") or [])
    found = _NAME.search(text)
    return found[1] if found else ""


def hand_over(team: Team) -> Any:
    """The model hands over to another agent, of its own accord."""
    chance = random.Random(f"targets {team.plan.seed}")

    def step(connection: Connection) -> Step:
        others = [name for name in team.names if name != who(connection)]
        return tool_call(TRANSFER, {"agent_name": chance.choice(others)})

    return step


def make_reactor(team: Team) -> Reactor:
    """Whoever is asked hands over to the turn's owner; that one calls the tool, if there is one, once, and answers."""

    def react(turn: UserTurn, talk: Conversation) -> Sequence[Step]:
        if turn.kind == "tool_response":
            return _told_by_tools(team, turn, talk)
        label = _latest([turn.text]) or _latest(talk.texts("user"))
        return _answer(team, label, talk) if label is not None else []

    return react


def _told_by_tools(team: Team, turn: UserTurn, talk: Conversation) -> Sequence[Step]:
    steps: list[Step] = []
    for answer in turn.function_responses:
        name, told = answer.get("name"), answer.get("response") or {}
        if name == TRANSFER:
            continue
        if name in ("dig", "watch"):
            if "job" in told:
                return [say(f"Found it for {told['job']}.", audio_ms=400)]
        elif (label := str(told.get("job") or _latest(talk.texts("user")))) and not _is_answered(talk, label):
            steps = [say(words(label), audio_ms=team.deed(label).audio_ms)]
    return steps


def _answer(team: Team, label: str, talk: Conversation) -> Sequence[Step]:
    deed, me = team.deed(label), who(talk)
    if _is_answered(talk, label):
        return [say(f"I am {me}.", audio_ms=400)]
    wanted = None if deed.tool is None or label in called(talk.contents) else deed.tool
    args = {"job": label, "seconds": round(deed.seconds, 3)}
    preface: list[Step] = [say("Let me see.", audio_ms=300)] if deed.preface else []
    if deed.owner not in (None, me):
        transfer = call(TRANSFER, {"agent_name": deed.owner})
        along = deed.along and wanted in ("work", "dig")
        return [*preface, tool_calls([call(str(wanted), args), transfer]) if along else tool_calls([transfer])]
    speech = say(words(label), audio_ms=deed.audio_ms)
    if wanted is None:
        return [speech]
    if wanted in ("dig", "watch"):
        return [tool_call(wanted, args), speech]
    return [*preface, tool_call(wanted, args)]


def words(label: str) -> str:
    """The answer to a turn."""
    return f"Re {label}: one two three four five six seven eight nine ten, the end of {label}."


def _is_answered(talk: Conversation, label: str) -> bool:
    return any(label in ended(text) for text in talk.texts())


def _latest(texts: Sequence[str]) -> str | None:
    """The latest of the user's turns that the texts tell of, in whatever order."""
    found = (token for text in texts for token in tokens(text))
    labels = {token if token.startswith("n") else f"u{int(token) // AN_UTTERANCE}" for token in found}
    return max(labels, key=lambda label: int(label[1:]), default=None)


def _parts(contents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for content in contents for part in content.get("parts") or []]


def called(contents: Sequence[dict[str, Any]]) -> list[str]:
    """The jobs for which a conversation knows of a call, by this agent or, quoted, by another."""
    found: list[str] = []
    for part in _parts(contents):
        if (one := part.get("functionCall")) and "job" in (one.get("args") or {}):
            found.append(str(one["args"]["job"]))
        found += [job for _, job in _CALLED.findall(part.get("text") or "")]
    return found


def returned(contents: Sequence[dict[str, Any]]) -> list[str]:
    """The jobs whose results a conversation knows."""
    found: list[str] = []
    for part in _parts(contents):
        if (one := part.get("functionResponse")) and "job" in (one.get("response") or {}):
            found.append(str(one["response"]["job"]))
        found += [job for _, job in _RETURNED.findall(part.get("text") or "")]
    return found


def dangling(contents: Sequence[dict[str, Any]]) -> list[str]:
    """The calls in what a conversation was told at its beginning that have no answer there."""
    calls = {
        str(one.get("id") or one["name"]): one["name"] for part in _parts(contents) if (one := part.get("functionCall"))
    }
    answers = {str(one.get("id") or one["name"]) for part in _parts(contents) if (one := part.get("functionResponse"))}
    return [name for key, name in calls.items() if key not in answers]


# -- the agents -------------------------------------------------------------------------------------------------------


class TeamTrial(Trial):
    """A trial whose agent is a team."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.allowed: set[str] = set()
        self.scene = MemoryScene(team.plan, make_reactor(team), hand_over(team))
        super().__init__(team.plan, self.scene, virtual=True)

    def agent(self) -> Agent:
        first, *others = self.team.names
        return self._member(first, sub_agents=[self._member(name) for name in others])

    def settings(self) -> dict[str, Any]:
        return {"save_live_blob": self.team.recorded}

    def is_quiet(self) -> bool:
        at_work = any(did.begun > did.done + len(did.stopped) for did in self.record.jobs.values())
        return not at_work and super().is_quiet()

    def saw(self, event: Event) -> None:
        for request in event.get_function_calls():
            if request.name == CONFIRMATION:
                asyncio.get_running_loop().call_later(self.team.decides_s, self._decide, request)

    def _decide(self, request: types.FunctionCall) -> None:
        """The user says yes, but only once to each job: the next agent may ask again before the answer is there."""
        withdrawn = {one.id for _, event in self.record.shown for one in event.get_function_responses()}
        if request.id in withdrawn or self._queue.closed:
            return
        job = (request.args or {})["originalFunctionCall"]["args"]["job"]
        response = {"confirmed": job not in self.allowed}
        self.allowed.add(job)
        answer = types.FunctionResponse(id=request.id, name=CONFIRMATION, response=response)
        self._queue.send_content(types.Content(role="user", parts=[types.Part(function_response=answer)]))

    def _member(self, name: str, **fields: Any) -> Agent:
        guard = (
            SpeechGuard(check=lambda text: True, strict=self.team.plan.seed % 4 == 0)
            if name in self.team.guarded
            else None
        )
        return Agent(
            name=name,
            description=f"Knows what {name} knows.",
            model=self.scene.model,
            tools=[*self._tools()],
            speech_guard=guard,
            before_tool_callback=self._think,
            **fields,
        )

    async def _think(self, tool: Any, args: dict[str, Any], tool_context: ToolContext) -> None:
        """A handover takes its time."""
        if tool.name == TRANSFER:
            chance = random.Random(f"think {self.team.plan.seed} {tool_context.function_call_id}")
            if chance.random() < 0.5:
                await asyncio.sleep(chance.uniform(0.0, 1.5))

    def _tools(self) -> list[Any]:
        work = self._tool()

        async def dig(job: str, seconds: float) -> Any:
            """Looks for something, and holds nobody up."""
            return await work(job, seconds)

        async def pay(job: str, seconds: float) -> Any:
            """Pays, if the user says yes."""
            return await work(job, seconds)

        async def watch(job: str, seconds: float) -> Any:
            """Tells what it sees."""
            record = self.record.jobs.setdefault(f"watch {job}", Job())
            record.begun += 1
            try:
                for number in range(NEWS):
                    await asyncio.sleep(seconds)
                    yield {"news": f"{job}/{number}"}
                record.done += 1
            except asyncio.CancelledError:
                record.stopped.append(self._now())
                raise

        silent = FunctionResponseScheduling.SILENT
        return [
            work,
            FunctionTool(dig, behavior=Behavior.NON_BLOCKING, response_scheduling=FunctionResponseScheduling.WHEN_IDLE),
            FunctionTool(watch, response_scheduling=silent),
            FunctionTool(pay, require_confirmation=True),
        ]
