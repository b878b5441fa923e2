"""How the projections stand: missing, behind, current, and what they hold."""

from __future__ import annotations

from pathlib import Path

from zaxy.config import Settings
from zaxy.eventloom.event import Draft
from zaxy.memory import Memory
from zaxy.services.operations.projection_status import ProjectionStatus


def standing(memory: Memory) -> dict[str, ProjectionStatus]:
    return {status.name: status for status in memory.projections.status()}


def test_a_projection_is_missing_then_behind_then_current(tmp_path: Path) -> None:
    with Memory(Settings(eventloom_path=tmp_path / "loom", fsync="off")) as memory:
        memory.loom.commit("work", [Draft("goal.created", "ann", {"title": f"Ship {number}"}) for number in range(3)])
        memory.loom.append("other", "transcript.turn", "bob", {"content": "hello"})
        for status in standing(memory).values():
            assert (status.state, status.lag_events, status.reason) == ("missing", 4, None)
            assert status.lag_bytes == sum(path.stat().st_size for path in (tmp_path / "loom").glob("*.jsonl"))
        memory.catchup.catch_up()
        found = standing(memory)
        assert {name: (status.backend, status.state, status.lag_events) for name, status in found.items()} == {
            "search": ("tantivy", "current", 0),
            "graph": ("embedded", "current", 0),
            "forward": ("sqlite", "current", 0),
        }
        assert found["search"].holds == {"documents": 4}
        assert found["graph"].holds == {"entities": 5, "statements": 5, "relations": 3}
        assert found["forward"].holds == {"rows": 4}
        assert found["search"].path == str(tmp_path / "loom" / "projections" / "search")
        memory.loom.append("other", "transcript.turn", "bob", {"content": "hello again"})
        assert {(status.state, status.lag_events) for status in standing(memory).values()} == {("behind", 1)}
        assert memory.projections.warnings() == []


def test_looking_at_the_projections_of_an_empty_loom_makes_nothing(tmp_path: Path) -> None:
    with Memory(Settings(eventloom_path=tmp_path / "loom")) as memory:
        assert {status.state for status in standing(memory).values()} == {"missing"}
    assert list(tmp_path.iterdir()) == []
