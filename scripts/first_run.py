"""A newcomer's first minutes: an empty folder, an empty home, the README's steps typed one after the other, each timed.

``make first-run`` runs it. Zaxy is installed from this tree into a new environment, then every command of the README's
first steps is run in a new folder, with nothing in the environment but a home and a search path. It fails when a step
does, when no answer cites its source, or when the first cited answer comes later than the target after installation.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET_SECONDS = 60.0


def commands(readme: str, first: str) -> list[str]:
    """Return the commands of the README's first block that has one with this beginning, from there on."""
    for block in re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL):
        lines = [line.strip() for line in block.splitlines()]
        found = [line for line in lines if line and not line.startswith("#")]
        start = next((index for index, line in enumerate(found) if line.startswith(first)), None)
        if start is not None:
            return found[start:]
    raise SystemExit(f"the README shows no step that begins with {first}")


def timed(title: str, words: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, str]:
    """Run a step, show what it printed and how long it took, and return both; a step that fails ends the run."""
    begun = time.monotonic()
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - begun
    print(f"\n$ {title}\n{done.stdout.rstrip()}\n  ({seconds:.2f} s)", flush=True)
    if done.returncode != 0:
        raise SystemExit(f"that step failed with exit code {done.returncode}")
    return seconds, done.stdout


def install(readme: str, folder: Path) -> tuple[float, Path]:
    """Install Zaxy from this tree into a new environment; return how long that took, and the folder of its programs.

    Only here the caller's own environment counts: it says how packages are reached.
    """
    begun = time.monotonic()
    venv.create(folder / "environment", with_pip=True)
    programs = folder / "environment" / "bin"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    step = commands(readme, "pip install")[0]
    timed(step, ["sh", "-c", f"{step} --quiet --disable-pip-version-check"], ROOT, environment)
    return time.monotonic() - begun, programs


def walk(readme: str, programs: Path, folder: Path, environment: dict[str, str]) -> float:
    """Type the README's steps; return after how many seconds the first cited answer was there."""
    project = folder / "project"
    project.mkdir()
    environment = {**environment, "PATH": f"{programs}{os.pathsep}{environment['PATH']}"}
    passed, cited = 0.0, None
    for step in commands(readme, "zaxy init"):
        seconds, printed = timed(step, ["sh", "-c", step], project, environment)
        passed += seconds
        is_question = step.startswith(("zaxy recall", "zaxy query", "zaxy checkout"))
        if cited is None and is_question and "eventloom://" in printed:
            cited = passed
    if cited is None:
        raise SystemExit("no answer cited its source")
    return cited


def main() -> int:
    """Run it all; return 0 when the first cited answer was there in time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=Path, help="a folder with an installed zaxy, instead of installing it")
    given = parser.parse_args()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="zaxy-first-run-") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        environment = {"HOME": str(folder / "home"), "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        print(f"An empty folder and home in {folder}, Python {sys.version.split()[0]}")
        if given.programs is None:
            installed, programs = install(readme, folder)
            print(f"\nInstalled in {installed:.1f} s")
        else:
            programs = given.programs.absolute()
        cited = walk(readme, programs, folder, environment)
        verdict = "in time" if cited <= TARGET_SECONDS else "TOO LATE"
        print(f"\nFirst cited answer {cited:.1f} s after installation (target {TARGET_SECONDS:.0f} s): {verdict}")
        return 0 if cited <= TARGET_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
