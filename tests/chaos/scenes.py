"""Where a trial is played: a model, its server, and the faults that can be done to what lies between them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from fullduplex.mock_live import MockLive, MockOptions, Reactor, Step, close, go_away
from fullduplex.mock_live.records import Connection
from fullduplex.models.base import LiveModel
from fullduplex.models.gemini import Gemini
from fullduplex.testing.proxy import FaultyProxy

from .memory import MemoryGemini, MemoryServer
from .model import hear, make_reactor
from .network import Network
from .plan import Fault, Plan

TAG_STRIDE = 100_000
REASON = "The server is going down."


def options(plan: Plan, *, keep_log: bool = False) -> MockOptions:
    """How the model's server behaves in this trial."""
    return MockOptions(
        pace=1.0,
        hear=hear,
        tag_stride=TAG_STRIDE,
        keep_log=keep_log,
        resumption_updates="never" if plan.mode == "none" else "turn",
    )


class Login:
    """Credentials of a Vertex project that exists nowhere."""

    token = "t"
    expiry = None
    valid = True
    project_id = "p"

    def refresh(self, request: Any) -> None:
        """There is nothing to refresh."""


class Scene(ABC):
    """A model that can be talked with, and what may go wrong."""

    model: LiveModel

    @property
    @abstractmethod
    def connections(self) -> Sequence[Connection]:
        """Every connection that the server accepted, in order."""

    @abstractmethod
    async def strike(self, fault: Fault) -> bool:
        """Does `fault`, from its beginning to its end; False when there was nothing to do it to."""

    @property
    def open_connections(self) -> list[Connection]:
        """The connections that are open and set up."""
        return [one for one in self.connections if one.is_open and one.ready]


class MemoryScene(Scene):
    """In virtual time, on a network in memory."""

    def __init__(
        self, plan: Plan, reactor: Reactor | None = None, hand_over: Callable[[Connection], Step] | None = None
    ) -> None:
        chance = random.Random(plan.seed + 1)
        network = Network(chance, latency_s=chance.uniform(0.005, 0.06), jitter_s=0.02)
        backend = "vertex" if plan.mode == "index" else "gemini"
        self.server = MemoryServer(
            reactor or make_reactor(plan), options(plan, keep_log=reactor is not None), backend=backend, network=network
        )  # type: ignore[arg-type]
        self.model = MemoryGemini(plan.model, self.server)
        self._hand_over = hand_over

    @property
    def connections(self) -> Sequence[Connection]:
        return self.server.connections

    async def strike(self, fault: Fault) -> bool:
        lines = [line for line in self.server.open_lines if line.session.connection.ready]
        if fault.kind == "stall":
            self.server.stall()
            await asyncio.sleep(fault.seconds)
            self.server.go_on()
        elif not lines:
            return False
        elif fault.kind == "go_away":
            lines[-1].push(go_away(fault.seconds))
        elif fault.kind == "close":
            lines[-1].push(close(fault.code, REASON))
        elif fault.kind == "hand_over" and self._hand_over is not None:
            lines[0].push(self._hand_over(lines[0].session.connection))
        else:
            if fault.kind == "blackhole":
                for line in lines:
                    line.swallow()
                await asyncio.sleep(fault.seconds)
            if fault.kind == "forget":
                self.server.world.handles.forget()
            for line in lines:
                line.cut()
        return True


class RealScene(Scene):
    """In real time: Mock Live over real sockets, behind the faulty proxy."""

    def __init__(self, plan: Plan, mock: MockLive, proxy: FaultyProxy) -> None:
        self._mock = mock
        self._proxy = proxy
        if plan.mode == "index":
            self.model = Gemini(
                plan.model, base_url=proxy.url, vertexai=True, project="p", location="us-central1", credentials=Login()
            )
        else:
            self.model = Gemini(plan.model, base_url=proxy.url, api_key="k", vertexai=False)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, plan: Plan) -> AsyncIterator[RealScene]:
        """A server and a proxy of the trial's own."""
        async with (
            MockLive(reactor=make_reactor(plan), options=options(plan)) as mock,
            FaultyProxy("127.0.0.1", mock.port) as proxy,
        ):
            yield cls(plan, mock, proxy)

    @property
    def connections(self) -> Sequence[Connection]:
        return self._mock.connections

    async def strike(self, fault: Fault) -> bool:
        proxy = self._proxy
        if fault.kind == "stall":
            proxy.stall()
            await asyncio.sleep(fault.seconds)
            proxy.go_on()
        elif not self.open_connections:
            return False
        elif fault.kind == "go_away":
            await self._mock.push(go_away(fault.seconds))
        elif fault.kind == "close":
            await self._mock.push(close(fault.code, REASON))
        else:
            if fault.kind == "blackhole":
                proxy.blackhole()
                await asyncio.sleep(fault.seconds)
            if fault.kind == "forget":
                self._mock.forget_handles()
            proxy.cut()
        return True
