"""What an operator may set about the server, by keyword or by environment (`FULLDUPLEX_…`; `HOST` and `PORT` too).

Settings of an agent or of a run are not here: see `Agent` and `RunConfig`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Names = Annotated[tuple[str, ...], NoDecode]
"""A list of names; in the environment they are separated by commas."""


class ServerSettings(BaseSettings):
    """Settings of one server; a field `max_message_bytes` is read from `FULLDUPLEX_MAX_MESSAGE_BYTES`.

    Example:
        >>> ServerSettings(port=0, session_conflict="refuse").port
        0
    """

    model_config = SettingsConfigDict(env_prefix="FULLDUPLEX_", extra="ignore", populate_by_name=True)

    host: str = Field(default="127.0.0.1", validation_alias=AliasChoices("FULLDUPLEX_HOST", "HOST"))
    port: int = Field(default=8000, ge=0, le=65_535, validation_alias=AliasChoices("FULLDUPLEX_PORT", "PORT"))

    allowed_hosts: Names = ()
    """Host names that requests may carry besides the local ones; `*` for any. Empty on a wildcard address: any."""
    allowed_origins: Names = ()
    """Origins (`https://app.example`) whose pages may connect besides the server's own; `*` for any."""

    session_conflict: Literal["take_over", "refuse"] = "take_over"
    """A second call on one session: it takes over (a page that reconnects must win), or it is refused."""

    session_db_url: str = Field(default="", repr=False)
    """The database that sessions are kept in, such as `sqlite:///sessions.db`; empty: in memory."""

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """Longest JSON message; a longer one is refused and the session lives on."""
    max_frame_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """Longest WebSocket message at all; a longer one closes the socket with 1009 before it is in memory."""
    ping_interval_s: float = Field(default=20.0, gt=0)
    ping_timeout_s: float = Field(default=20.0, gt=0)

    upstream_high_water: int = Field(default=1_000, ge=1)
    """Requests that may wait for the model before the socket is no longer read: a tenth of the queue's own limit."""
    downstream_audio_s: float = Field(default=30.0, gt=0)
    """Seconds of the agent's audio that may wait for a slow client; past it the oldest is dropped."""
    downstream_messages: int = Field(default=2_000, ge=1)
    """Other messages that may wait for a slow client; they are never dropped, past it the call is closed with 1013."""

    close_grace_s: float = Field(default=5.0, ge=0)
    """How long a run may go on after its client left, so that a tool can finish."""
    stop_grace_s: float = Field(default=0.3, ge=0)
    """The same when the server stops."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @field_validator("allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value
