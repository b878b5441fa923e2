"""What the page about clients shows is run, and the files that it shows are the files that are written."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_process import zaxy

from zaxy.services.operations.onboarding.clients import CLIENTS, SERVER_NAME, Surroundings

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
READERS = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}


def section(client: str) -> str:
    title = CLIENTS[client].title
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    assert isinstance(found, str)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_the_command_of_a_client_writes_what_the_page_shows(client: str, tmp_path: Path) -> None:
    project, home = tmp_path / "parser", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    (command,) = re.findall(r"^```sh\n(.*)\n```", section(client), re.MULTILINE)
    _, *words = command.split()
    done = zaxy(project, *words, HOME=str(home))
    assert (done.returncode, done.stderr) == (0, "")
    ((kind, shown),) = re.findall(r"^```(json|toml|yaml)\n(.*?)^```", section(client), re.MULTILINE | re.DOTALL)
    around = Surroundings(project / ".eventloom", "default", project, home, ("zaxy",))
    files = CLIENTS[client].files(around)
    written: Any = READERS[kind](files[0].path.read_text(encoding="utf-8"))
    expected = READERS[kind](shown)
    server = next(iter(written.values()))[SERVER_NAME]
    wanted = next(iter(expected.values()))[SERVER_NAME]
    as_shown = [word.replace(str(project), "/home/ann/parser") for word in server["args"]]
    assert as_shown[as_shown.index("serve") :] == wanted["args"]
    assert {**server, "command": "", "args": []} == {**wanted, "command": "", "args": []}
    assert written.keys() == expected.keys()
    for file in files[1:]:
        hooks = json.loads(file.path.read_text(encoding="utf-8"))["hooks"]
        assert all(event in section(client) for event in hooks)
        assert f"`zaxy hook {client}`" in section(client)
        assert f"{file.path.relative_to(project)}" in section(client)


@pytest.mark.slow
def test_the_server_that_was_set_up_answers_a_client_that_starts_it_elsewhere(tmp_path: Path) -> None:
    project = tmp_path / "parser"
    project.mkdir()
    assert zaxy(project, "init", "--session-id", "work", "--preset", "cursor").returncode == 0
    server = json.loads((project / ".cursor" / "mcp.json").read_text())["mcpServers"]["zaxy"]
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    goal = {"event_type": "goal.created", "actor": "ann", "payload": {"title": "Feed the llama"}}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "memory_append", "arguments": goal}},
    ]
    with subprocess.Popen(
        [server["command"], *server["args"]],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in lines:
            process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        process.wait(60)
    assert "eventloom://work/events/2" in json.dumps(answers[1])
    assert "Feed the llama" in zaxy(project, "query", "llama").stdout
