"""A hotel's telephone: three agents with three voices, who hand the caller on to each other.

    fullduplex web examples/concierge/agent.py

Say "book a table for four people", and the restaurant answers in its own voice; say "I need two towels", and you are
handed on. By the sentences quoted in an agent's description the offline demonstration knows whom you mean.
`DEMO_AGENT_MODEL=gemini-…` (with GOOGLE_API_KEY) puts a Gemini model in its place.
"""

import os

from fullduplex import Agent
from fullduplex.models import LiveModel, resolve
from fullduplex.tools import ToolContext
from fullduplex.types import PrebuiltVoiceConfig, SpeechConfig, VoiceConfig

MODEL = os.environ.get("DEMO_AGENT_MODEL", "local")


def voiced(offline: str, gemini: str) -> LiveModel:
    """The model with a voice of its own: one of the offline voices, or one of Gemini's."""
    model = resolve(MODEL)
    voice = PrebuiltVoiceConfig(voice_name=offline if MODEL == "local" else gemini)
    model.speech_config = SpeechConfig(voice_config=VoiceConfig(prebuilt_voice_config=voice))
    return model


def opening_hours() -> dict[str, str]:
    """Tells when breakfast is served and when guests have to leave.

    Examples: "when is breakfast", "when do I have to check out", "what time is checkout", "when is check out".
    """
    return {"report": "Breakfast is from seven to ten, and checkout is at eleven."}


def book_table(people: int, tool_context: ToolContext) -> dict[str, str]:
    """Books a table in the restaurant for tonight.

    Examples: "book a table for {people} people", "book a table for {people}", "reserve a table for {people} people",
    "I want a table for {people}".

    Args:
        people: How many will come, such as four.
    """
    tool_context.state["table_for"] = people
    return {"report": f"A table for {people} is booked for tonight at eight."}


def todays_menu() -> dict[str, str]:
    """Tells what the kitchen cooks today.

    Examples: "what is on the menu", "what is for dinner", "what is on the menu today", "read me the menu".
    """
    return {"report": "Tonight there is leek soup, grilled trout, and plum cake."}


def bring_towels(count: int) -> dict[str, str]:
    """Has towels brought to the room.

    Examples: "I need {count} towels", "bring me {count} towels", "can I have {count} towels".

    Args:
        count: How many towels, such as two.
    """
    return {"report": f"{count} towels are on their way."}


def clean_room() -> dict[str, str]:
    """Has the room cleaned.

    Examples: "clean my room", "please clean the room", "my room is dirty", "make up my room".
    """
    return {"report": "Somebody will clean your room within the hour."}


dining = Agent(
    name="dining",
    model=voiced("rms", "Charon"),
    description='The restaurant: books a table ("book a table for four people", "reserve a table for five people", '
    '"I want a table for two"), and knows the menu ("what is on the menu", "what is for dinner").',
    instruction="You are the restaurant of a small hotel. Book tables and tell the menu, in one short sentence.",
    tools=[book_table, todays_menu],
)

housekeeping = Agent(
    name="housekeeping",
    model=voiced("awb", "Puck"),
    description='Housekeeping: brings towels ("I need two towels", "bring me three towels", "I need five towels") and '
    'cleans the room ("clean my room", "please clean the room").',
    instruction="You are the housekeeping of a small hotel. Have things brought and rooms cleaned. Be brief.",
    tools=[bring_towels, clean_room],
)

root_agent = Agent(
    name="concierge",
    model=voiced("slt", "Aoede"),
    description='The front desk: knows when breakfast is ("when is breakfast") and checkout ("what time is checkout").',
    instruction="You are the front desk of a small hotel. Answer what you know, and hand the guest on for the rest.",
    tools=[opening_hours],
    sub_agents=[dining, housekeeping],
)
