"""Asks an app's plugins, one after another; the first that answers has the last word."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Iterable
from typing import Any

from fullduplex.errors import InvalidConfig, PluginError
from fullduplex.plugins.base import BasePlugin
from fullduplex.tools.running import in_time

logger = logging.getLogger(__name__)


class PluginManager:
    """The plugins of one runner, in the order given. Raises `InvalidConfig` for a name given twice."""

    def __init__(self, plugins: Iterable[BasePlugin] | None = None) -> None:
        self.plugins = list(plugins or ())
        names = [plugin.name for plugin in self.plugins]
        for name in {name for name in names if names.count(name) > 1}:
            raise InvalidConfig(f"two plugins are named {name}")

    def wants(self, hook: str) -> bool:
        """Whether any plugin overrides `hook` (such as `on_event_callback`); else calling it can be spared."""
        return any(getattr(type(plugin), hook) is not getattr(BasePlugin, hook) for plugin in self.plugins)

    async def first(self, hook: str, **arguments: Any) -> Any:
        """Calls `hook` on the plugins until one returns something, and gives that.

        Raises `PluginError` when one fails: it names the plugin and the hook.
        """
        for plugin in self.plugins:
            try:
                answer = await getattr(plugin, hook)(**arguments)
            except Exception as error:  # the boundary of the developer's code
                raise PluginError(f"plugin `{plugin.name}` failed in {hook}: {type(error).__name__}") from error
            if answer is not None:
                logger.debug("plugin %s answered %s", plugin.name, hook)
                return answer
        return None

    async def tell(self, hook: str, deadline_s: float | None = None, **arguments: Any) -> None:
        """Calls `hook` on every plugin, each for `deadline_s` seconds at most. One that fails or hangs is logged, and
        the others are called all the same."""
        for plugin in self.plugins:
            call = functools.partial(getattr(plugin, hook), **arguments)
            try:
                await in_time(f"{hook} of plugin {plugin.name}", call, deadline_s)
            except Exception:  # the boundary of the developer's code
                logger.exception("plugin %s failed in %s", plugin.name, hook)

    async def close(self, timeout_s: float = 5.0) -> None:
        """Closes every plugin, each within `timeout_s` seconds. One that fails or hangs is logged and does no harm."""
        await asyncio.gather(*(self._close(plugin, timeout_s) for plugin in self.plugins))

    async def _close(self, plugin: BasePlugin, timeout_s: float) -> None:
        try:
            await in_time(f"close of plugin {plugin.name}", plugin.close, timeout_s)
        except Exception:  # the boundary of the developer's code: the others are closed all the same
            logger.exception("plugin %s did not close", plugin.name)
