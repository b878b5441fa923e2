"""A server on a network, as a process of its own: it does not start in the open, and stops without losing a line."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import pytest
from cli_process import zaxy
from http_process import exchange, request, serving, status

TOKEN = "3f9a1c7be2d84605a1b2c3d4e5f60718"
CANARY = "canary-5f1d9c77-a-secret-of-somebody"
AUDITED = {"MCP_REMOTE_AUTH_TOKEN": TOKEN, "MCP_AUDIT_ENABLED": "true"}


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_server_that_others_reach_does_not_start_without_credentials(
    transport: str, host: str, tmp_path: Path
) -> None:
    done = zaxy(tmp_path, "serve", "--transport", transport, "--host", host, "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "need no credentials" in done.stderr
    assert "MCP_REMOTE_AUTH_TOKEN_FILE" in done.stderr
    assert "Traceback" not in done.stderr


def test_in_production_all_findings_are_told_a_line_each_before_anything_is_served(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    (tmp_path / "token").chmod(0o644)
    unfit = {
        "ZAXY_ENV": "production",
        "MCP_REMOTE_AUTH_TOKEN_FILE": str(tmp_path / "token"),
        "EVENTLOOM_FSYNC": "off",
        "PROJECTION_BACKEND": "neo4j",
        "NEO4J_PASSWORD": "testpassword",
    }
    for words in (["serve"], ["serve", "--transport", "http", "--port", "0"]):
        done = zaxy(tmp_path, *words, **unfit)
        assert (done.returncode, done.stdout) == (2, "")
        lines = done.stderr.splitlines()
        for name in ("MCP_REMOTE_AUTH_TOKEN_FILE", "EVENTLOOM_FSYNC", "NEO4J_PASSWORD", "MCP_ADMIN_TOKEN"):
            assert sum(line.startswith("error: ") and name in line for line in lines) == 1, (name, lines)
        assert sum(line.startswith("error: ") for line in lines) == sum("next: " in line for line in lines) == 4
        assert "testpassword" not in done.stderr
        assert TOKEN not in done.stderr


def test_every_answered_request_is_in_the_audit_log_when_a_server_was_stopped(tmp_path: Path) -> None:
    answered: list[int] = []
    body = json.dumps({"event_type": "note.made", "actor": "ann", "payload": {"content": CANARY}}).encode()
    with serving(tmp_path, **AUDITED) as server:

        def ask() -> None:
            for _ in range(10):
                whole = request(server.place, f"POST /v1/append?q={CANARY}", body, Authorization=f"Bearer {TOKEN}")
                answered.append(status(exchange(server.place, whole)))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert status(exchange(server.place, request(server.place, "POST /v1/append", body))) == 401
        server.signal(signal.SIGTERM)
        assert server.ended() == (0, "")
    assert answered == [200] * 40
    audit = tmp_path / ".eventloom" / "audit"
    lines = [json.loads(line) for line in (audit / "remote.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sum("/v1/append" in json.dumps(line) for line in lines) == 40
    assert not [path for path in audit.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    verified = zaxy(tmp_path, "log", "verify", "--json", "--eventloom-path", str(audit))
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["total_events"] == len(lines)
    assert list(json.loads(zaxy(tmp_path, "memory", "status", "--json").stdout)["sessions"])
    assert CANARY in zaxy(tmp_path, "query", "canary", "--json", EMBEDDING_PROVIDER="none").stdout
