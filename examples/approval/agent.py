"""Pays, but not without being told twice: a tool that a person must approve.

    fullduplex web examples/approval/agent.py

Say "send ninety dollars to the landlord": up to one hundred it is simply done. Say "send five hundred dollars to the
landlord": the page shows what is about to happen, and nothing happens until you press Approve. The money is as made
up as the people. `DEMO_AGENT_MODEL=gemini-…` (with GOOGLE_API_KEY) puts a Gemini model in the place of the offline
demonstration.
"""

import os
from typing import Literal

from fullduplex import Agent
from fullduplex.tools import FunctionTool, ToolContext

Payee = Literal["landlord", "gardener", "grocer"]
FREE_HAND = 100


def needs_approval(amount: int, payee: Payee) -> bool:
    """Whether a person has to look at this payment first."""
    return amount > FREE_HAND


def send_money(amount: int, payee: Payee, tool_context: ToolContext) -> dict[str, str]:
    """Sends money to somebody, in whole dollars.

    Examples: "send {amount} dollars to the {payee}", "pay the {payee} {amount} dollars",
    "transfer {amount} dollars to the {payee}", "pay {amount} dollars to the {payee}".

    Args:
        amount: How many dollars, such as five hundred.
        payee: To whom.
    """
    left = tool_context.state.get("balance", 2_000) - amount
    tool_context.state["balance"] = left
    return {"report": f"Sent {amount} dollars to the {payee}. {left} dollars are left."}


def get_balance(tool_context: ToolContext) -> dict[str, str]:
    """Tells how much money is left.

    Examples: "how much money do I have", "what is my balance", "how much is left", "what is left on my account".
    """
    return {"report": f"You have {tool_context.state.get('balance', 2_000)} dollars."}


root_agent = Agent(
    name="teller",
    model=os.environ.get("DEMO_AGENT_MODEL", "local"),
    description="Pays the user's bills.",
    instruction="You pay the user's bills. A payment that is not approved is not made: say so, and do not try again "
    "unless you are asked to.",
    tools=[FunctionTool(send_money, require_confirmation=needs_approval), get_balance],
)
