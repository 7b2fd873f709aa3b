"""An app: a root agent under the name by which its sessions are kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from fullduplex.agents.base import BaseAgent
from fullduplex.plugins import BasePlugin

__all__ = ["App"]


class App(BaseModel):
    """What a `Runner` can be given in place of `app_name` and `agent`."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    name: str
    root_agent: BaseAgent
    plugins: list[BasePlugin] = Field(default_factory=list)
