"""What an event does, besides what it says: changes of state, artifacts, and the flow between agents."""

from __future__ import annotations

from typing import Any

import msgspec

from fullduplex.types.confirmation import ToolConfirmation
from fullduplex.types.content import empty
from fullduplex.types.struct import Message


class EventActions(Message):
    """The effects of an event. The four mappings are always in its JSON; what is unset otherwise is left out."""

    skip_summarization: bool | None = None
    state_delta: dict[str, Any] = msgspec.field(default_factory=empty)
    artifact_delta: dict[str, int] = msgspec.field(default_factory=empty)
    transfer_to_agent: str | None = None
    transfer_reason: str | None = None
    escalate: bool | None = None
    requested_auth_configs: dict[str, Any] = msgspec.field(default_factory=empty)
    requested_tool_confirmations: dict[str, ToolConfirmation] = msgspec.field(default_factory=empty)
    compaction: dict[str, Any] | None = None
    end_of_agent: bool | None = None
    agent_state: dict[str, Any] | None = None
    rewind_before_invocation_id: str | None = None
    route: Any = None
    render_ui_widgets: list[Any] | None = None
    set_model_response: Any = None
