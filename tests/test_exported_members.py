"""The front doors: `__all__` is there, true, and holds the names that users import."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import fullduplex

DOORS = sorted(
    name
    for _, name, is_package in pkgutil.iter_modules(fullduplex.__path__, "fullduplex.")
    if is_package and name.rpartition(".")[2] not in {"cli", "turns", "web", "live", "text", "testing"}
)

# The contract of docs/migration: these import paths are those that programs written for ADK use.
PATHS = {
    "fullduplex": "Agent Event InMemoryRunner LiveRequestQueue RunConfig Runner StreamingMode types",
    "fullduplex.agents": "Agent LlmAgent BaseAgent SequentialAgent LoopAgent ParallelAgent LiveRequestQueue "
    "LiveRequest RunConfig InvocationContext Context SpeechGuard banned_words",
    "fullduplex.agents.base_agent": "BaseAgent",
    "fullduplex.agents.sequential_agent": "SequentialAgent",
    "fullduplex.agents.loop_agent": "LoopAgent",
    "fullduplex.agents.parallel_agent": "ParallelAgent",
    "fullduplex.agents.run_config": "RunConfig StreamingMode ToolThreadPoolConfig",
    "fullduplex.agents.live_request_queue": "LiveRequest LiveRequestQueue",
    "fullduplex.agents.llm_agent": "Agent LlmAgent",
    "fullduplex.agents.callback_context": "CallbackContext",
    "fullduplex.runners": "Runner InMemoryRunner",
    "fullduplex.sessions": "InMemorySessionService DatabaseSessionService VertexAiSessionService Session State "
    "BaseSessionService",
    "fullduplex.sessions.in_memory_session_service": "InMemorySessionService",
    "fullduplex.sessions.database_session_service": "DatabaseSessionService",
    "fullduplex.sessions.vertex_ai_session_service": "VertexAiSessionService",
    "fullduplex.sessions.base_session_service": "GetSessionConfig BaseSessionService",
    "fullduplex.events": "Event EventActions",
    "fullduplex.tools": "AgentTool FunctionTool LongRunningFunctionTool ToolConfirmation ToolContext "
    "google_search BaseToolset McpToolset exit_loop transfer_to_agent",
    "fullduplex.tools.mcp_tool": "McpToolset StdioConnectionParams StdioServerParameters "
    "StreamableHTTPConnectionParams",
    "fullduplex.artifacts": "InMemoryArtifactService FileArtifactService GcsArtifactService ObjectStoreArtifactService",
    "fullduplex.memory": "InMemoryMemoryService DatabaseMemoryService",
    "fullduplex.tools.agent_tool": "AgentTool",
    "fullduplex.tools.function_tool": "FunctionTool",
    "fullduplex.tools.long_running_tool": "LongRunningFunctionTool",
    "fullduplex.tools.tool_confirmation": "ToolConfirmation",
    "fullduplex.models": "LiveModel LiveConnection Gemini LlmRequest LlmResponse",
    "fullduplex.models.google_llm": "Gemini",
    "fullduplex.apps": "App",
    "fullduplex.plugins": "BasePlugin PluginManager",
    "fullduplex.plugins.base_plugin": "BasePlugin",
    "fullduplex.types": "Content Part Blob FunctionCall FunctionResponse AudioTranscriptionConfig SpeechConfig "
    "Modality RealtimeInputConfig AutomaticActivityDetection SessionResumptionConfig ProactivityConfig UserContent "
    "ContextWindowCompressionConfig SlidingWindow VoiceConfig PrebuiltVoiceConfig ActivityStart ActivityEnd",
}


@pytest.mark.parametrize("module", ["fullduplex", *DOORS])
def test_all_is_true(module: str) -> None:
    door = importlib.import_module(module)
    assert hasattr(door, "__all__"), "a package says what it offers"
    assert len(set(door.__all__)) == len(door.__all__)
    for name in door.__all__:
        assert hasattr(door, name), name


@pytest.mark.spec(1)
@pytest.mark.parametrize("module", PATHS)
def test_the_names_that_programs_import_are_there(module: str) -> None:
    found = importlib.import_module(module)
    for name in PATHS[module].split():
        assert hasattr(found, name), f"from {module} import {name}"


@pytest.mark.spec(2)
def test_agent_is_llm_agent() -> None:
    from fullduplex.agents import Agent, LlmAgent

    assert Agent is LlmAgent is fullduplex.Agent


@pytest.mark.parametrize("module", ["fullduplex", *DOORS])
def test_a_module_says_what_it_is_for(module: str) -> None:
    assert (importlib.import_module(module).__doc__ or "").strip()
