"""Tools made of plain Python functions: `def`, `async def`, `async def` with `yield`, or an object with `__call__`."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal

from fullduplex.errors import InvalidInput
from fullduplex.requests import LiveRequestQueue
from fullduplex.tools.arguments import Arguments
from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext
from fullduplex.tools.schema import declare, hints_of, is_context
from fullduplex.tools.threads import in_thread
from fullduplex.types.config import Behavior, FunctionResponseScheduling
from fullduplex.types.content import FunctionDeclaration

INPUT_STREAM = "input_stream"


class FunctionTool(BaseTool):
    """Lets the model call `func`. Its name, signature and docstring are what the model is told.

    A parameter named `tool_context`, or annotated `ToolContext`, receives the context and is hidden from the model. A
    synchronous function runs in a thread, so that it holds up neither the call nor the model's connection. An async
    generator is a streaming tool: it works in the background of a live run, and each value that it yields is told to
    the model. Its parameter `input_stream`, if it has one, receives a copy of all that the user sends meanwhile.

    `require_confirmation`: the user is asked first, always or when this function of the arguments says so.
    `behavior=NON_BLOCKING`, or a `response_scheduling`: the model does not wait for the answer.
    `idempotency_key`: calls with the same key (made by this function of `args`; `True`: with the same arguments) are
    one deed, which is done once in a session.
    `deadline_s`: how long a run may take. `on_interrupt="cancel"`: it ends when the user interrupts the agent.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        *,
        require_confirmation: bool | Callable[..., Any] = False,
        behavior: Behavior | None = None,
        response_scheduling: FunctionResponseScheduling | None = None,
        idempotency_key: Callable[..., str] | Literal[True] | None = None,
        deadline_s: float | None = None,
        on_interrupt: Literal["keep", "cancel"] = "keep",
    ) -> None:
        target = func if inspect.isroutine(func) or isinstance(func, functools.partial) else func.__call__  # type: ignore[operator]
        named = func.func if isinstance(func, functools.partial) else func
        name = getattr(named, "__name__", None) or type(named).__name__
        self._is_streaming = inspect.isasyncgenfunction(target)
        if behavior is None and (self._is_streaming or response_scheduling is not None):
            behavior = Behavior.NON_BLOCKING
        super().__init__(
            name=name,
            description=inspect.getdoc(named) or inspect.getdoc(target) or "",
            behavior=behavior,
            response_scheduling=response_scheduling,
        )
        self.func = func
        self.deadline_s = deadline_s
        self.on_interrupt = on_interrupt
        self._require_confirmation = require_confirmation
        self._idempotency_key = idempotency_key
        self._target = target
        self._asynchronous = inspect.iscoroutinefunction(target)
        self._arguments = Arguments(target)
        hints, names = hints_of(target), inspect.signature(target).parameters
        self._context_parameters = [key for key in names if key == "tool_context" or is_context(hints.get(key))]
        self._takes_input = self._is_streaming and INPUT_STREAM in names

    @property
    def takes_thread(self) -> bool:
        """See `BaseTool`."""
        return not (self._asynchronous or self._is_streaming)

    @property
    def is_streaming(self) -> bool:
        """See `BaseTool`."""
        return self._is_streaming

    @property
    def takes_input(self) -> bool:
        """See `BaseTool`."""
        return self._takes_input

    def declaration(self) -> FunctionDeclaration:
        """See `BaseTool`."""
        declared = declare(self._target, name=self.name)
        declared.description = self.description
        if self.behavior is not None:
            declared.behavior = self.behavior.value
        return declared

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Calls the function; missing or unfitting arguments become an answer that tells the model which."""
        try:
            given = self._given(args, tool_context)
        except InvalidInput as error:
            return {"error": str(error)}
        if self._asynchronous:
            return await self.func(**given)
        result = await in_thread(functools.partial(self.func, **given), name=self.name)
        return await result if inspect.isawaitable(result) else result

    async def stream(
        self, *, args: dict[str, Any], tool_context: ToolContext, input_stream: LiveRequestQueue | None = None
    ) -> AsyncGenerator[Any, None]:
        """See `BaseTool`."""
        try:
            given = self._given(args, tool_context)
        except InvalidInput as error:
            yield {"error": str(error)}
            return
        if self._takes_input:
            given[INPUT_STREAM] = input_stream or LiveRequestQueue()
        values = self.func(**given)
        try:
            async for value in values:
                yield value
        finally:
            await values.aclose()

    async def needs_confirmation(self, args: dict[str, Any], tool_context: ToolContext) -> bool:
        """See `BaseTool`. A function that decides gets the arguments, and the context, that it names.

        Nobody is asked about arguments with which the tool does not run.
        """
        if not (self._require_confirmation and self._arguments.fit(args)):
            return False
        if not callable(self._require_confirmation):
            return True
        given = self._given(args, tool_context)
        names = inspect.signature(self._require_confirmation).parameters
        if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in names.values()):
            given = {key: value for key, value in {**given, "tool_context": tool_context}.items() if key in names}
        decided = self._require_confirmation(**given)
        return bool(await decided if inspect.isawaitable(decided) else decided)

    def key_of(self, args: dict[str, Any]) -> str | None:
        """See `BaseTool`. There is none for arguments with which the tool does not run."""
        if self._idempotency_key is None or not self._arguments.fit(args):
            return None
        if callable(self._idempotency_key):
            return str(self._idempotency_key(args))
        return json.dumps(args, sort_keys=True, default=str)

    def _given(self, args: dict[str, Any], context: ToolContext) -> dict[str, Any]:
        """What the function is called with. Raises `InvalidInput` for the model to read."""
        try:
            given = self._arguments.read(args)
        except InvalidInput as error:
            raise InvalidInput(f"Invoking `{self.name}()` failed {error}") from None
        return {**given, **dict.fromkeys(self._context_parameters, context)}
