"""How the server's log looks: structlog formats what all floors write through the standard library's logging.

Each line carries the ids bound by the call that it belongs to (`session_id`, `user_id`, `invocation_id`). Values of
keys and tokens in the environment never appear in it.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import Any, TextIO

import structlog

from fullduplex.server.settings import ServerSettings

_SECRET_NAME = re.compile(r"(API_KEY|TOKEN|SECRET|PASSWORD)$")
_SECRET_PARAMETER = re.compile(r"((?:^|[?&\s])(?:key|access_token|api_key)=)[^&\s\"']+", re.IGNORECASE)
_SHORTEST_SECRET = 8


class HideSecrets:
    """A processor that replaces secrets in every text of a log line."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        known = os.environ if environment is None else environment
        values = {
            value for name, value in known.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET
        }
        self._values = sorted(values, key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """See structlog's processors."""
        for name, value in line.items():
            if isinstance(value, str):
                line[name] = self.clean(value)
        return line

    def clean(self, text: str) -> str:
        """`text` without secrets."""
        for value in self._values:
            text = text.replace(value, "***")
        return _SECRET_PARAMETER.sub(r"\1***", text)


def configure_logging(settings: ServerSettings, stream: TextIO | None = None) -> None:
    """Sends the whole program's log to `stream` (standard error), formatted for people or as JSON lines."""
    out = stream or sys.stderr
    renderer: structlog.typing.Processor
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.stdlib.ExtraAdder(),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                HideSecrets(),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    # Our own lines say when a call begins and ends; uvicorn would add one for each socket, with its query string.
    logging.getLogger("uvicorn").setLevel("WARNING")
    logging.getLogger("uvicorn.access").setLevel("WARNING")
