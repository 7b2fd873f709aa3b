"""The books of a team's trial: as `books`, and what handing over must not cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fullduplex.turns.approvals import REQUESTS

from . import books
from .teams import TeamTrial, dangling, returned


def findings(trial: TeamTrial) -> list[str]:
    """All that is wrong; empty when the trial passed."""
    record = trial.record
    found = [f"the run failed: {record.error!r}"] if record.error is not None else []
    found += books.errors(record)
    found += books.user(record)
    found += _tools(trial)
    found += books.agent(record, late_s=0.6 if trial.team.guarded else 0.1)
    found += books.order(record, held_back=bool(trial.team.guarded))
    found += _handovers(trial)
    if record.open_at_end != 1 and record.error is None:
        found.append(f"{record.open_at_end} connections are open at the end of the talk")
    if left := [one.number for one in trial.scene.connections if one.is_open]:
        found.append(f"connections are open after the run: {left}")
    return found


def _tools(trial: TeamTrial) -> Iterator[str]:
    """Each job is done once and told once, unless the model took it back or its agent handed over."""
    record = trial.record
    calls, results, cancelled, left = Counter[str](), Counter[str](), set[str](), list[float]()
    ids: dict[str, str] = {}
    for at, event in record.shown:
        if event.tool_call_cancellation is not None:
            cancelled.update(ids.get(call, call) for call in event.tool_call_cancellation.ids or [])
        if event.actions.transfer_to_agent:
            left.append(at)
        for call in event.get_function_calls():
            if call.name not in REQUESTS and "job" in (call.args or {}):
                ids[call.id or ""] = str((call.args or {}).get("job"))
                calls[ids[call.id or ""]] += 1
        if not event.partial:
            results.update(str((one.response or {}).get("job")) for one in event.get_function_responses())
    known = Counter(returned(record.contents))
    patience_s = 3.5 if trial.team.guarded else 0.1  # an agent leaves when it has been heard
    for job, did in record.jobs.items():
        label = job.removeprefix("watch ")
        given_up = sum(any(at - 0.1 < stop < at + patience_s for at in left) for stop in did.stopped)
        asked = calls[label] - did.begun if trial.team.deed(label).tool == "pay" else 0  # and not allowed, or not yet
        if did.begun not in (given_up, given_up + 1) or calls[label] - max(asked, 0) != did.begun:
            yield f"the tool for {job} was called {calls[label]} times and ran {did.begun} times"
        if known[job] > 1 or results[job] > 1:
            yield f"the answer of {job} is {known[job]} times in the conversation and {results[job]} in the events"
        if label in cancelled or did.begun == given_up:
            continue
        if job != label:
            if did.stopped and did.stopped[-1] < record.shown[-1][0] - 0.5:
                yield f"the stream of {job} was stopped, and nobody had asked for it"
        elif len(did.stopped) > given_up:
            yield f"the tool for {job} was stopped, and nobody had asked for it"
        elif not known[job] or not results[job]:
            yield f"the answer of {job} is lost: conversation {known[job]}, events {results[job]}"


def _handovers(trial: TeamTrial) -> Iterator[str]:
    for one in trial.scene.connections:
        for body in one.bodies("clientContent"):
            if left := dangling(body.get("turns") or []):
                yield f"connection {one.number} was told of calls without an answer: {left}"
