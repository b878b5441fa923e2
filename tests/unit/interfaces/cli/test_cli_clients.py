"""Setting up one thing at a time: a client's entry, the project's settings, the first event of a session."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import yaml
from cli_words import answer, zaxy

from zaxy.services.operations.onboarding.clients import CLIENTS

READERS = {".json": json.loads, ".toml": tomllib.loads, ".yaml": yaml.safe_load}


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, where clients keep their settings."""
    found = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(found))
    return found


@pytest.mark.parametrize("client", CLIENTS)
def test_the_entry_of_a_client_is_printed_in_its_own_format_and_nothing_is_written(client: str, folder: Path) -> None:
    done = zaxy("ide-config", client, "--session-id", "work", "--eventloom-path", "memory")
    assert done.exit_code == 0
    told = answer("ide-config", client, "--session-id", "work", "--eventloom-path", "memory")
    assert told["content"].rstrip("\n") == done.stdout.rstrip("\n")
    (servers,) = READERS[Path(told["path"]).suffix](done.stdout).values()
    wanted = ["serve", "--eventloom-path", str(folder / "memory"), "--session-id", "work"]
    assert servers["zaxy"]["args"][-5:] == wanted
    assert list(folder.iterdir()) == []


def test_a_server_is_named_after_the_domain_that_is_set(folder: Path) -> None:
    for client in CLIENTS:
        done = zaxy("ide-config", client, ZAXY_DOMAIN="parser.v2")
        told = answer("ide-config", client)
        (servers,) = READERS[Path(told["path"]).suffix](done.stdout).values()
        assert list(servers) == ["zaxy-parser.v2"]


def test_an_entry_is_installed_beside_others_without_hooks_and_undone(folder: Path) -> None:
    (folder / ".mcp.json").write_text('{"mcpServers": {"other": {}}}')
    done = zaxy("ide-config", "claude-code", "--install")
    assert (done.exit_code, "added to .mcp.json" in done.stdout) == (0, True)
    assert set(json.loads((folder / ".mcp.json").read_text())["mcpServers"]) == {"other", "zaxy"}
    assert not (folder / ".claude").exists()
    zaxy("init", "--undo")
    assert (folder / ".mcp.json").read_text() == '{"mcpServers": {"other": {}}}'


def test_an_entry_of_our_name_that_says_something_else_is_replaced_only_when_forced(folder: Path) -> None:
    (folder / ".mcp.json").write_text('{"mcpServers": {"zaxy": {"command": "other"}}}')
    done = answer_of_code(1, "ide-config", "claude-code", "--install")
    assert (done["state"], "--force" in done["reason"]) == ("different", True)
    assert answer("ide-config", "claude-code", "--install", "--force")["state"] == "added"
    assert json.loads((folder / ".mcp.json").read_text())["mcpServers"]["zaxy"]["args"]


def answer_of_code(code: int, *words: str) -> dict[str, str]:
    done = zaxy(*words, "--json")
    assert done.exit_code == code
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_profile_is_printed_or_written_and_nothing_in_a_file_is_replaced(folder: Path) -> None:
    printed = zaxy("local-profile", "--projection-backend", "embedded").stdout
    assert printed.splitlines() == [
        "PROJECTION_BACKEND=embedded",
        "EVENTLOOM_THREAD=default",
        "EVENTLOOM_PATH=.eventloom",
        "EMBEDDED_GRAPH_PATH=.eventloom/projections/embedded.kuzu",
    ]
    (folder / "x.env").write_text("EVENTLOOM_THREAD=mine")
    done = zaxy("local-profile", "--output", "x.env")
    assert (done.exit_code, done.stderr) == (0, "")
    assert (folder / "x.env").read_text().splitlines()[0] == "EVENTLOOM_THREAD=mine"
    assert answer("local-profile", "--output", "x.env") == {"path": "x.env", "added": []}
    assert zaxy("local-profile", "--output", str(folder)).exit_code == 4
    assert zaxy("local-profile", "--output", "x.env", "--check").exit_code == 2


def test_a_check_says_whether_a_hosted_service_is_needed(folder: Path) -> None:
    local = answer("local-profile", "--check")
    assert (local["status"], local["hosted_secrets_required"]) == ("ok", False)
    done = zaxy("local-profile", "--check", "--json", EMBEDDING_PROVIDER="openai", OPENAI_API_KEY="k")
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (1, "hosted")
    assert zaxy("local-profile", "--check", RERANKER_PROVIDER="http", RERANKER_URL="http://[::1]:1").exit_code == 1


def test_a_session_begins_once_with_what_its_folder_shows(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("")
    first = answer("init-session", ".", "--session-id", "zaxy-default")
    assert (first["added"], first["workspace_type"], first["signals"]) == (True, "python_workspace", ["pyproject.toml"])
    assert first["citation"].startswith("eventloom://zaxy-default/events/1#")
    again = answer("init-session", ".", "--session-id", "zaxy-default")
    assert (again["added"], again["citation"]) == (False, first["citation"])


def test_a_session_of_another_folder_begins_in_that_folders_loom(folder: Path) -> None:
    (folder / "other").mkdir()
    assert zaxy("init-session", "other", "--session-id", "s").exit_code == 0
    assert (folder / "other" / ".eventloom" / "s.jsonl").is_file()
    assert zaxy("init-session", "missing").exit_code == 2
    assert zaxy("init-session", " ").exit_code == 2
