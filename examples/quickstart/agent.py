"""The smallest agent that can be talked with: one tool, no key.

    fullduplex web examples/quickstart/agent.py

Then open the page and say "how long is a marathon". On `model="local"` the sentences in quotes below are what the
offline demonstration listens for; a Gemini model (GOOGLE_API_KEY, `--model gemini-…`) reads the whole as a description.
"""

from typing import Literal

from fullduplex import Agent

KILOMETRES = {"marathon": 42.195, "half marathon": 21.0975, "mile": 1.609344}


def race_length(race: Literal["marathon", "half marathon", "mile"]) -> dict[str, str]:
    """Tells how long a race is.

    Examples: "how long is a {race}", "what is the length of a {race}", "how far is a {race}".

    Args:
        race: The race.
    """
    return {"report": f"A {race} is {KILOMETRES[race]:.1f} kilometres long."}


root_agent = Agent(
    name="coach",
    model="local",
    description="Knows the length of races.",
    instruction="You help runners. Use the tool to look up how long a race is, and answer in one short sentence.",
    tools=[race_length],
)
