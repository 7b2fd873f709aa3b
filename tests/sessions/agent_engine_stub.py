"""Vertex AI Agent Engine's Sessions API, as its documentation tells it, without a network.

It refuses what the real one would (fields it does not know, ids, missing tokens), keeps numbers as floating-point ones,
answers with long-running operations, hands lists out in pages, and orders events by their times. What the documentation
leaves open and users report: `user:` and `app:` state is shared among the sessions of an engine.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

PAGE = 3
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ENGINE = r"/v1beta1/(?P<engine>(projects/[^/]+/locations/[^/]+/)?reasoningEngines/\d+)"
_SESSION = rf"{_ENGINE}/sessions/(?P<session>[^/:]+)"
_SESSION_FIELDS = {"userId", "sessionState", "displayName", "labels", "ttl", "expireTime"}
_EVENT_FIELDS = {
    *("author", "invocationId", "timestamp", "content", "actions", "errorCode", "errorMessage", "eventMetadata"),
    "rawEvent",
}
_ACTION_FIELDS = {
    *("skipSummarization", "stateDelta", "artifactDelta", "transferAgent", "escalate", "requestedAuthConfigs"),
}
_METADATA_FIELDS = {
    *("groundingMetadata", "partial", "turnComplete", "interrupted", "longRunningToolIds", "branch", "customMetadata"),
    *("inputTranscription", "outputTranscription"),
}
Json = dict[str, Any]


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response = httpx.Response(status, json={"error": {"code": status, "message": message}})


class AgentEngineStub:
    """The service; `requests` are those that came, `faults` are run before or after the next ones."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.before: list[Callable[[], httpx.Response | None]] = []
        self.after: list[Callable[[], None]] = []
        self.tokens = {"Bearer token", "express-key"}
        self._sessions: dict[tuple[str, str], Json] = {}
        self._events: dict[tuple[str, str], list[Json]] = {}
        self._shared: dict[tuple[str, ...], Json] = {}
        self._operations: dict[str, tuple[int, Json]] = {}
        self._numbers = itertools.count(1)

    def client(self) -> httpx.AsyncClient:
        """A client that talks with it."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request."""
        self.requests.append(request)
        if self.before and (fault := self.before.pop(0)()) is not None:
            return fault
        try:
            if not self.tokens & {request.headers.get("authorization"), request.headers.get("x-goog-api-key")}:
                raise Refusal(401, "Request had invalid authentication credentials.")
            response = httpx.Response(200, json=self._answer(request))
        except Refusal as refusal:
            response = refusal.response
        if self.after:
            self.after.pop(0)()
        return response

    def _answer(self, request: httpx.Request) -> Json:
        path, params = request.url.path, dict(request.url.params)
        body = doubles(json.loads(request.content)) if request.content else {}
        routes: list[tuple[str, str, Callable[..., Json]]] = [
            ("POST", rf"{_ENGINE}/sessions", self._create),
            ("GET", rf"{_ENGINE}/sessions", self._list),
            ("GET", r"/v1beta1/(?P<name>.+/operations/\d+)", self._operation),
            ("GET", _SESSION, self._get),
            ("DELETE", _SESSION, self._delete),
            ("GET", rf"{_SESSION}/events", self._list_events),
            ("POST", rf"{_SESSION}:appendEvent", self._append),
        ]
        for method, pattern, handler in routes:
            if method == request.method and (found := re.fullmatch(pattern, path)):
                return handler(found.groupdict(), params, body)
        raise Refusal(404, f"{request.method} {path} is not in this API.")

    def _create(self, named: Json, params: Json, body: Json) -> Json:
        only(body, _SESSION_FIELDS)
        number = next(self._numbers)
        key = (named["engine"], params.get("sessionId") or str(10**18 + number))
        if not _ID.fullmatch(key[1]):
            raise Refusal(400, f"Invalid session id {key[1]}.")
        if not body.get("userId"):
            raise Refusal(400, "user_id is required.")
        if key in self._sessions:
            raise Refusal(409, f"Session {key[1]} already exists.")
        name = f"{key[0]}/sessions/{key[1]}"
        self._sessions[key] = {"name": name, "userId": body["userId"], "createTime": self._now(), "sessionState": {}}
        self._events[key] = []
        self._change(key, body.get("sessionState") or {})
        return self._begin(name, {"name": name})

    def _get(self, named: Json, params: Json, body: Json) -> Json:
        return self._shown(self._key(named))

    def _delete(self, named: Json, params: Json, body: Json) -> Json:
        key = self._key(named)
        del self._sessions[key], self._events[key]
        return self._begin(f"{key[0]}/sessions/{key[1]}", {})

    def _list(self, named: Json, params: Json, body: Json) -> Json:
        heads = [self._shown(key) for key in self._sessions if key[0] == named["engine"]]
        if wanted := params.get("filter"):
            found = re.fullmatch(r'user_id="((?:[^"\\]|\\.)*)"', wanted)
            if found is None:
                raise Refusal(400, f"Invalid filter {wanted}.")
            user = re.sub(r"\\(.)", r"\1", found[1])
            heads = [head for head in heads if head["userId"] == user]
        field, _, direction = params.get("orderBy", "create_time").partition(" ")
        order = {"create_time": "createTime", "update_time": "updateTime"}[field]
        heads.sort(key=lambda head: str(head[order]), reverse=direction == "desc")
        return paged(heads, "sessions", params)

    def _list_events(self, named: Json, params: Json, body: Json) -> Json:
        events = sorted(self._events[self._key(named)], key=lambda event: when(event["timestamp"]))
        if wanted := params.get("filter"):
            found = re.fullmatch(r'timestamp>="([^"]+)"', wanted)
            if found is None:
                raise Refusal(400, f"Invalid filter {wanted}.")
            events = [event for event in events if when(event["timestamp"]) >= when(found[1])]
        if params.get("orderBy", "timestamp") == "timestamp desc":
            events.reverse()
        return paged(events, "sessionEvents", params)

    def _append(self, named: Json, params: Json, body: Json) -> Json:
        key = self._key(named)
        only(body, _EVENT_FIELDS)
        only(body.get("actions") or {}, _ACTION_FIELDS)
        only(body.get("eventMetadata") or {}, _METADATA_FIELDS)
        for field in ("author", "invocationId", "timestamp"):
            if not body.get(field):
                raise Refusal(400, f"{field} is required.")
        name = f"{key[0]}/sessions/{key[1]}/events/{10**17 + next(self._numbers)}"
        self._events[key].append({**body, "name": name})
        self._change(key, (body.get("actions") or {}).get("stateDelta") or {})
        return {}

    def _operation(self, named: Json, params: Json, body: Json) -> Json:
        if named["name"] not in self._operations:
            raise Refusal(404, "There is no such operation.")
        asked, response = self._operations[named["name"]]
        self._operations[named["name"]] = (asked + 1, response)
        done: Json = {"done": True, "response": response} if asked else {}
        return {"name": named["name"], **done}

    def _begin(self, of: str, response: Json) -> Json:
        name = f"{of}/operations/{next(self._numbers)}"
        self._operations[name] = (0, response)
        return {"name": name, "metadata": {}}

    def _key(self, named: Json) -> tuple[str, str]:
        key = (named["engine"], named["session"])
        if key not in self._sessions:
            raise Refusal(404, f"Session {key[1]} not found.")
        return key

    def _change(self, key: tuple[str, str], delta: Json) -> None:
        session = self._sessions[key]
        for name, value in delta.items():
            prefix = name.partition(":")[0]
            scope = {"app": (key[0],), "user": (key[0], session["userId"])}.get(prefix if ":" in name else "")
            (session["sessionState"] if scope is None else self._shared.setdefault(scope, {}))[name] = value
        session["updateTime"] = self._now()

    def _shown(self, key: tuple[str, str]) -> Json:
        session = self._sessions[key]
        shared = {**self._shared.get((key[0],), {}), **self._shared.get((key[0], session["userId"]), {})}
        return {**session, "sessionState": {**session["sessionState"], **shared}}

    def _now(self) -> str:
        return (_BEGIN + timedelta(milliseconds=next(self._numbers))).isoformat().replace("+00:00", "Z")


def only(body: Json, known: set[str]) -> None:
    """Refuses fields that are not known, as Google's APIs do."""
    if unknown := body.keys() - known:
        raise Refusal(400, f"Invalid JSON payload received. Unknown name {sorted(unknown)}.")


def when(time: str) -> datetime:
    """A time as it is written."""
    return datetime.fromisoformat(time)


def paged(items: list[Json], field: str, params: Json) -> Json:
    """One page of `items`: fewer than is asked for, as is the service's right."""
    begin, size = int(params.get("pageToken", 0)), min(int(params.get("pageSize", PAGE)), PAGE)
    rest: Json = {"nextPageToken": str(begin + size)} if begin + size < len(items) else {}
    return {field: items[begin : begin + size], **rest} if items else {}


def doubles(value: Any) -> Any:
    """`value` as a protobuf Struct keeps it: there are no integers."""
    if isinstance(value, dict):
        return {key: doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [doubles(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
