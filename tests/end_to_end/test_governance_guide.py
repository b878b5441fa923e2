"""What the guide to changing memory shows is run, in order, as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import environment

GUIDE = Path(__file__).parents[2] / "docs" / "governance.md"

PRINTED = {
    'zaxy query "when is the launch?"': ("on Friday.", "corrected"),
    'zaxy query "when is the launch?" --history': ("on Friday.", "on Monday."),
    "zaxy memory show eventloom://default/events/2 --history": ("on Monday.", "on Friday.", "ann misspoke"),
    "zaxy memory rollback": ("Rolled back memory.corrected",),
    "zaxy memory evolution-gate": ("update: requires_review",),
    "EVOLUTION_OP_AUTONOMY": ("waits for review: eventloom://default/events/11#",),
    "zaxy memory review --reject": ("Rejected eventloom://default/events/11#",),
    "zaxy memory show eventloom://default/events/14": ("untrusted", "Made from: eventloom://default/events/13#"),
    "zaxy memory review --accept": ("Accepted eventloom://default/events/13#",),
    "zaxy memory conflicts": ("current  1883", "history  4242"),
    "zaxy memory forget": ("eventloom://default/events/18#",),
    "zaxy memory check-receipt": ("The receipt holds: 1 forgotten event",),
}
"""What commands that begin so must print; the longest beginning counts."""


@pytest.mark.slow
def test_the_commands_of_the_guide_run_in_order_and_print_what_it_says(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "zaxy"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m zaxy "$@"\n')
    script.chmod(0o755)
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    seen = set()
    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=environment(PATH=f"{script.parent}:/usr/local/bin:/usr/bin:/bin"),
        )
        assert (done.returncode, done.stderr) == (0, ""), line
        beginning = max((one for one in PRINTED if line.startswith(one)), key=len, default="")
        seen.add(beginning)
        for part in PRINTED.get(beginning, ()):
            assert part in done.stdout, line
    assert set(PRINTED) <= seen
