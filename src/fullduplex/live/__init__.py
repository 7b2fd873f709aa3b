"""The engine of one live run: a conductor that wires and supervises, and small pieces that each do one thing."""

from fullduplex.live.ambient import Ambient
from fullduplex.live.engine import Engine
from fullduplex.live.settings import LiveSettings

__all__ = ["Ambient", "Engine", "LiveSettings"]
