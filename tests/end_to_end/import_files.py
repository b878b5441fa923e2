"""Small files of every program that the memory takes in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_TIME = "2026-05-08T10:00:00Z"


def write_import_files(folder: Path) -> None:
    """Write one file of each program into a folder, which is the home folder too."""
    _lines(
        folder / ".codex" / "sessions" / "rollout-1.jsonl",
        {"timestamp": _TIME, "type": "session_meta", "payload": {"id": "codex-1", "cwd": str(folder)}},
        {
            "timestamp": _TIME,
            "type": "response_item",
            "payload": {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Make the ferry table"}],
            },
        },
    )
    message = {
        "id": "m1",
        "author": {"role": "user"},
        "create_time": 1_767_261_600,
        "content": {"content_type": "text", "parts": ["Which ferry goes to Girne?"]},
    }
    conversation = {
        "id": "c1",
        "title": "Ferries",
        "create_time": 1_767_261_600,
        "current_node": "n1",
        "mapping": {"n1": {"id": "n1", "parent": None, "message": message}},
    }
    _json(folder / "chatgpt" / "conversations.json", [conversation])
    said = {"uuid": "m1", "sender": "human", "text": "Book the ferry", "content": [], "created_at": _TIME}
    chat = {"uuid": "c1", "name": "Booking", "created_at": _TIME, "chat_messages": [said]}
    _json(folder / "claude" / "conversations.json", [chat])
    memory = {"id": "m1", "memory": "Ann takes the ferry", "user_id": "ann", "created_at": _TIME}
    _json(folder / "mem0.json", {"results": [memory]})
    episode = {
        "uuid": "e1",
        "content": "The ferry was late",
        "source": "text",
        "created_at": _TIME,
        "group_id": "trips",
    }
    _json(folder / "zep.json", {"episodes": [episode]})
    _lines(
        folder / "memory.json",
        {"type": "entity", "name": "Girne", "entityType": "harbour", "observations": ["the ferry lands here"]},
        {"type": "relation", "from": "ferry", "to": "Girne", "relationType": "lands in"},
    )
    (folder / "notes").mkdir()
    (folder / "notes" / "Ferry.md").write_text("---\ndate: 2026-05-08\n---\nThe ferry leaves at noon, see [[Plans]].\n")


def _json(path: Path, told: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told))


def _lines(path: Path, *records: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
