"""What the page on hooks shows is run, in order, as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import environment

from zaxy.services.capture.hooks.drafts import MAKERS

GUIDE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_runs_and_the_agent_is_told_what_was_said_in_the_session_before(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "zaxy"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m zaxy "$@"\n')
    script.chmod(0o755)
    folder = tmp_path / "project"
    folder.mkdir()
    (block,) = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    printed = []
    for line in block.splitlines():
        path = f"{script.parent}:/usr/local/bin:/usr/bin:/bin"
        home = {"PATH": path, "HOME": str(tmp_path)}
        done = subprocess.run(
            ["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False, env=environment(**home)
        )
        assert done.returncode == 0, (line, done.stderr)
        printed.append(done.stdout)
    assert printed[1] == "{}\n"
    assert "Use tantivy for the search" in json.loads(printed[2])["hookSpecificOutput"]["additionalContext"]
    assert "Use tantivy for the search" in printed[-1]


def test_every_hook_that_is_recorded_is_on_the_page() -> None:
    rows = re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {*MAKERS, "PreToolUse"}
