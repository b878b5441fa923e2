"""Every command's help has an Example, and it runs as it stands."""

from __future__ import annotations

import inspect
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from cli_process import environment, zaxy

from zaxy.interfaces.cli.app import cli


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with the words that call it, the groups included."""
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def example(command: click.Command) -> list[str]:
    """Return the lines of a command's Example."""
    _, found, after = inspect.cleandoc(command.help or "").partition("Example:\n")
    return [line.strip() for line in after.splitlines() if line.strip()] if found else []


COMMANDS = list(commands())


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a loom of four events, documents, transcripts and a repository, and a ``zaxy`` to type."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "bin").mkdir()
    script = folder / "bin" / "zaxy"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m zaxy "$@"\n')
    script.chmod(0o755)
    (folder / "docs").mkdir()
    (folder / "docs" / "parser.md").write_text("# The parser\n\nIt reads one line at a time.\n")
    (folder / "README.md").write_text("# A project\n\nIt ships a parser.\n")
    (folder / "chat.jsonl").write_text('{"speaker": "Ann", "text": "The parser is late"}\n')
    message = {"role": "user", "content": "Please write the parser"}
    told = {"type": "user", "uuid": "u1", "sessionId": "s1", "timestamp": "2026-05-08T10:00:00Z", "message": message}
    (folder / ".claude" / "projects").mkdir(parents=True)
    (folder / ".claude" / "projects" / "s1.jsonl").write_text(json.dumps(told) + "\n")
    git = ("git", "-C", str(folder), "-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "Begin the parser"], check=True)
    assert zaxy(folder, "init").returncode == 0
    for title in ("Ship the parser", "Plan the release", "Hire two people"):
        words = ("append", "goal.created", "--actor", "ann", "--payload", json.dumps({"title": title}))
        assert zaxy(folder, *words).returncode == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(("zaxy", *path)) for path, _ in COMMANDS])
def test_the_example_in_the_help_runs(
    path: tuple[str, ...], command: click.Command, prepared: Path, tmp_path: Path
) -> None:
    lines = example(command)
    assert any(line.startswith("zaxy") or "| zaxy" in line for line in lines), "the help has no Example"
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    shown = zaxy(folder, *path, "--help").stdout
    for line in lines:
        assert line in shown, "click broke the example into other lines"
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=environment(PATH=f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin", HOME=str(folder)),
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stderr == "", line
        assert done.stdout or path == ("serve",), line
