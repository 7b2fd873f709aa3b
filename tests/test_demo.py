"""The demo's tools: honest answers, and errors as answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fullduplex import demo
from fullduplex.models.cascade.places import PLACES


def test_time_anywhere() -> None:
    told = datetime.fromisoformat(demo.get_time("tokyo")["time"])
    assert told.utcoffset() == timedelta(hours=9)
    assert " in Tokyo, " in demo.get_time("TOKYO")["report"]
    assert "on this machine" in demo.get_time()["report"]
    assert "error" in demo.get_time("Atlantis")


def test_every_place_has_a_time_zone() -> None:
    for zone in set(PLACES.values()):
        ZoneInfo(zone)


def test_weather_says_that_it_is_a_sample() -> None:
    assert "sample data, not a real report" in demo.get_weather("paris")["report"]
    assert "minus three degrees" in demo.get_weather("Moscow")["report"]
    assert "error" in demo.get_weather("Atlantis")


@pytest.mark.parametrize(
    ("a", "operation", "b", "value"),
    [(12, "times", 7, 84), (1, "divided by", 4, 0.25), (2, "minus", 5, -3), (1.5, "plus", 1.5, 3)],
)
def test_arithmetic(a: float, operation: Any, b: float, value: float) -> None:
    assert demo.calculate(a, operation, b)["value"] == value


def test_division_by_zero_is_an_answer() -> None:
    assert "error" in demo.calculate(1, "divided by", 0)


def test_dice() -> None:
    result = demo.roll_dice(3, 20)
    assert len(result["rolls"]) == 3
    assert all(1 <= roll <= 20 for roll in result["rolls"])
    assert str(sum(result["rolls"])) in result["report"]
    assert "error" in demo.roll_dice(1000, 6)


def test_the_timer_does_not_claim_to_ring() -> None:
    assert demo.set_timer(1, "minute")["report"].startswith("I noted a timer for 1 minute.")
    assert "will not ring" in demo.set_timer(5, "hour")["report"]
    assert "error" in demo.set_timer(0, "hour")


def test_counting() -> None:
    assert demo.count_to(4)["report"] == "one, two, three, four."
    assert "error" in demo.count_to(1000)


def test_the_agent_has_the_tools() -> None:
    agent = demo.demo_agent("local")
    assert agent.model == "local"
    assert agent.tools == demo.DEMO_TOOLS
