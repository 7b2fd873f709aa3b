"""What stands between an agent and the user where several agents work at once (`live.parallel`); else it is open."""

from __future__ import annotations

from fullduplex.live.line import Take


class Gate:
    """The open gate of an agent that works alone."""

    def admit(self, take: Take) -> Take:
        """`take` as it is to be called with what a model says: perhaps later, when its agent may speak."""
        return take

    def broken_off(self) -> None:
        """No more will come of what was being said."""

    def hears(self) -> bool:
        """Whether what this agent hears of the user is told of."""
        return True

    def may_speak(self) -> bool:
        """Whether nobody else speaks."""
        return True
