"""The demo agent: small honest tools that need no key and no network.

It runs on any backend. On `model="local"` the sentences in quotes in the docstrings are what the embedded agent
listens for; a language model reads them as descriptions. Nothing here is a service: the timer is only noted, and
the weather is a table of made-up samples that says so.
"""

from __future__ import annotations

import random
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fullduplex.models.cascade.numbers import number_words
from fullduplex.models.cascade.places import PLACES

if TYPE_CHECKING:
    from fullduplex.agents import Agent

DEMO_INSTRUCTION = """\
You are a friendly voice agent in a demonstration of Fullduplex. Answer in one or two short sentences that sound well \
when spoken. Use your tools for the time, the weather, timers, arithmetic, dice and counting, and say what they \
return; the weather comes from a table of samples and the timer is only noted, so say so when it matters. When no \
tool fits, say plainly what you can and cannot do."""

_ZONES = {name.casefold(): (name, zone) for name, zone in PLACES.items()}

_SAMPLE_WEATHER = {
    "Amsterdam": ("light rain", 12),
    "Athens": ("sunny", 27),
    "Bangkok": ("hot and humid", 33),
    "Barcelona": ("sunny", 24),
    "Beijing": ("hazy", 19),
    "Berlin": ("cloudy", 14),
    "Boston": ("clear", 11),
    "Cairo": ("dry and sunny", 31),
    "Chicago": ("windy", 10),
    "Delhi": ("warm and hazy", 30),
    "Dublin": ("showers", 11),
    "Istanbul": ("partly cloudy", 18),
    "Lisbon": ("sunny", 22),
    "London": ("drizzle", 13),
    "Los Angeles": ("sunny", 23),
    "Madrid": ("sunny", 25),
    "Miami": ("thunderstorms", 29),
    "Moscow": ("snow", -3),
    "Mumbai": ("monsoon rain", 28),
    "New York": ("partly cloudy", 16),
    "Oslo": ("clear and cold", 2),
    "Paris": ("mild and cloudy", 17),
    "Rome": ("sunny", 23),
    "San Francisco": ("foggy", 15),
    "Seattle": ("rain", 12),
    "Singapore": ("humid with showers", 30),
    "Stockholm": ("clear", 6),
    "Sydney": ("sunny", 24),
    "Tokyo": ("clear", 18),
    "Toronto": ("light snow", -1),
    "Vienna": ("cloudy", 15),
    "Zurich": ("fresh and clear", 9),
}
_WEATHER = {name.casefold(): (name, *rest) for name, rest in _SAMPLE_WEATHER.items()}


def _clock(moment: datetime) -> str:
    """The time of day as one says it: "3:07 PM"."""
    return f"{moment.hour % 12 or 12}:{moment.minute:02} {'AM' if moment.hour < 12 else 'PM'}"


def get_time(city: str = "") -> dict[str, Any]:
    """Tells the time and the day, here or in a city or country.

    Examples: "what time is it in {city}", "what is the time in {city}", "tell me the time in {city}",
    "what is the current time in {city}", "do you know what time it is in {city}", "time in {city}",
    "what time is it", "what is the time", "what time is it now in {city}", "what is the local time in {city}".

    Args:
        city: A city or country; leave it out for the clock of this machine.
    """
    if not city.strip():
        now = datetime.now().astimezone()
        return {"report": f"It is {_clock(now)} on this machine, {now:%A}.", "time": now.isoformat()}
    found = _ZONES.get(" ".join(city.split()).casefold())
    if found is None:
        return {"error": f"I do not know the time zone of {city}."}
    name, zone = found
    try:
        now = datetime.now(ZoneInfo(zone))
    except ZoneInfoNotFoundError:
        return {"error": f"This machine has no time zone data for {zone}."}
    return {"report": f"It is {_clock(now)} in {name}, {now:%A}.", "time": now.isoformat(), "zone": zone}


def get_weather(city: str) -> dict[str, Any]:
    """Gives the weather of a city from a built-in table of samples; it is not a real report.

    Examples: "what is the weather in {city}", "what is the weather like in {city}", "how is the weather in {city}",
    "weather in {city}", "tell me the weather in {city}", "what is the weather today in {city}",
    "give me the weather for {city}", "is it raining in {city}", "is it sunny in {city}", "is it cold in {city}",
    "is it warm in {city}", "how warm is it in {city}", "what is the temperature in {city}",
    "do i need an umbrella in {city}".

    Args:
        city: A city.
    """
    found = _WEATHER.get(" ".join(city.split()).casefold())
    if found is None:
        return {"error": f"my sample table has no weather for {city}."}
    name, sky, celsius = found
    degrees = f"{number_words(celsius)} degree{'' if abs(celsius) == 1 else 's'}"
    return {
        "report": f"In {name} it is {sky}, {degrees} Celsius. This is sample data, not a real report.",
        "celsius": celsius,
        "sample": True,
    }


