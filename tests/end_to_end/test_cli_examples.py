"""Every command's help has an Example, and it runs as it stands."""

from __future__ import annotations

import contextlib
import inspect
import json
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from cli_process import ZAXY, environment, zaxy
from import_files import write_import_files

from zaxy.config import state_folder
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.proof.witness import open_witness
from zaxy.interfaces.cli.app import cli

PORT = "8300"
"""Where the witness is in the examples; a test takes a free one."""

SERVE = ("log", "witness", "serve")


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
    """A project with a signed loom of four events, documents, transcripts and a repository, and a ``zaxy`` to type.

    It is the home folder too: keys and pinned heads lie in ``.local/state``, and a witness in ``.witness``.
    """
    folder = tmp_path_factory.mktemp("project")
    (folder / "bin").mkdir()
    script = folder / "bin" / "zaxy"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m zaxy "$@"\n')
    script.chmod(0o755)
    (folder / "docs").mkdir()
    (folder / "docs" / "parser.md").write_text("# The parser\n\nIt reads one line at a time.\n")
    (folder / "README.md").write_text("# A project\n\nIt ships a parser.\n")
    (folder / "parser.py").write_text("def parse(line):\n    return line.split()\n")
    (folder / "chat.jsonl").write_text('{"speaker": "Ann", "text": "The parser is late"}\n')
    message = {"role": "user", "content": "Please write the parser"}
    told = {"type": "user", "uuid": "u1", "sessionId": "s1", "timestamp": "2026-05-08T10:00:00Z", "message": message}
    (folder / ".claude" / "projects").mkdir(parents=True)
    (folder / ".claude" / "projects" / "s1.jsonl").write_text(json.dumps(told) + "\n")
    write_import_files(folder)
    git = ("git", "-C", str(folder), "-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "Begin the parser"], check=True)
    goals = [json.dumps({"title": title}) for title in ("Ship the parser", "Plan the release", "Hire two people")]
    for words in (
        ("init",),
        *(("append", "goal.created", "--actor", "ann", "--payload", goal) for goal in goals),
        ("log", "checkpoint", "--output", "kept-elsewhere.note"),
        ("log", "prove", "default", "2", "--output", "event.proof"),
        ("log", "witness", "key", ".witness"),
    ):
        assert zaxy(folder, *words, **home(folder)).returncode == 0
    return folder


def home(folder: Path) -> dict[str, str]:
    """The variables by which a project is the home folder too."""
    return {"HOME": str(folder), "XDG_STATE_HOME": ""}


def loom_of(folder: Path) -> Eventloom:
    return Eventloom(folder / ".eventloom", state_path=state_folder({"XDG_STATE_HOME": str(folder / ".local/state")}))


def put_back(folder: Path) -> None:
    """Put an older copy of the log in place of the one that was signed."""
    log = folder / ".eventloom" / "default.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))


def trust_the_loom(folder: Path) -> None:
    key = str(loom_of(folder).notary().state.signing_key().verifier)
    assert zaxy(folder, "log", "witness", "trust", ".witness", key, **home(folder)).returncode == 0


def ask_the_witness(folder: Path) -> None:
    """Have the witness asked from now on, without asking it."""
    loom_of(folder).add_witness(f"http://127.0.0.1:{PORT}", str(open_witness(folder / ".witness").verifier))


BEFORE: dict[tuple[str, ...], Callable[[Path], None]] = {
    ("log", "accept"): put_back,
    ("log", "witness", "add"): trust_the_loom,
    ("log", "witness", "remove"): ask_the_witness,
}
"""What happens in a project before a command's Example."""


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@contextlib.contextmanager
def witness_server(folder: Path) -> Iterator[str]:
    """Run the project's witness; give its port."""
    words = (*ZAXY, *SERVE, ".witness", "--port", "0")
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            yield first_line(process).rpartition(":")[2].strip()
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 60)
    assert ready, "nothing was said"
    return process.stdout.readline()


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
    assert all(line in shown for line in lines), "click broke the example into other lines"
    BEFORE.get(path, lambda _: None)(folder)
    if path == SERVE:
        runs_until_it_is_stopped(folder, lines, "Witness at http://127.0.0.1:")
    elif path == ("dashboard",):
        runs_until_it_is_stopped(folder, [f"{line} --port 0" for line in lines], "Dashboard at http://127.0.0.1:")
    elif path == ("log", "witness", "add"):
        with witness_server(folder) as port:
            runs(folder, [line.replace(PORT, port) for line in lines])
    else:
        runs(folder, lines, silent=path == ("serve",))


def shell(folder: Path) -> dict[str, str]:
    return environment(EMBEDDING_PROVIDER="hash", PATH=f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin", **home(folder))


def runs(folder: Path, lines: list[str], *, silent: bool = False) -> None:
    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=shell(folder),
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stderr == "", line
        assert done.stdout or silent, line


def runs_until_it_is_stopped(folder: Path, lines: list[str], says: str) -> None:
    (line,) = lines
    words = ["sh", "-c", f"exec {line.replace(PORT, free_port())}"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True, env=shell(folder)) as process:
        try:
            assert first_line(process).startswith(says)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()
