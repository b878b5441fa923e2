"""What the page on traces shows is run, in order, as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import environment

from trace_looms import DOCUMENT, LINE

GUIDE = Path(__file__).parents[2] / "docs" / "tracing.md"


def blocks(language: str) -> list[str]:
    text = GUIDE.read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in found for line in block.splitlines()]


@pytest.mark.slow
def test_the_example_runs_and_gives_the_edges_that_the_page_shows(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "zaxy"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m zaxy "$@"\n')
    script.chmod(0o755)
    printed = {}
    for line in blocks("sh"):
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
        printed[line] = done.stdout
    (document,) = (text for line, text in printed.items() if line.endswith("--json"))
    found = json.loads(document)
    DOCUMENT.validate(found)
    shown = blocks("json")
    assert [json.loads(line) for line in shown] == found["edges"]
    assert set(shown) <= {line.rstrip(",]") for line in document.splitlines()}
    assert printed["zaxy trace export"].startswith("Trace correlation: spans=5 edges=4 missions=1 ")
    for line in (tmp_path / "trace.jsonl").read_text(encoding="utf-8").splitlines():
        LINE.validate(json.loads(line))
