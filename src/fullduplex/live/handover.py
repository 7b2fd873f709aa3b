"""Has the next agent ready when its moment comes: while the call that hands over to it is still being answered.

From that call on the user's input is kept for the next agent, and the line to its model is opened. If the call comes to
nothing, because a callback forbids it or the model takes it back, the input goes to the agent at work after all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Protocol

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.live.channel import Channel
from fullduplex.live.outcome import Outcome
from fullduplex.sessions import Session
from fullduplex.tools.flow import COMPLETED, EXIT, TRANSFER
from fullduplex.types.content import FunctionCall

logger = logging.getLogger(__name__)

HOLD_S = 2.0
"""How long input is kept back at most: a call that waits for a person's yes may take minutes."""


class Prepared(Protocol):
    """A part that can be made ready, and then be played or thrown away."""

    def prepare(self) -> None:
        """Makes it ready."""

    async def play(self) -> Outcome:
        """Plays it."""

    def discard(self) -> None:
        """Throws it away."""


class Handover:
    """The handover of one channel. `make` makes the part of an agent, if `may_prepare` lets it do so early.

    What is being prepared ends with `group`.
    """

    def __init__(
        self,
        channel: Channel,
        session: Session,
        group: asyncio.TaskGroup,
        *,
        make: Callable[[LlmAgent], Awaitable[Prepared]],
        may_prepare: Callable[[BaseAgent], bool],
    ) -> None:
        self._channel = channel
        self._session = session
        self._group = group
        self._make = make
        self._may_prepare = may_prepare
        self._call_id = ""
        self._target: BaseAgent | None = None
        self._part: asyncio.Task[Prepared | None] | None = None
        self._told: dict[str, Any] = {}
        self._timer: asyncio.TimerHandle | None = None

    def called(self, agent: BaseAgent, calls: Sequence[FunctionCall]) -> None:
        """`agent` has called tools, and may be about to hand over."""
        call = next((call for call in calls if call.name in (TRANSFER, COMPLETED, EXIT)), None)
        if call is None or self._call_id:
            return
        target = _target(agent, call)
        if call.name == TRANSFER and target is None:
            return
        self._call_id, self._target = call.id or "", target
        self._channel.uplink.hold()
        self._timer = asyncio.get_running_loop().call_later(HOLD_S, self._channel.uplink.release)
        # What other tools of the message do may change what the next agent is told.
        if isinstance(target, LlmAgent) and len(calls) == 1 and self._may_prepare(target):
            self._part = self._group.create_task(self._prepare(target), name=f"preparation of {target.name}")

    def settled(self, call_ids: Collection[str]) -> None:
        """These calls came to nothing, or to nothing that hands over."""
        if self._call_id and self._call_id in call_ids:
            self.close()
            self._channel.uplink.release()

    async def take(self, agent: BaseAgent) -> Prepared | None:
        """The part of `agent`, who takes over now, if it is ready and what it was told is still true."""
        part = self._part if self._target is agent else None
        if part is not None:
            self._part = None
        self.close()
        if part is None:
            return None
        try:
            await self._channel.conversation.kept()
            prepared = await part
        except asyncio.CancelledError:
            part.cancel()
            part.add_done_callback(_discard)
            raise
        if prepared is None or self._told == self._session.state:
            return prepared
        prepared.discard()
        return None

    def close(self) -> None:
        """Nobody takes over, or somebody else does."""
        if self._timer is not None:
            self._timer.cancel()
        if self._part is not None:
            self._part.cancel()
            self._part.add_done_callback(_discard)
        self._call_id, self._target, self._part, self._timer = "", None, None, None

    async def _prepare(self, agent: LlmAgent) -> Prepared | None:
        try:
            await self._channel.conversation.kept()
            self._told = dict(self._session.state)
            part = await self._make(agent)
            part.prepare()
        except Exception as error:  # of the developer's code: met again, and raised, when the part is made anew
            logger.debug("agent %s could not be prepared: %s", agent.name, error)
            return None
        return part


def _target(agent: BaseAgent, call: FunctionCall) -> BaseAgent | None:
    targets = agent.transfer_targets if isinstance(agent, LlmAgent) else []
    name = (call.args or {}).get("agent_name")
    return next((target for target in targets if target.name == name), None)


def _discard(part: asyncio.Task[Prepared | None]) -> None:
    if not part.cancelled() and (prepared := part.result()) is not None:
        prepared.discard()
