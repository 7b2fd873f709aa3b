"""Where events go when agents run other agents."""

from __future__ import annotations

from fullduplex.events import Event
from fullduplex.live.outbox import Outbox
from fullduplex.live.relay import Relay


async def content(box: Outbox) -> list[str | None]:
    """The branches of what is in a box; it is ended by that."""
    box.end()
    found = []
    while (event := await box.get()) is not None:
        found.append(event.branch)
    return found


async def test_events_go_to_the_app_unless_an_agent_waits_for_them() -> None:
    app = Outbox()
    relay = Relay(app)
    relay.put(Event())
    inner = relay.open(None)
    relay.put(Event(branch="fan.left"))
    relay.close(inner)
    relay.close(inner)
    relay.put(Event(branch="fan.right"))
    assert await content(app) == [None, "fan.right"]
    assert await content(inner) == ["fan.left"]


async def test_the_innermost_box_of_a_branch_has_it() -> None:
    app = Outbox()
    relay = Relay(app)
    outer, left = relay.open(None), relay.open("fan.left")
    deeper = relay.open("fan.left.more.one")
    assert relay.box("fan.left") is left
    assert relay.box("fan.left.more.one") is deeper
    assert relay.box("fan.left.more.two") is left
    assert relay.box("fan.leftover") is outer
    assert relay.box(None) is outer
    for box in (outer, left, deeper):
        relay.close(box)
    assert relay.box("fan.left") is app
