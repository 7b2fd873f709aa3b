"""The `fullduplex` command: one module for each sub-command, imported only when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

EPILOG = """\
fullduplex web                          talk with the demo agent at http://127.0.0.1:8000
fullduplex web my_agent.py              … with your own (root_agent in my_agent.py)
fullduplex run my_agent.py              chat with it here, in writing
fullduplex mock-live --help             a pretended Gemini Live server, for tests without a key

Without GOOGLE_API_KEY the demo agent runs on `local`, an offline demonstration.
A file .env in the working directory is read first.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line; it imports nothing heavy."""
    parser = argparse.ArgumentParser(
        prog="fullduplex",
        description="Agents that people talk with, live.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    web = commands.add_parser(
        "web",
        help="serve an agent, with a page to talk with it",
        description="Serves an agent and a page to talk with it, until Ctrl-C.",
    )
    web.add_argument(
        "agent",
        nargs="?",
        metavar="AGENT",
        help="a file, a folder with agent.py, or a module, each with `:name` if the agent is not called root_agent; "
        "left out: the demo agent",
    )
    web.add_argument("--host", help="address to listen on (127.0.0.1, or HOST); 0.0.0.0 lets other machines in")
    web.add_argument("--port", type=int, help="port to listen on (8000, or PORT); 0 takes a free one")
    web.add_argument("--model", help="model to run instead of the agent's own: `local`, or a Gemini model's name")
    _add_session_db(web)
    web.add_argument("--session-conflict", choices=("take_over", "refuse"), help="what a second call on a session does")
    web.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    web.add_argument("--log-format", choices=("console", "json"))
    chat = commands.add_parser(
        "run",
        help="chat with an agent in the terminal, in writing",
        description="A chat in writing: each line is a message. Ctrl-D leaves, Ctrl-C stops an answer.",
    )
    chat.add_argument("agent", nargs="?", metavar="AGENT", help="as for `web`; left out: the demo agent")
    chat.add_argument(
        "--model",
        help="text model to run instead of the agent's own: `local`, a Gemini model's name, or openai/NAME "
        "(OPENAI_BASE_URL names the server)",
    )
    chat.add_argument("--user", default="user", metavar="ID", help="whose session it is (user)")
    chat.add_argument("--session", default="terminal", metavar="ID", help="the session's id (terminal)")
    _add_session_db(chat)
    chat.add_argument("--state", metavar="JSON", help="state that the session begins with")
    commands.add_parser("mock-live", help="a Gemini Live server on loopback, with scripts and faults", add_help=False)
    return parser


def _add_session_db(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--session-db",
        dest="session_db_url",
        metavar="URL",
        help="the database that sessions are kept in, such as sqlite:///sessions.db (in memory); needs fullduplex[db]",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 it failed, 2 it was asked for the wrong thing."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["mock-live"]:
        # It has a parser of its own, which `python -m fullduplex.mock_live` uses as well.
        from fullduplex.mock_live.cli import main as mock_live

        return int(mock_live(arguments[1:]) or 0)
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.version:
        from fullduplex.cli.version import version_line

        print(version_line())
        return 0
    if options.command == "web":
        from fullduplex.cli.web import web

        return web(options)
    if options.command == "run":
        from fullduplex.cli.run import run

        return run(options)
    parser.print_help()
    return 2
