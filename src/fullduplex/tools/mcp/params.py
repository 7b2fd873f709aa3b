"""How an MCP server is reached: started as a process and spoken to over its pipes, or called over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator


class StdioServerParameters(BaseModel):
    """The command that starts a server. `env` is added to the few variables that are safe to hand on."""

    model_config = ConfigDict(extra="forbid")

    command: str
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] | None = None
    cwd: str | Path | None = None
    encoding: str = "utf-8"
    encoding_error_handler: str = "strict"


class StdioConnectionParams(BaseModel):
    """A server that is a process of ours. `server_params` may be the SDK's object; `timeout`, in seconds, is for
    starting it and for listing its tools."""

    model_config = ConfigDict(extra="forbid")

    server_params: StdioServerParameters
    timeout: float = Field(default=5.0, gt=0)

    @field_validator("server_params", mode="before")
    @classmethod
    def _of_the_sdk(cls, value: Any) -> Any:
        if isinstance(value, BaseModel) and not isinstance(value, StdioServerParameters):
            return value.model_dump()
        return value


class StreamableHTTPConnectionParams(BaseModel):
    """A server at `url`. `timeout`, in seconds, is for connecting and for listing its tools; `sse_read_timeout` is how
    long an open answer may be silent. `terminate_on_close` tells the server when we leave."""

    model_config = ConfigDict(extra="forbid")

    url: str
    headers: dict[str, str] | None = None
    timeout: float = Field(default=5.0, gt=0)
    sse_read_timeout: float = Field(default=300.0, gt=0)
    terminate_on_close: bool = True


ConnectionParams = StdioConnectionParams | StreamableHTTPConnectionParams