def set_timer(amount: int, unit: Literal["second", "minute", "hour"]) -> dict[str, Any]:
    """Notes a timer. It is only noted: nothing rings when it is over.

    Examples: "set a timer for {amount} {unit}s", "set the timer to {amount} {unit}s", "start a {amount} {unit} timer",
    "start a timer for {amount} {unit}s", "timer for {amount} {unit}s", "set a {amount} {unit} timer",
    "remind me in {amount} {unit}s", "wake me up in {amount} {unit}s", "count down {amount} {unit}s".

    Args:
        amount: How many of the unit.
        unit: The unit of time.
    """
    if amount < 1:
        return {"error": "a timer needs at least one second."}
    length = f"{amount} {unit}{'' if amount == 1 else 's'}"
    return {"report": f"I noted a timer for {length}. This demo only notes it, it will not ring.", "rings": False}


def calculate(
    first_number: float, operation: Literal["plus", "minus", "times", "divided by"], second_number: float
) -> dict[str, Any]:
    """Adds, subtracts, multiplies or divides two numbers.

    Examples: "what is {first_number} {operation} {second_number}", "{first_number} {operation} {second_number}",
    "how much is {first_number} {operation} {second_number}", "calculate {first_number} {operation} {second_number}",
    "what does {first_number} {operation} {second_number} make",
    "tell me what {first_number} {operation} {second_number} is".

    Args:
        first_number: The one to begin with.
        operation: What to do.
        second_number: The other one.
    """
    a, b = first_number, second_number
    if operation == "divided by" and b == 0:
        return {"error": "one cannot divide by zero."}
    value = {"plus": a + b, "minus": a - b, "times": a * b, "divided by": a / b if b else 0.0}[operation]
    first, second, result = (f"{round(number, 4):.12g}" for number in (a, b, value))
    return {"report": f"{first} {operation} {second} is {result}.", "value": value}


def roll_dice(count: int = 1, sides: int = 6) -> dict[str, Any]:
    """Rolls dice.

    Examples: "roll a die", "roll the dice", "roll {count} dice", "throw {count} dice", "throw the dice",
    "roll a {sides} sided die", "roll {count} {sides} sided dice", "roll a die with {sides} sides",
    "roll {count} dice with {sides} sides".

    Args:
        count: How many dice, up to 20.
        sides: How many sides each has, up to 1000.
    """
    if not 1 <= count <= 20 or not 2 <= sides <= 1000:
        return {"error": "I roll 1 to 20 dice with 2 to 1000 sides."}
    rolls = [random.randint(1, sides) for _ in range(count)]
    if count == 1:
        return {"report": f"You rolled a {rolls[0]}.", "rolls": rolls}
    shown = f"{', '.join(map(str, rolls[:-1]))} and {rolls[-1]}"
    return {"report": f"You rolled {shown}, {sum(rolls)} together.", "rolls": rolls}


def count_to(number: int) -> dict[str, Any]:
    """Counts aloud from one to a number, at most one hundred.

    Examples: "count to {number}", "count up to {number}", "count from one to {number}", "count aloud to {number}".

    Args:
        number: Where to stop.
    """
    if not 1 <= number <= 100:
        return {"error": "I count to any number from 1 to 100."}
    return {"report": f"{', '.join(number_words(value) for value in range(1, number + 1))}."}


def tell_about_yourself() -> dict[str, Any]:
    """Tells at some length what this demonstration is.

    Examples: "tell me about yourself", "tell me more about yourself", "tell me something about yourself",
    "how do you work", "tell me about this demo", "explain how you work", "talk about yourself".
    """
    return {
        "report": (
            "This is the demonstration agent of Fullduplex. Your voice goes from the page to the server in small "
            "pieces, all the time, and mine comes back in the same way. You can talk while I talk, and I will stop. "
            "My tools tell the time around the world, note timers, do arithmetic, roll dice, and read the weather "
            "from a small table of samples. When I run without a key, my ears know only the words of my tools, my "
            "mind is a list of patterns, and I do not understand free speech. With a model from a provider, the same "
            "agent answers whatever you ask. Every step of a turn can be seen in the event console of the page: what "
            "was heard, which tool was called, what it returned, and what was said."
        )
    }


DEMO_TOOLS = [get_time, get_weather, set_timer, calculate, roll_dice, count_to, tell_about_yourself]


def demo_agent(model: str = "local") -> Agent:
    """The demo agent on a model; `local` needs no key.

    Example:
        >>> from fullduplex import InMemoryRunner
        >>> runner = InMemoryRunner(demo_agent())
    """
    from fullduplex.agents import Agent

    return Agent(
        name="demo",
        model=model,
        description="Shows what a live agent can do: time, weather samples, timers, arithmetic, dice.",
        instruction=DEMO_INSTRUCTION,
        tools=list(DEMO_TOOLS),
    )
