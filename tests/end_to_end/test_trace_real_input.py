"""Recorded client sessions, imported and exported as a trace: data that is not part of the repository.

``ZAXY_EVAL_DATA`` names the folder that holds it; without it this test says that it skips.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from cli_process import zaxy

from trace_looms import DOCUMENT, LINE

DATA = Path(os.environ.get("ZAXY_EVAL_DATA", "/nonexistent"))


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="ZAXY_EVAL_DATA does not name a folder with evaluation data")
def test_recorded_client_sessions_give_a_valid_trace_of_their_model_and_tool_calls(tmp_path: Path) -> None:
    assert zaxy(tmp_path, "ingest", "claude-code", str(DATA / "claude_code")).returncode == 0
    found = json.loads(zaxy(tmp_path, "trace", "export", "--json").stdout)
    DOCUMENT.validate(found)
    kinds = Counter(span["kind"] for span in found["spans"])
    assert set(kinds) == {"transcript", "model_call", "tool_call"}
    assert min(kinds.values()) >= 5
    named = [span["attributes"].get("tool_name") for span in found["spans"] if span["kind"] == "tool_call"]
    assert all(named)
    ids = {span["span_id"] for span in found["spans"]}
    assert {edge[end] for edge in found["edges"] for end in ("source", "target")} <= ids
    asked = Counter(edge["relation"] for edge in found["edges"])
    assert asked["prompted"] == kinds["model_call"]
    assert kinds["tool_call"] * 0.8 < asked["observed_tool_call"] <= kinds["tool_call"]
    done = zaxy(tmp_path, "trace", "export", "--format", "jsonl", "--output", "trace.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in lines:
        LINE.validate(line)
    logs = [log.read_text(encoding="utf-8") for log in (tmp_path / ".eventloom").glob("*.jsonl")]
    said = [json.loads(line) for log in logs for line in log.splitlines()]
    texts = [event["payload"]["content"] for event in said if len(event["payload"].get("content", "")) > 40]
    exported = (tmp_path / "trace.jsonl").read_text(encoding="utf-8")
    assert len(texts) > 5
    assert not any(json.dumps(text)[1:-1] in exported for text in texts)
