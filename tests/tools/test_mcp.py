"""MCP toolsets with real servers, over pipes and over HTTP: used, stopped, killed and brought back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fullduplex.errors import InvalidConfig
from fullduplex.tools import BaseTool, McpToolset
from fullduplex.tools.mcp import StdioConnectionParams, StreamableHTTPConnectionParams
from tests.needs import needs

SERVER = str(Path(__file__).with_name("mcp_server.py"))
NAMES = ["add", "order", "say", "break_down", "draw", "two_words", "pid", "wait"]


class Place:
    """A server that can be reached, killed and started again, and the toolset's way to it."""

    def __init__(self, kind: str, port: int) -> None:
        self.kind = kind
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def params(self, **changes: Any) -> StdioConnectionParams | StreamableHTTPConnectionParams:
        # A machine that is busy with other tests takes its time to start a process.
        changes = {"timeout": 20.0, **changes}
        if self.kind == "http":
            return StreamableHTTPConnectionParams(url=f"http://127.0.0.1:{self.port}/mcp", **changes)
        return StdioConnectionParams(server_params={"command": sys.executable, "args": [SERVER, "stdio"]}, **changes)

    def start(self) -> None:
        """Starts the server, if it is not the toolset that does so."""
        if self.kind != "http":
            return
        command = [sys.executable, SERVER, "http", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the server does not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(params=["stdio", "http"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    needs("mcp")
    with _place(request.param) as made:
        yield made


@pytest.fixture
def stdio() -> Iterator[Place]:
    needs("mcp")
    with _place("stdio") as made:
        yield made


@contextmanager
def _place(kind: str) -> Iterator[Place]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = Place(kind, port)
    place.start()
    try:
        yield place
    finally:
        place.stop()


@asynccontextmanager
async def opened(place: Place, *, timeout: float = 20.0, **options: Any) -> AsyncIterator[McpToolset]:
    """A toolset, and the proof that nothing is left of it: no task, no process."""
    before = asyncio.all_tasks()
    toolset = McpToolset(connection_params=place.params(timeout=timeout), **options)
    try:
        yield toolset
    finally:
        await toolset.close()
    assert asyncio.all_tasks() == before
    assert children() <= ({place.process.pid} if place.process is not None else set())


def children() -> set[int]:
    """The processes that this one has started and that are there still."""
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if not listed.exists():
        return set()
    return {int(pid) for pid in listed.read_text().split() if SERVER in Path(f"/proc/{pid}/cmdline").read_text()}


async def tools_of(toolset: McpToolset) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in await toolset.get_tools()}


async def call(tool: BaseTool, **args: Any) -> Any:
    return await tool.run_async(args=args, tool_context=None)  # type: ignore[arg-type]


async def marked(mark: Path) -> int:
    """The process that runs the tool `wait`, when it has begun to."""
    for _ in range(2_000):
        if mark.exists() and (written := mark.read_text()):
            return int(written)
        await asyncio.sleep(0.01)
    raise AssertionError("the tool does not begin")


@pytest.mark.spec(99)
async def test_tools_are_listed_and_called(place: Place) -> None:
    async with opened(place) as toolset:
        tools = await tools_of(toolset)
        assert list(tools) == NAMES
        assert toolset.failure is None
        assert await call(tools["add"], a=2, b=3) == {"result": 5}
        assert await call(tools["order"], kind="pizza", to={"street": "Elm"}, count=2) == {"ordered": "2 pizza to Elm"}
        assert await call(tools["say"], words="hello") == {"result": "You said hello"}
        picture = await call(tools["draw"])
        assert picture["content"] == [{"type": "image", "data": "iVBORw==", "mimeType": "image/png"}]


async def test_declarations_are_in_our_spelling(stdio: Place) -> None:
    async with opened(stdio) as toolset:
        declared = (await tools_of(toolset))["order"].declaration()
    assert declared is not None
    assert (declared.name, declared.description) == ("order", "Orders food.")
    parameters = declared.parameters
    assert parameters is not None
    assert parameters["required"] == ["kind", "to"]
    assert parameters["properties"]["kind"]["enum"] == ["pizza", "pasta"]
    assert parameters["properties"]["to"]["properties"]["number"]["nullable"] is True
    assert parameters["properties"]["count"] == {
        "type": "INTEGER",
        "title": "Count",
        "description": "How many",
        "minimum": 1,
        "default": 1,
    }


async def test_what_the_server_refuses_is_an_answer(place: Place) -> None:
    async with opened(place) as toolset:
        tools = await tools_of(toolset)
        assert "no more cheese" in (await call(tools["break_down"]))["error"]
        assert "a" in (await call(tools["add"], b=1))["error"]
        assert await call(tools["add"], a=2, b=3) == {"result": 5}


async def test_calls_run_side_by_side(place: Place, tmp_path: Path) -> None:
    async with opened(place) as toolset:
        tools = await tools_of(toolset)
        slow = asyncio.create_task(call(tools["wait"], seconds=60, mark=str(tmp_path / "slow")))
        await marked(tmp_path / "slow")
        answers = await asyncio.gather(*(call(tools["add"], a=n, b=1) for n in range(10)))
        assert answers == [{"result": n + 1} for n in range(10)]
        assert not slow.done()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert await call(tools["add"], a=2, b=3) == {"result": 5}


async def test_a_filter_of_names_and_a_predicate_choose(stdio: Place) -> None:
    async with opened(stdio, tool_filter=["add", "say", "unknown"]) as toolset:
        assert list(await tools_of(toolset)) == ["add", "say"]
    context = object()
    seen = []

    def short(tool: BaseTool, given: object) -> bool:
        seen.append(given)
        return len(tool.name) == 3

    async with opened(stdio, tool_filter=short) as toolset:
        assert [tool.name for tool in await toolset.get_tools(context)] == ["add", "say", "pid"]  # type: ignore[arg-type]
    assert set(seen) == {context}


async def test_a_name_that_no_backend_takes_is_mended_and_the_first_of_two_counts(
    stdio: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(stdio) as toolset:
        tools = await tools_of(toolset)
        assert await call(tools["two_words"]) == {"result": "spaced"}
    assert "two tools that are called two_words" in caplog.text


async def test_a_tool_whose_schema_cannot_be_read_is_left_out(stdio: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_order(schema: dict[str, Any]) -> None:
        if "kind" in schema.get("properties", {}):
            raise TypeError("not a schema")

    monkeypatch.setattr("fullduplex.tools.mcp.toolset.parameters_of", refuse_order)
    async with opened(stdio) as toolset:
        assert list(await tools_of(toolset)) == [name for name in NAMES if name != "order"]


async def test_a_prefix_tells_two_servers_apart(stdio: Place) -> None:
    async with opened(stdio, tool_name_prefix="shop", tool_filter=["add"]) as toolset:
        tools = await tools_of(toolset)
        assert list(tools) == ["shop_add"]
        assert await call(tools["shop_add"], a=2, b=3) == {"result": 5}


@pytest.mark.spec(99)
async def test_a_server_that_is_killed_in_the_middle_of_a_call_costs_the_call_and_comes_back(
    place: Place, tmp_path: Path
) -> None:
    async with opened(place) as toolset:
        tools = await tools_of(toolset)
        running = asyncio.create_task(call(tools["wait"], seconds=60, mark=str(tmp_path / "mark")))
        pid = await marked(tmp_path / "mark")
        os.kill(pid, signal.SIGKILL)
        answer = await asyncio.wait_for(running, 20)
        assert "lost on the way" in answer["error"]
        place.stop()
        place.start()
        assert await _until_it_is_back(toolset) != pid


async def _until_it_is_back(toolset: McpToolset) -> int:
    for _ in range(100):
        if "pid" in (tools := await tools_of(toolset)):
            answer = await call(tools["pid"])
            assert toolset.failure is None
            return int(answer["result"])
        await asyncio.sleep(0.1)
    raise AssertionError("it does not come back")


async def test_a_server_that_is_restarted_while_nobody_asks_is_found_again_at_once(place: Place) -> None:
    async with opened(place) as toolset:
        first = (await call((await tools_of(toolset))["pid"]))["result"]
        os.kill(first, signal.SIGKILL)
        place.stop()
        place.start()
        assert list(await tools_of(toolset)) == NAMES
        assert (await call((await tools_of(toolset))["pid"]))["result"] != first


@pytest.mark.spec(99)
async def test_a_server_that_hangs_costs_a_call_its_time_and_no_more(place: Place, tmp_path: Path) -> None:
    async with opened(place, timeout=5.0, call_timeout=0.5) as toolset:
        tools = await tools_of(toolset)
        running = asyncio.create_task(call(tools["wait"], seconds=0.2, mark=str(tmp_path / "mark")))
        pid = await marked(tmp_path / "mark")
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert "no answer within 0.5 seconds" in (await running)["error"]
            assert time.monotonic() - began < 3
        finally:
            await toolset.close()
            if place.kind == "http":
                os.kill(pid, signal.SIGCONT)


async def test_a_slow_tool_costs_only_its_own_call(place: Place, tmp_path: Path) -> None:
    async with opened(place, call_timeout=1.0) as toolset:
        tools = await tools_of(toolset)
        first = (await call(tools["pid"]))["result"]
        assert "no answer" in (await call(tools["wait"], seconds=60, mark=str(tmp_path / "mark")))["error"]
        await asyncio.sleep(0.2)
        assert await call(tools["pid"]) == {"result": first}


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "import sys; sys.exit(3)", "print('not JSON')"])
async def test_a_process_that_is_no_server_costs_its_tools_and_no_more(code: str) -> None:
    needs("mcp")
    place = Place("stdio", 0)
    params = StdioConnectionParams(server_params={"command": sys.executable, "args": ["-c", code]}, timeout=1.0)
    place.params = lambda **_: params  # type: ignore[method-assign]
    async with opened(place) as toolset:
        assert await toolset.get_tools() == []
        assert toolset.failure is not None
        began = time.monotonic()
        assert await toolset.get_tools() == []
        assert "tried again in" in toolset.failure
        assert time.monotonic() - began < 0.1, "it is left alone for a while"


async def test_a_program_or_address_that_is_not_there_costs_its_tools_and_no_more() -> None:
    needs("mcp")
    missing = StdioConnectionParams(server_params={"command": "/nowhere/to/be/found"})
    nobody = StreamableHTTPConnectionParams(url="http://127.0.0.1:9/mcp")
    for params in (missing, nobody):
        toolset = McpToolset(connection_params=params)
        assert await toolset.get_tools() == []
        assert "does not answer (" in (toolset.failure or "")
        await toolset.close()


async def test_closing_answers_the_calls_that_run(place: Place, tmp_path: Path) -> None:
    async with opened(place) as toolset:
        tools = await tools_of(toolset)
        running = asyncio.create_task(call(tools["wait"], seconds=60, mark=str(tmp_path / "mark")))
        await marked(tmp_path / "mark")
        await toolset.close()
        assert "error" in await asyncio.wait_for(running, 5)
        await toolset.close()


async def test_a_listing_that_is_given_up_leaves_nothing(stdio: Place) -> None:
    async with opened(stdio) as toolset:
        listing = asyncio.create_task(toolset.get_tools())
        await asyncio.sleep(0.05)
        listing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listing


def test_a_toolset_serves_one_loop_after_another(stdio: Place) -> None:
    toolset = McpToolset(connection_params=stdio.params(), tool_filter=["add"])

    async def once() -> Any:
        return await call((await tools_of(toolset))["add"], a=2, b=3)

    assert asyncio.run(once()) == {"result": 5}
    assert asyncio.run(once()) == {"result": 5}

    async def last() -> None:
        await once()
        await toolset.close()

    asyncio.run(last())
    assert children() == set()


async def test_the_sdk_s_own_parameters_are_taken() -> None:
    needs("mcp")
    from mcp import StdioServerParameters

    params = StdioConnectionParams(server_params=StdioServerParameters(command="x", args=["y"], env={"A": "b"}))  # type: ignore[arg-type]
    assert (params.server_params.command, params.server_params.args, params.server_params.env) == (
        "x",
        ["y"],
        {"A": "b"},
    )


async def test_without_the_extra_it_says_which_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    toolset = McpToolset(connection_params=StreamableHTTPConnectionParams(url="http://127.0.0.1:9/mcp"))
    assert await toolset.get_tools() == []
    assert "fullduplex[mcp]" in (toolset.failure or "")
    await toolset.close()


def test_anything_else_is_no_connection() -> None:
    with pytest.raises(InvalidConfig, match="StdioConnectionParams"):
        McpToolset(connection_params={"url": "http://127.0.0.1"})  # type: ignore[arg-type]
