"""A window on some sessions of a loom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zaxy.errors import InvalidInputError, NotAuthorizedError, NotFoundError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.window import LoomWindow
from zaxy.ids import Citation, EventRef


@pytest.fixture
def loom(tmp_path: Path) -> Eventloom:
    loom = Eventloom(tmp_path / "loom")
    loom.append("mine", "note.made", "ann", {"content": "here"})
    loom.append("theirs", "note.made", "bob", {"content": "there"})
    return loom


@pytest.fixture
def window(loom: Eventloom) -> LoomWindow:
    return LoomWindow(loom, ("mine", "new"))


def test_what_is_recorded_through_it_is_in_the_whole_loom_at_once(loom: Eventloom, window: LoomWindow) -> None:
    event = window.append("new", "note.made", "ann", {"content": "said"})
    assert loom.read(event.ref) == window.read(event.ref) == event
    assert window.sessions() == ["mine", "new"]
    assert loom.sessions() == ["mine", "new", "theirs"]


def test_another_session_is_not_there(window: LoomWindow) -> None:
    theirs = EventRef("theirs", 1)
    assert window.sessions() == ["mine"]
    assert window.stat("theirs") is None
    assert window.read(theirs) is None
    assert list(window.read_many([theirs, EventRef("mine", 1)])) == [EventRef("mine", 1)]


@pytest.mark.parametrize("name", ["theirs", "none"])
@pytest.mark.parametrize(
    "touch",
    [
        lambda window, name: window.log(name),
        lambda window, name: window.append(name, "note.made", "ann", {}),
        lambda window, name: window.commit(name, [Draft("note.made", "ann", {})]),
        lambda window, name: window.rotate(name),
        lambda window, name: window.resolve(Citation(name, 1)),
    ],
)
def test_another_session_is_refused_as_one_that_does_not_exist(
    loom: Eventloom, window: LoomWindow, touch: Callable[[LoomWindow, str], object], name: str
) -> None:
    with pytest.raises(NotFoundError, match=name):
        touch(window, name)
    assert loom.log("theirs").head().seq == 1
    assert "none" not in loom.sessions()


def test_a_session_id_that_could_name_no_log_is_refused_as_by_the_whole_loom(window: LoomWindow) -> None:
    with pytest.raises(InvalidInputError):
        window.append("../mine", "note.made", "ann", {})


def test_nothing_is_proved_through_it_since_a_proof_tells_how_many_events_others_have(
    loom: Eventloom, window: LoomWindow
) -> None:
    loom.ensure_key()
    assert loom.prove("mine", 1).index in (0, 1)
    for ask in (lambda: window.prove("mine", 1), window.checkpoint, window.verify):
        with pytest.raises(NotAuthorizedError, match="how many events"):
            ask()


def test_closing_it_closes_nothing_of_the_whole_loom(loom: Eventloom, window: LoomWindow) -> None:
    window.close()
    assert loom.append("mine", "note.made", "ann", {}).seq == 2
