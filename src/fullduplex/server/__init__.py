"""The server: a FastAPI application around a runner, and one small module for each wire protocol that it speaks.

It holds no agent logic: what goes up is put into a `LiveRequestQueue`, what comes down are `Event`s.
"""

from fullduplex.server.app import create_app
from fullduplex.server.settings import ServerSettings

__all__ = ["ServerSettings", "create_app"]
