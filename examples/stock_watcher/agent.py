"""Watches a price and speaks up when it moves: a streaming tool.

    fullduplex web examples/stock_watcher/agent.py

Say "watch globex", talk about something else, and be told when the price moves; "stop watching" ends all watches. The
prices are made up: a walk that begins anew with each watch. `DEMO_AGENT_MODEL=gemini-…` (with GOOGLE_API_KEY) puts a
Gemini model in the place of the offline demonstration.
"""

import asyncio
import os
import random
from collections.abc import AsyncGenerator
from typing import Literal

from fullduplex import Agent

Company = Literal["globex", "initech", "hooli"]
OPENING_PRICES = {"globex": 120.0, "initech": 45.0, "hooli": 310.0}
TICK_S = 4.0
WORTH_TELLING = 0.02


async def watch_price(company: Company) -> AsyncGenerator[dict[str, str], None]:
    """Watches the made-up share price of a company, and tells whenever it has moved by two per cent.

    Examples: "watch {company}", "watch the price of {company}", "keep an eye on {company}",
    "monitor the stock price of {company}", "tell me when {company} moves".

    Args:
        company: The company.
    """
    told = price = OPENING_PRICES[company]
    while True:
        await asyncio.sleep(TICK_S)
        price *= 1 + random.gauss(0, 0.015)
        if abs(price / told - 1) >= WORTH_TELLING:
            direction = "up" if price > told else "down"
            told = price
            yield {"report": f"{company} is {direction}, at {price:.0f} dollars."}


def stop_streaming(function_name: Literal["watch_price"]) -> None:
    """Ends the watching of prices.

    Examples: "stop watching", "stop the watch", "stop watching the price", "stop monitoring",
    "stop {function_name} globex", "stop {function_name} initech", "stop {function_name} hooli".

    Args:
        function_name: The name of the tool to stop.
    """


root_agent = Agent(
    name="broker",
    model=os.environ.get("DEMO_AGENT_MODEL", "local"),
    description="Watches share prices.",
    instruction="You watch share prices for the user. Start a watch when asked, tell each move in one short sentence "
    "as it comes, and stop when asked. The prices are made up: say so if somebody wants to trade on them.",
    tools=[watch_price, stop_streaming],
)
