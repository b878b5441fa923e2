"""What the page on a day's work shows is run, in order, as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import environment
from click.testing import CliRunner

from zaxy.interfaces.cli.app import cli

GUIDE = Path(__file__).parents[2] / "docs" / "daily.md"

PRINTED = {
    "zaxy remember": ("Remembered as a ",),
    "zaxy recall": ("eventloom://default/events/",),
    'zaxy recall "Which library': ("1. We use click",),
    'zaxy recall "what does the parser': ("Nothing in this memory answers that.",),
    "zaxy recall release": ("1. The release was moved to June",),
    "echo": ("Remembered as a note",),
    "zaxy memory log": ("default",),
    "zaxy memory status": ("integrity=OK",),
    "zaxy memory show": ("We use click for the command line", "never changed"),
    "zaxy memory edit": ("Corrected",),
    "zaxy invalidate": ("Invalidated 1 event",),
    "zaxy status": ("Integrity: OK",),
    "zaxy log verify": ("Integrity: OK, level: pinned head",),
}
"""What commands that begin so must print; the longest beginning counts."""


def run(line: str, folder: Path) -> tuple[int, str, str]:
    """Run a line: ``zaxy`` in this process, for the time that it saves; what needs a shell in one."""
    words = shlex.split(line)
    settings = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "EMBEDDING_PROVIDER": "hash"}
    if words[0] == "zaxy":
        done = CliRunner().invoke(cli, words[1:], env=settings, prog_name="zaxy")
        return done.exit_code, done.stdout, done.stderr
    path = f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    shell = subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment(PATH=path, **settings),
    )
    return shell.returncode, shell.stdout, shell.stderr


@pytest.mark.slow
def test_the_commands_of_the_page_run_in_order_and_print_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "bin" / "zaxy"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m zaxy "$@"\n')
    script.chmod(0o755)
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    printed: dict[str, list[str]] = {}
    for line in (line for block in blocks for line in block.splitlines()):
        code, shown, errors = run(line, tmp_path)
        assert (code, errors) == (0, ""), line
        beginning = max((one for one in PRINTED if line.startswith(one)), key=len, default="")
        for part in PRINTED.get(beginning, ()):
            assert part in shown, line
        printed.setdefault(line, []).append(shown)
    assert all(any(line.startswith(beginning) for line in printed) for beginning in PRINTED)
    before, after = printed['zaxy recall "Where does Ann live?"']
    assert "value: Lisbon" in before
    assert "value: Porto" in after
    assert "value: Lisbon" not in after
    first, corrected = printed['zaxy recall "Which library is the command line made with?"']
    assert "click 8" not in first
    assert "1. We use click 8 for the command line\n   [corrected, in place of" in corrected
