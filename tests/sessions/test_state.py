"""`State`: a dict that remembers what was changed."""

from __future__ import annotations

import pytest

from fullduplex.sessions import State
from fullduplex.sessions.state import split_by_reach


def test_reads_see_both_and_writes_are_remembered() -> None:
    value, delta = {"a": 1, "b": 2}, {"b": 3}
    state = State(value, delta)
    assert (state["a"], state["b"], state.get("c", 0), len(state), sorted(state)) == (1, 3, 0, 2, ["a", "b"])
    state["c"] = 4
    state.update(a=5)
    assert state.setdefault("a", 9) == 5
    assert delta == {"b": 3, "c": 4, "a": 5}
    assert value["a"] == 5, "the tool that changed it reads it back"
    assert state.to_dict() == {"a": 5, "b": 3, "c": 4}
    assert "c" in state
    assert "z" not in state
    with pytest.raises(KeyError):
        state["z"]


def test_nothing_changed_is_no_delta() -> None:
    assert not State({"a": 1}, {}).has_delta()
    assert State({}, {"a": 1}).has_delta()


def test_a_deleted_key_is_overwritten_with_none() -> None:
    delta: dict[str, object] = {}
    state = State({"a": 1}, delta)
    del state["a"]
    assert delta == {"a": None}
    assert state["a"] is None


def test_keys_by_their_reach() -> None:
    delta = {"app:a": 1, "user:b": 2, "c": 3, "temp:d": 4, "apple": 5}
    assert split_by_reach(delta) == ({"a": 1}, {"b": 2}, {"c": 3, "apple": 5})
