"""What docs/importing.md shows runs as it stands, and everything that it takes in is found."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import environment
from click.testing import CliRunner
from import_files import write_import_files

from zaxy.interfaces.cli.app import cli

GUIDE = Path(__file__).parents[2] / "docs" / "importing.md"


def run(line: str, folder: Path) -> str:
    """Run a line in this process, for the time that it saves; what goes on behind it in one of its own."""
    words = shlex.split(line)
    settings = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "EMBEDDING_PROVIDER": "none"}
    if words[:3] == ["zaxy", "capture", "start"]:
        program = [sys.executable, "-m", *words]
        done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment(**settings))
        code, shown, errors = done.returncode, done.stdout, done.stderr
    else:
        result = CliRunner().invoke(cli, [word.replace("~", str(folder)) for word in words[1:]], env=settings)
        code, shown, errors = result.exit_code, result.stdout, result.stderr
    assert (code, errors) == (0, ""), line
    return shown


@pytest.mark.slow
def test_the_guide_to_importing_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_import_files(tmp_path)
    told = {"type": "user", "uuid": "u1", "sessionId": "s1", "cwd": str(tmp_path)}
    (tmp_path / ".claude" / "projects").mkdir(parents=True)
    line = json.dumps({**told, "message": {"role": "user", "content": "The ferry is blue"}})
    (tmp_path / ".claude" / "projects" / "s1.jsonl").write_text(f"{line}\n")
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    taken, watched, out = ("".join(run(line, tmp_path) for line in block.splitlines()) for block in blocks)
    assert taken.count("Added ") == 8
    assert "Added 0 " not in taken
    assert "leaves at noon" in taken
    assert "Watcher: running" in watched
    assert watched.endswith("Stopped\n")
    assert "leaves at noon" in out
