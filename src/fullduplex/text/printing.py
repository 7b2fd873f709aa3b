"""Events as lines for people, in a terminal."""

from __future__ import annotations

import json
from typing import Any, TextIO

from fullduplex.events import Event
from fullduplex.types.content import FunctionCall

_LONGEST = 200


class Printer:
    """Writes what agents say, word by word where it comes so; with `tools`, each call and answer in one line."""

    def __init__(self, out: TextIO, *, tools: bool = True) -> None:
        self._out = out
        self._tools = tools
        self._speaker: str | None = None
        self._streamed: set[str] = set()

    def show(self, event: Event) -> None:
        """Writes `event`, if there is anything in it for people."""
        for part in event.content.parts or [] if event.content is not None else []:
            if part.function_call is not None:
                self._line(event, call_line(part.function_call))
            elif part.function_response is not None:
                self._line(event, f"{part.function_response.name} → {_value(part.function_response.response)}")
            elif part.text and not part.thought:
                self._say(event, part.text)
        if event.error_code:
            self.error(event.error_code, event.error_message or "the answer ends here")
        if not event.partial:
            self._streamed.discard(event.author)
            self.end_line()

    def error(self, code: str, message: str) -> None:
        """Writes what went wrong."""
        self.end_line()
        self._write(f"! {code}: {message}\n")

    def end_line(self) -> None:
        """Ends the line that is being written, if there is one."""
        if self._speaker is not None:
            self._speaker = None
            self._write("\n")

    def _say(self, event: Event, text: str) -> None:
        if event.partial:
            self._streamed.add(event.author)
        elif event.author in self._streamed:
            return  # it is the whole of what was written already
        if self._speaker != event.author:
            self.end_line()
            self._speaker = event.author
            self._write(f"{event.author}> ")
        self._write(text)

    def _line(self, event: Event, text: str) -> None:
        if not self._tools:
            return
        self.end_line()
        mark = "…" if event.partial else "·"
        self._write(f"  {mark} {text}\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def call_line(call: FunctionCall) -> str:
    """A call of a tool as one would write it in Python."""
    return f"{call.name}({', '.join(f'{name}={_value(value)}' for name, value in (call.args or {}).items())})"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
