"""A set-up that is killed anywhere, or runs several times at once: files are whole, and all of it can be undone."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

from fault_processes import Say, run, start
from zaxy.config import Settings
from zaxy.eventloom.loom import Eventloom
from zaxy.services.operations.onboarding.clients import CLIENTS, Surroundings
from zaxy.services.operations.onboarding.json_text import JsonText
from zaxy.services.operations.onboarding.project import Connected, ProjectSetup
from zaxy.services.operations.setup import initialize

THEIRS = {
    ".mcp.json": '{"mcpServers": {"other": {"command": "x"}}}\n',
    ".cursor/mcp.json": '{\n  // mine\n  "mcpServers": {"other": {}}\n}\n',
    ".env.local": "MINE=1\n",
}
NOBODY = 65_534
CHANGES = frozenset({"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "fcntl.flock"})
"""What Python reports before it asks the system for something that leaves a trace."""


def made(folder: Path) -> dict[str, bytes]:
    for name, text in THEIRS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return everything(folder)


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".eventloom" not in path.parts
    }


def set_up(folder: Path, state: Path, *names: str, home: Path | None = None) -> Connected:
    settings = Settings(eventloom_path=folder / ".eventloom", state_path=state)
    loom = Eventloom(settings.eventloom_path, state_path=state)
    around = Surroundings(settings.eventloom_path, "default", folder, home, ("/bin/zaxy",), platform="linux")
    files = [file for name in names or ("claude-code", "cursor") for file in CLIENTS[name].files(around)]
    try:
        return ProjectSetup(folder, state).connect(settings, lambda: initialize(loom, settings, folder), files)
    finally:
        loom.close()


def killed_before(step: int, folder: Path, state: Path) -> bool:
    """Set up in a process that is killed before its change of that number; return whether it came so far."""

    def work(say: Say) -> None:
        left = step

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            told = str(arguments[:2])  # what becomes of a loom that is killed while it is made has tests of its own
            if event in CHANGES and (str(folder) in told or "projects" in told) and ".eventloom" not in told:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        set_up(folder, state)

    code, _ = start(work).finish()
    assert code in (0, -signal.SIGKILL)
    return code != 0


def test_a_set_up_that_is_killed_before_any_change_leaves_whole_files_and_can_be_undone(
    tmp_path: Path, chance: random.Random
) -> None:
    step, alive = chance.randint(1, 2), False
    while not alive:
        folder, state = tmp_path / str(step) / "project", tmp_path / str(step) / "state"
        folder.mkdir(parents=True)
        before = made(folder)
        alive = not killed_before(step, folder, state)
        for path in folder.rglob("*.json"):
            if ".eventloom" not in path.parts:
                JsonText(comments=True).parse(path.read_text())
        ProjectSetup(folder, state).take_back()
        left = {name: held for name, held in everything(folder).items() if not name.endswith(".tmp")}
        assert left == before, f"killed before change {step}"
        set_up(folder, state)
        assert '"zaxy"' in (folder / ".mcp.json").read_text()
        step += 2
    assert step > 20, step


def test_set_ups_that_run_at_once_add_everything_once(tmp_path: Path) -> None:
    folder, state = tmp_path / "project", tmp_path / "state"
    folder.mkdir()
    before = made(folder)

    def work(say: Say) -> None:
        say(json.dumps([file.state for file in set_up(folder, state).files]))

    children = [start(work) for _ in range(4)]
    told = [json.loads(lines[0]) for code, lines in (child.finish() for child in children) if code == 0]
    assert sorted(map(tuple, told)) == [("added",) * 3, *[("there",) * 3] * 3]
    settings = json.loads((folder / ".claude" / "settings.local.json").read_text())
    assert [len(entries) for entries in settings["hooks"].values()] == [1] * len(settings["hooks"])
    assert [path.name for path in (folder / ".eventloom").glob("*.jsonl")] == ["default.jsonl"]
    assert len((folder / ".eventloom" / "default.jsonl").read_text().splitlines()) == 1
    ProjectSetup(folder, state).take_back()
    assert everything(folder) == before


def test_a_home_that_may_not_be_written_hinders_only_what_belongs_there() -> None:
    with tempfile.TemporaryDirectory() as name:  # not below the folders of pytest, which another user may not enter
        root = Path(name)
        root.chmod(0o755)
        folder, home = root / "project", root / "home"
        for made_folder, mode in ((folder, 0o777), (home, 0o555)):
            made_folder.mkdir()
            made_folder.chmod(mode)

        def work(say: Say) -> None:
            if os.geteuid() == 0:  # root may write everywhere
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            done = set_up(folder, home / ".local" / "state" / "zaxy", "cursor", "claude-desktop", home=home)
            say(json.dumps([[file.state, file.reason] for file in done.files]))
            say(json.dumps(done.warnings))

        files, warnings = map(json.loads, run(work))
        assert [state for state, _ in files] == ["added", "refused"]
        assert "Permission denied" in files[1][1]
        assert any("cannot be taken back with --undo" in warning for warning in warnings)
        assert len((folder / ".eventloom" / "default.jsonl").read_text().splitlines()) == 1
        assert "PROJECTION_BACKEND=embedded" in (folder / ".env.local").read_text()
        assert list(home.iterdir()) == []
