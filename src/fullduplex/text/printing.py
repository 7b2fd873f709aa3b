"""Events as lines for people, in a terminal."""

from __future__ import annotations

import json
from typing import Any, TextIO

from fullduplex.events import Event
from fullduplex.types.content import FunctionCall

_LONGEST = 200


class Printer:
    """Writes what agents say, word by word where it comes so; with `tools`, each call and answer in one line.

    Of agents that speak at once, the first is written as it speaks, and the others when it has ended.
    """

    def __init__(self, out: TextIO, *, tools: bool = True) -> None:
        self._out = out
        self._tools = tools
        self._speaker: str | None = None
        self._written: set[str] = set()
        self._behind: set[str] = set()
        self._waiting: list[str] = []

    def show(self, event: Event) -> None:
        """Writes `event`, if there is anything in it for people."""
        for part in event.content.parts or [] if event.content is not None else []:
            if part.function_call is not None:
                self._tool(event, call_line(part.function_call))
            elif part.function_response is not None:
                self._tool(event, f"{part.function_response.name} → {_value(part.function_response.response)}")
            elif part.text and not part.thought:
                self._say(event, part.text)
        if event.error_code:
            self.error(event.error_code, event.error_message or "the answer ends here")
        if not event.partial:
            self._written.discard(event.author)
            self._behind.discard(event.author)
            if self._speaker == event.author:
                self.end_line()

    def error(self, code: str, message: str) -> None:
        """Writes what went wrong."""
        self.end_line()
        self._write(f"! {code}: {message}\n")

    def end_line(self) -> None:
        """Ends the line that is being written, if there is one, and writes what waits for that."""
        if self._speaker is not None:
            self._speaker = None
            self._write("\n")
        self._write("".join(self._waiting))
        self._waiting.clear()

    def _say(self, event: Event, text: str) -> None:
        author = event.author
        if not event.partial:
            if author not in self._written:  # else it is the whole of what was written already
                self._line(author, f"{author}> {text}")
        elif author in self._behind or self._speaker not in (None, author):
            self._behind.add(author)
        else:
            self._write(text if self._speaker == author else f"{author}> {text}")
            self._speaker = author
            self._written.add(author)

    def _tool(self, event: Event, text: str) -> None:
        if self._tools:
            self._line(event.author, f"  {'…' if event.partial else '·'} {text}")

    def _line(self, author: str, text: str) -> None:
        self._waiting.append(f"{text}\n")
        if self._speaker in (None, author):
            self.end_line()

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def call_line(call: FunctionCall) -> str:
    """A call of a tool as one would write it in Python."""
    return f"{call.name}({', '.join(f'{name}={_value(value)}' for name, value in (call.args or {}).items())})"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
