"""A process that holds a live conversation over a database, for tests that end it.

`python -m tests.sessions.restarting URL APP WORDS` says WORDS, and prints what its model was told of earlier, as JSON,
when the answer has come. Then it keeps the conversation open until its stdin is closed.
"""

from __future__ import annotations

import asyncio
import sys

from fullduplex import Agent, LiveRequestQueue, Runner, types
from fullduplex.sessions import BaseSessionService, DatabaseSessionService
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.types.content import Content
from fullduplex.types.struct import encode_json


class Agreeing(ScriptedConnection):
    """Repeats what the user says."""

    async def send_content(self, content: Content, *, turn_complete: bool = True) -> None:
        await super().send_content(content, turn_complete=turn_complete)
        turn = {"role": "model", "parts": [{"text": f"So {content.text}."}]}
        self.say({"serverContent": {"modelTurn": turn}})
        self.say({"serverContent": {"turnComplete": True}})


class AgreeingModel(ScriptedModel):
    """A model of such connections."""

    connection_type = Agreeing


def runner_over(service: BaseSessionService, app: str) -> Runner:
    """A runner of its own on the sessions of `service`."""
    agent = Agent(name="guide", model=AgreeingModel())
    return Runner(app_name=app, agent=agent, session_service=service, auto_create_session=True)


async def main(url: str, app: str, words: str) -> None:
    async with DatabaseSessionService(url) as service:
        runner, queue = runner_over(service, app), LiveRequestQueue()
        queue.send_content(types.UserContent(parts=words))
        async for event in runner.run_live(user_id="u", session_id="s", live_request_queue=queue):
            if event.turn_complete:
                [connection] = runner.agent.model.connections  # type: ignore[attr-defined]
                print(encode_json(connection.request.history).decode(), flush=True)
                await asyncio.to_thread(sys.stdin.read)
                queue.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
