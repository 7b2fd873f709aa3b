"""Takes orders, one form after another: a loop whose rounds begin with an empty form.

    fullduplex web examples/form_filling/agent.py

Say "a large pizza", "with mushrooms", "no, make it small", "water please", "place the order": the form is full, and
the next round takes the next customer's. "Close the counter" ends the loop. In writing a loop waits for nobody between
its rounds: `fullduplex run examples/form_filling/agent.py:clerk` has the clerk alone. `DEMO_AGENT_MODEL=gemini-…` (with
GOOGLE_API_KEY) puts a Gemini model in the place of the offline demonstration.
"""

import os
from typing import Literal

from fullduplex import Agent
from fullduplex.agents import LoopAgent
from fullduplex.tools import ToolContext

QUESTIONS = {
    "size": "Small, medium or large?",
    "topping": "With cheese, mushrooms or olives?",
    "drink": "And to drink, water, juice or coffee?",
}


def missing(context: ToolContext) -> list[str]:
    """The fields of the form that are still empty."""
    return [field for field in QUESTIONS if not context.state.get(field)]


def noted(context: ToolContext, field: str, value: str) -> dict[str, str]:
    """Writes an answer into the form, and asks for what is missing next."""
    context.state[field] = value
    fields = missing(context)
    question = QUESTIONS[fields[0]] if fields else "Shall I place the order?"
    return {"report": f"{value.capitalize()}. {question}"}


def choose_size(size: Literal["small", "medium", "large"], tool_context: ToolContext) -> dict[str, str]:
    """Notes the size of the pizza.

    Examples: "a {size} pizza", "{size}", "{size} please", "I want a {size} pizza", "[no] make it {size}".
    """
    return noted(tool_context, "size", size)


def choose_topping(topping: Literal["cheese", "mushrooms", "olives"], tool_context: ToolContext) -> dict[str, str]:
    """Notes what is on the pizza.

    Examples: "with {topping}", "no with {topping}", "{topping}", "{topping} please", "I want {topping}",
    "[no] make it {topping}".
    """
    return noted(tool_context, "topping", topping)


def choose_drink(drink: Literal["water", "juice", "coffee"], tool_context: ToolContext) -> dict[str, str]:
    """Notes the drink.

    Examples: "{drink} please", "{drink}", "a {drink}", "I take a {drink}", "{drink} to drink", "[no] make it {drink}".
    """
    return noted(tool_context, "drink", drink)


def place_order(tool_context: ToolContext) -> dict[str, str]:
    """Places the order when the form is full, and ends the round.

    Examples: "place the order", "yes place the order", "order it", "yes please", "that is all".
    """
    fields = missing(tool_context)
    if fields:
        return {"report": f"Not yet. {QUESTIONS[fields[0]]}"}
    order = {field: tool_context.state[field] for field in QUESTIONS}
    for field in QUESTIONS:
        tool_context.state[field] = None
    tool_context.state["orders"] = [*tool_context.state.get("orders", []), order]
    tool_context.actions.end_of_agent = True
    pizza = f"one {order['size']} pizza with {order['topping']}, and {order['drink']}"
    return {"report": f"Ordered: {pizza}. Next please! {QUESTIONS['size']}"}


def close_counter(tool_context: ToolContext) -> dict[str, str]:
    """Ends the work: no more orders are taken.

    Examples: "close the counter", "close the shop", "we are closed", "stop taking orders".
    """
    tool_context.actions.escalate = True
    orders = len(tool_context.state.get("orders", []))
    return {"report": f"The counter is closed. Orders taken: {orders}."}


clerk = Agent(
    name="clerk",
    model=os.environ.get("DEMO_AGENT_MODEL", "local"),
    description="Takes one order.",
    instruction="You take orders for pizza. The form so far: size {size?}, topping {topping?}, drink {drink?}. Ask for "
    "what is missing, one thing at a time, note each answer with its tool, and place the order when the form is full.",
    tools=[choose_size, choose_topping, choose_drink, place_order, close_counter],
)

root_agent = LoopAgent(name="counter", description="Takes orders one after another.", sub_agents=[clerk])
