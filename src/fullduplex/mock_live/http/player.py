"""Plays the steps of a turn as one answer, streamed or whole. It knows no sockets: what it sends, `Line` sends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from fullduplex.mock_live.messages import pieces
from fullduplex.mock_live.steps import (
    Drop,
    FunctionCall,
    Grounding,
    Malformed,
    Quota,
    Raw,
    Refuse,
    Say,
    Stall,
    ToolCalls,
    Usage,
)

from .api import Api, Refused, Said
from .script import Block, Error, Finish, TextStep

_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_GROUNDING: dict[str, Any] = {
    "webSearchQueries": ["query"],
    "groundingChunks": [{"web": {"uri": "https://example.com/", "title": "Example"}}],
}


class Dropped(Exception):
    """Raised when the script cuts the connection."""


class Line(Protocol):
    """Where an answer goes."""

    async def send(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """Sends a whole response."""

    async def begin(self) -> None:
        """Sends the head of a stream of events."""

    async def write(self, data: bytes) -> None:
        """Sends a piece of the stream."""

    async def end(self) -> None:
        """Ends the stream."""


class Player:
    """Plays one answer."""

    def __init__(self, api: Api, line: Line) -> None:
        self._api = api
        self._line = line
        self._said = Said()
        self._streaming = False

    async def play(self, steps: Iterable[TextStep]) -> None:
        """Sends the answer; raises `Dropped` where the connection is to be cut."""
        for step in steps:
            if await self._step(step):
                return
        if self._api.exchange.stream:
            await self._events(*self._api.end(self._said))
            await self._line.write(self._api.last())
            await self._line.end()
        else:
            await self._whole(self._api.whole(self._said))

    async def _step(self, step: TextStep) -> bool:
        """Plays a step; True when the answer is over with it."""
        match step:
            case Say():
                await self._say(step)
            case ToolCalls(calls):
                await self._call(calls)
            case Stall(seconds):
                await (asyncio.sleep(seconds) if seconds is not None else asyncio.Event().wait())
            case Grounding(metadata):
                self._said.grounding = metadata or _GROUNDING
            case Usage():
                self._said.usage = step
            case Finish(reason):
                self._said.reason = reason
            case _:
                return await self._fault(step)
        return False

    async def _fault(self, step: TextStep) -> bool:
        match step:
            case Drop():
                raise Dropped
            case Quota():
                await self._error(429, _QUOTA)
            case Error(status, message):
                await self._error(status, message)
            case Refuse(status, body):
                await self._line.send(status, body.encode(), "text/plain")
            case Block(reason):
                await self._block(reason)
            case Raw(message):
                return await self._verbatim(msgspec.json.encode(message))
            case Malformed(text):
                return await self._verbatim(text.encode())
        return True

    async def _say(self, step: Say) -> None:
        words = step.chunks if step.chunks is not None else pieces(step.text)
        for kind, text in [
            *(("thought", piece) for piece in pieces(step.thought or "")),
            *(("text", w) for w in words),
        ]:
            self._said.pieces.append((kind, text))
            if self._api.exchange.stream:
                await self._events(self._api.text(text, thought=kind == "thought"))

    async def _call(self, calls: list[FunctionCall]) -> None:
        first = len(self._said.calls)
        self._said.pieces += [("call", call) for call in calls]
        if self._api.exchange.stream:
            await self._events(*self._api.calls(calls, first=first))

    async def _error(self, status: int, message: str) -> None:
        body = self._api.error(status, message)
        if self._streaming:
            await self._events(body)
            await self._line.end()
        else:
            raise Refused(status, body)

    async def _block(self, reason: str) -> None:
        body = self._api.blocked(reason)
        if self._api.exchange.stream:
            await self._begin()
            await self._line.write(self._api.event(body))
            await self._line.end()
        else:
            await self._whole(body)

    async def _verbatim(self, data: bytes) -> bool:
        """Sends data as it stands: an event of a stream, which goes on, or the whole body."""
        if self._api.exchange.stream:
            await self._begin()
            await self._line.write(self._api.event(data.decode()))
            return False
        await self._line.send(200, data)
        return True

    async def _events(self, *messages: dict[str, Any]) -> None:
        await self._begin()
        for message in messages:
            await self._line.write(self._api.event(message))

    async def _begin(self) -> None:
        if not self._streaming:
            self._streaming = True
            await self._line.begin()
            for message in self._api.begin():
                await self._line.write(self._api.event(message))

    async def _whole(self, body: dict[str, Any]) -> None:
        await self._line.send(200, msgspec.json.encode(body))
