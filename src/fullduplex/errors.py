"""Every error that Fullduplex raises, in one tree, with the stable codes that users meet.

A code is the same word in an exception, an error event, a wire protocol's error answer, the documentation and the
page. This module holds no handling: who meets an error decides what to do.

    FullduplexError
    ├── InvalidInput (ValueError)         a request, frame or argument that cannot be understood
    ├── InvalidConfig (ValueError)        settings that no backend can honour
    ├── MissingVariable (KeyError)        an instruction's {variable} is not in the session's state
    ├── QueueFull                         the caller sends faster than the model takes
    ├── SessionError
    │   ├── SessionNotFoundError (ValueError)
    │   ├── AlreadyExistsError
    │   ├── SessionBusy                   another run holds this session
    │   └── StaleSessionError (ValueError)   another writer has changed the session since it was read
    ├── StoreUnavailable                  the database or service behind a store fails
    ├── ModelError                        the backend refused, failed or went away
    │   └── ConnectionLost                the connection ended; carries the WebSocket close code
    ├── AgentNotReady                     an agent's instruction or toolsets are not there in time
    ├── LlmCallsLimitExceededError        a run asked its models more often than it may
    ├── PluginError                       a plugin's hook failed
    ├── CallbackError                     a callback of an agent's failed
    └── EngineUnavailable                 a part of the local voice stack is not installed or does not start
"""

from __future__ import annotations


class FullduplexError(Exception):
    """Raised when something that the caller should know about goes wrong; `code` is stable across versions."""

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InvalidInput(FullduplexError, ValueError):
    """Raised when a request, a frame or an argument cannot be understood; `field` names the part at fault."""

    code = "invalid_input"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message, code=code)
        self.field = field


class InvalidConfig(FullduplexError, ValueError):
    """Raised when settings contradict each other or the chosen backend cannot honour them."""

    code = "invalid_config"


class MissingVariable(FullduplexError, KeyError):
    """Raised when an instruction names a variable that the session's state does not hold."""

    code = "missing_variable"

    def __str__(self) -> str:  # KeyError would put quotes around it
        return str(self.args[0])


class QueueFull(FullduplexError):
    """Raised at the sender when more text or control messages wait than the queue's limit allows."""

    code = "queue_full"


class SessionError(FullduplexError):
    """Raised when a session cannot be used as asked."""

    code = "session_error"


class SessionNotFoundError(SessionError, ValueError):
    """Raised when no session has the given app, user and id."""

    code = "session_not_found"


class AlreadyExistsError(SessionError):
    """Raised when a session is created with an id that is taken."""

    code = "session_exists"


class SessionBusy(SessionError):
    """Raised when a run is asked for on a session that another run holds, or when a live run takes over from it."""

    code = "session_busy"


class StaleSessionError(SessionError, ValueError):
    """Raised when an event is appended to a session that another writer has changed since it was read."""

    code = "stale_session"


class StoreUnavailable(FullduplexError):
    """Raised when the database or service that keeps sessions or memories cannot be reached or refuses."""

    code = "store_unavailable"


class ModelError(FullduplexError):
    """Raised when the model's backend refuses or fails; `recoverable` says whether trying again can help."""

    code = "model_error"

    def __init__(self, message: str, *, code: str | None = None, recoverable: bool = False) -> None:
        super().__init__(message, code=code)
        self.recoverable = recoverable


class ConnectionLost(ModelError):
    """Raised when the model's connection ends; `close_code` is the WebSocket's (1006: without a close frame)."""

    code = "connection_lost"

    def __init__(
        self, message: str, *, close_code: int, reason: str = "", code: str | None = None, recoverable: bool = False
    ) -> None:
        super().__init__(message, code=code, recoverable=recoverable)
        self.close_code = close_code
        self.reason = reason


class LlmCallsLimitExceededError(FullduplexError):
    """Raised when a text run would ask its models more often than `RunConfig.max_llm_calls` allows."""

    code = "max_llm_calls"


class PluginError(FullduplexError):
    """Raised when a hook of a plugin fails; the cause is the plugin's own error."""

    code = "plugin_failed"


class AgentNotReady(FullduplexError):
    """Raised when an agent's instruction or its toolsets take too long, so that its part cannot begin."""

    code = "agent_not_ready"


class CallbackError(FullduplexError):
    """Raised when a callback of an agent's fails where it is not raised itself; the cause is its own error."""

    code = "callback_failed"


class EngineUnavailable(FullduplexError):
    """Raised when a part of the local voice stack is missing or cannot be started."""

    code = "engine_unavailable"
