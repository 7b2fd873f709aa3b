"""The application: the page, the protocols and a few questions that it answers, around one runner."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

from fullduplex.agents import BaseAgent
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.transfer import flow_tools, is_step
from fullduplex.apps import App
from fullduplex.artifacts import InMemoryArtifactService
from fullduplex.errors import InvalidConfig
from fullduplex.memory import InMemoryMemoryService
from fullduplex.runners import InMemoryRunner, Runner
from fullduplex.server.call import Host, LiveRunner
from fullduplex.server.hosts import HostGuard
from fullduplex.server.info import describe, place_of, version
from fullduplex.server.protocols import article_ws, bidi_demo
from fullduplex.server.run_config import is_local, model_name
from fullduplex.server.settings import ServerSettings
from fullduplex.sessions import DatabaseSessionService
from fullduplex.tools.declared import declared

logger = logging.getLogger(__name__)


def create_app(
    served: BaseAgent | App | LiveRunner,
    settings: ServerSettings | None = None,
    *,
    examples: Sequence[str] = (),
) -> FastAPI:
    """The server as an ASGI application.

    An agent or app gets a runner by the settings `session_db_url` and `session_conflict`; a runner is used as it is and
    closed with the application. `examples` are sentences that the page offers to try. Raises `InvalidConfig` for a
    database that cannot be opened, or one beside a runner, which has its sessions.

    Example:
        >>> app = create_app(Agent(name="helper", model="local"))  # then: uvicorn module:app
    """
    settings = settings or ServerSettings()
    host = Host(_runner(served, settings), settings)
    app = FastAPI(title="Fullduplex", version=version(), lifespan=_lifespan(host))
    app.state.host = host
    app.add_middleware(HostGuard, settings=settings)
    _add_questions(app, host, examples)
    _add_page(app)
    app.include_router(bidi_demo.router(host))
    app.include_router(article_ws.router(host))
    return app


def _runner(served: BaseAgent | App | LiveRunner, settings: ServerSettings) -> LiveRunner:
    app = App(name=served.name, root_agent=served) if isinstance(served, BaseAgent) else served
    if not isinstance(app, App):
        if settings.session_db_url:
            raise InvalidConfig("session_db_url is for an agent: a runner has a session service already")
        return app
    if not settings.session_db_url:
        return InMemoryRunner(app=app, live_conflict=settings.session_conflict)
    return Runner(
        app=app,
        session_service=DatabaseSessionService(settings.session_db_url),
        artifact_service=InMemoryArtifactService(),
        memory_service=InMemoryMemoryService(),
        live_conflict=settings.session_conflict,
    )


def _lifespan(host: Host) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        beginning = {
            asyncio.create_task(_prewarm(host.runner.agent), name="prewarm"),
            asyncio.create_task(_try_store(host.runner), name="try the session database"),
        }
        try:
            yield
        finally:
            host.stop()
            for task in beginning:
                task.cancel()
            await asyncio.wait(beginning)
            if isinstance(host.runner, Runner):
                await host.runner.close()
            if host.settings.session_db_url and isinstance(host.runner.session_service, DatabaseSessionService):
                await host.runner.session_service.close()
            await _stop_engines()

    return lifespan


async def _prewarm(agent: BaseAgent) -> None:
    """Starts the offline speech engines before the first call needs them, for each agent that speaks with them."""
    if isinstance(agent, LlmAgent) and is_local(model_name(agent)):
        await _prewarm_one(agent)
    for below in agent.sub_agents:
        await _prewarm(below)


async def _try_store(runner: LiveRunner) -> None:
    """Says in the log when the session database cannot be used: the first caller should not be the one to find out.

    The server starts all the same, because the database may come up after it.
    """
    if isinstance(runner, Runner) and isinstance(runner.session_service, DatabaseSessionService):
        try:
            await runner.session_service.get_user_state(app_name=runner.app_name, user_id="")
        except Exception as error:  # the boundary to a driver that may fail in its own way
            logger.error("the session database cannot be used, and calls are refused until it can: %s", error)


async def _prewarm_one(agent: LlmAgent) -> None:
    from fullduplex.models.cascade import engines

    tools, targets = agent.canonical_tools(), agent.transfer_targets
    tools += flow_tools(tools, targets, step=is_step(agent))
    try:
        await engines.prewarm(declared(tools), {target.name: target.description for target in targets})
    except Exception:  # the boundary to helper processes: a call that needs the engine will say what is wrong with it
        logger.exception("the offline speech engines did not start")


async def _stop_engines() -> None:
    # Looked up, not imported: a server that never spoke offline has nothing to stop and should not load it now.
    engines = sys.modules.get("fullduplex.models.cascade.engines")
    if engines is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await engines.aclose()


def _add_questions(app: FastAPI, host: Host, examples: Sequence[str]) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/info")
    async def info() -> dict[str, Any]:
        return describe(host.runner.agent, place_of(host.runner.session_service), examples)


class _Page(StaticFiles):
    """The page's files; a browser asks each time whether they changed, so that an update is seen at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def page_folder() -> Path:
    """Where the page's files are."""
    return Path(str(files("fullduplex"))) / "web"


def _add_page(app: FastAPI) -> None:
    folder = page_folder()
    # Some systems' tables call these text/plain, and browsers then refuse modules.
    mimetypes.add_type("text/javascript", ".js")
    mimetypes.add_type("image/svg+xml", ".svg")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(folder / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> FileResponse:
        return FileResponse(folder / "favicon.svg")

    app.mount("/static", _Page(directory=folder), name="static")
