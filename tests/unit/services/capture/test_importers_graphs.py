"""Knowledge graphs and memories of other programs come in with their names, times and ids, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from capture_memory import MemorySink

from zaxy.config import Settings
from zaxy.errors import InvalidInputError
from zaxy.memory import Memory
from zaxy.services.capture.importers.mcp_memory import ingest_mcp_memory
from zaxy.services.capture.importers.mem0 import ingest_mem0
from zaxy.services.capture.importers.zep import ingest_zep
from zaxy.services.recall.question import Filters

ENTITIES = [
    {"type": "entity", "name": "Ann", "entityType": "Person", "observations": ["likes tea", "speaks Turkish"]},
    {"type": "entity", "name": "Acme", "entityType": "company", "observations": []},
    {"type": "relation", "from": "Ann", "to": "Acme", "relationType": "works at"},
]


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_entities_and_relations_of_the_mcp_server_become_events(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"memory.{suffix}", *ENTITIES)
    sink = MemorySink()
    result = ingest_mcp_memory(tmp_path, sink)
    assert result.recorded.added == 4
    observed = sink.all("entity.observed")
    assert [draft.payload.get("content") for draft in observed] == ["likes tea", "speaks Turkish", None]
    assert observed[0].payload["entity_type"] == "Person"
    (relation,) = sink.all("relation.stated")
    assert relation.payload == {
        "source": "Ann",
        "source_type": "Person",
        "relation": "works at",
        "target": "Acme",
        "target_type": "company",
    }
    assert ingest_mcp_memory(tmp_path, sink).recorded.added == 0


def test_what_is_no_entity_is_a_finding(tmp_path: Path) -> None:
    path = write(tmp_path / "memory.json", {"type": "entity"}, {"type": "odd"}, ENTITIES[0], {"type": "relation"})
    sink = MemorySink()
    result = ingest_mcp_memory(path, sink)
    assert [finding.line for finding in result.findings] == [1, 2, 4]
    assert len(sink.all()) == 2
    with pytest.raises(InvalidInputError):
        ingest_mcp_memory(path, sink, session_id="../x")


def test_memories_of_mem0_are_facts_under_their_own_ids(tmp_path: Path) -> None:
    told: dict[str, Any] = {
        "results": [
            {
                "id": "m1",
                "memory": "Ann drinks tea",
                "user_id": "ann",
                "created_at": "2024-07-20T01:30:36.275141-07:00",
                "updated_at": None,
                "categories": ["food"],
                "metadata": {"source": "chat"},
                "hash": "x",
            }
        ],
        "relations": [{"source": "ann", "relationship": "drinks", "target": "tea"}],
    }
    path = tmp_path / "mem0.json"
    path.write_text(json.dumps(told))
    sink = MemorySink()
    assert ingest_mem0(path, sink).recorded.added == 2
    (fact,) = sink.all("fact.stated")
    assert (fact.payload["subject"], fact.payload["attribute"], fact.payload["value"]) == (
        "ann",
        "memory m1",
        "Ann drinks tea",
    )
    assert fact.payload["occurred_at"] == "2024-07-20T01:30:36.275141-07:00"
    (relation,) = sink.all("relation.stated")
    assert (relation.payload["relation"], relation.payload["target"]) == ("drinks", "tea")
    told["results"][0] |= {"memory": "Ann drinks coffee", "updated_at": "2024-08-01T00:00:00Z"}
    path.write_text(json.dumps(told, indent=2))
    assert ingest_mem0(path, sink).recorded.added == 1


def test_the_history_of_a_memory_of_mem0_tells_what_was_so_and_when(tmp_path: Path) -> None:
    def step(event: str, new: str | None, day: int) -> dict[str, Any]:
        told = {"id": f"h{day}", "memory_id": "m1", "event": event, "old_memory": None, "new_memory": new}
        return {**told, "created_at": f"2024-01-0{day} 10:00:00"}

    path = write(
        tmp_path / "history.json",
        step("ADD", "lives in Girne", 1),
        step("UPDATE", "lives in Izmir", 2),
        step("NONE", None, 3),
        step("DELETE", None, 4),
        {"x": 1},
    )
    with Memory(Settings(eventloom_path=tmp_path / "loom")) as memory:
        result = ingest_mem0(path, memory.sink)
        assert (result.recorded.added, result.finding_count) == (3, 1)
        assert result.ignored == {"step of a history that changes nothing": 1}

        def lived(day: int) -> list[str]:
            moment = f"2024-01-0{day}T12:00:00Z"
            return [hit.content for hit in memory.recall.query("lives", Filters(as_of=moment, lanes=("lexical",)))]

        assert ["Girne" in told for told in lived(1)] == [True]
        assert ["Izmir" in told for told in lived(2)] == [True]
        assert not [told for told in lived(5) if "lives" in told]


def test_facts_of_zep_are_relations_from_when_they_are_so_until_they_are_not(tmp_path: Path) -> None:
    edge = {
        "uuid": "e1",
        "name": "WORKS_AT",
        "fact": "Ann works at Acme",
        "source_node_uuid": "n1",
        "target_node_uuid": "n2",
        "valid_at": "2024-01-01T00:00:00Z",
        "invalid_at": "2024-06-01T00:00:00Z",
        "created_at": "2024-01-02T00:00:00Z",
        "group_id": "g",
    }
    nodes = [
        {"uuid": "n1", "name": "Ann", "labels": ["Entity", "Person"], "summary": "Ann is a baker"},
        {"uuid": "n2", "name": "Acme", "labels": ["Entity"], "summary": ""},
    ]
    path = tmp_path / "graph.json"
    path.write_text(json.dumps({"edges": [edge], "nodes": nodes}))
    sink = MemorySink()
    result = ingest_zep(path, sink)
    assert result.ignored == {"node without a summary": 1}
    stated, ended = sink.logs["zep-g"]
    assert (stated.event_type, ended.event_type) == ("relation.stated", "relation.ended")
    assert (stated.payload["source"], stated.payload["source_type"], stated.payload["target"]) == (
        "Ann",
        "Person",
        "Acme",
    )
    assert (stated.payload["occurred_at"], ended.payload["occurred_at"]) == (edge["valid_at"], edge["invalid_at"])
    assert [draft.payload["name"] for draft in sink.logs["zep-graph"]] == ["Ann"]
    assert ingest_zep(path, sink).recorded.added == 0
    with Memory(Settings(eventloom_path=tmp_path / "loom")) as memory:
        ingest_zep(path, memory.sink)

        def answers(moment: str) -> list[str]:
            return [hit.content for hit in memory.recall.query("who works at Acme", Filters(as_of=moment))]

        assert "Ann works at Acme" not in answers("2023-06-01T00:00:00Z")
        assert "Ann works at Acme" in answers("2024-03-01T00:00:00Z")
        assert "Ann works at Acme" not in answers("2024-07-01T00:00:00Z")


def test_messages_of_zep_are_turns_in_the_session_of_their_thread(tmp_path: Path) -> None:
    message = {"uuid": "x1", "role": "user", "name": "Ann", "content": "hello", "created_at": "2024-01-01T00:00:00Z"}
    (tmp_path / "a.json").write_text(json.dumps({"threads": [{"thread_id": "t 1", "messages": [message, 5]}]}))
    write(tmp_path / "b.jsonl", {"uuid": "p1", "content": "an episode", "source": "text", "group_id": "g"}, {"x": 1})
    sink = MemorySink()
    result = ingest_zep(tmp_path, sink)
    (thread, episodes) = sorted(sink.logs, reverse=True)
    assert (thread.startswith("zep-t-1-"), episodes) == (True, "zep-g")
    (said,) = sink.logs[thread]
    assert (said.actor, said.payload["role"], said.key) == ("Ann", "user", "zep:x1")
    assert result.finding_count == 1
