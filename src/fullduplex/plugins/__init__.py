"""What watches and steers every run of an app: plugins, whose hooks run before an agent's own callbacks."""

from fullduplex.plugins.base import BasePlugin
from fullduplex.plugins.manager import PluginManager

__all__ = ["BasePlugin", "PluginManager"]
