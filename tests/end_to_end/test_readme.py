"""What the README shows is run, so that it stays true."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_python_example_prints_what_its_comment_says(tmp_path: Path) -> None:
    (example,) = blocks("python")
    expected = example.rsplit("# ", 1)[1].strip()
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    assert run([sys.executable, "-c", example], tmp_path).strip() == expected


@pytest.mark.slow
def test_the_commands_of_the_readme_run_in_order_and_answer(tmp_path: Path) -> None:
    commands = next(block for block in blocks("sh") if block.startswith("zaxy init")).splitlines()
    printed = [run([sys.executable, "-m", *shlex.split(command)], tmp_path) for command in commands]
    by_command = dict(zip(commands, printed, strict=True))
    assert "Ship the parser" in by_command['zaxy query "What are our goals?"']
    assert "Integrity: OK" in by_command["zaxy status"]
    assert "PROJECTION_BACKEND=embedded" in (tmp_path / ".env.local").read_text(encoding="utf-8").splitlines()


def test_every_link_of_the_readme_and_the_documents_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_target_that_the_readme_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)) <= targets
