"""Setting a project up from the command line: what is said, what is written, and that everything agrees afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_words import answer, record, zaxy

from zaxy.config import load_settings
from zaxy.interfaces.cli.setup_commands import PRESETS
from zaxy.services.operations.onboarding.clients import CLIENTS


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, where clients keep their settings."""
    found = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(found))
    return found


def everything(*folders: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def servers(path: Path) -> Any:
    return json.loads(path.read_text())["mcpServers"]


def test_the_presets_are_the_clients() -> None:
    assert tuple(CLIENTS) == PRESETS


def test_init_with_a_preset_says_what_it_did_and_the_one_next_command(folder: Path) -> None:
    done = zaxy("init", "--preset", "claude-code")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Made the loom" in done.stdout
    assert "MCP server: added to .mcp.json" in done.stdout
    assert "hooks: added to .claude/settings.local.json" in done.stdout
    assert done.stdout.count("next:") == 1
    assert done.stdout.rstrip().endswith("claude")
    again = zaxy("init", "--preset", "claude-code")
    assert "MCP server: already in .mcp.json" in again.stdout
    assert "new: nothing, it was complete" in again.stdout


def test_what_follows_agrees_on_session_and_place(folder: Path) -> None:
    assert zaxy("init", "--session-id", "work", "--preset", "cursor").exit_code == 0
    server = servers(folder / ".cursor" / "mcp.json")["zaxy"]
    words = server["args"][server["args"].index("serve") + 1 :]
    told = dict(zip(words[::2], words[1::2], strict=True))
    settings = load_settings(environment={})
    assert (told["--eventloom-path"], told["--session-id"]) == (str(settings.eventloom_path), settings.session_id)
    assert settings.session_id == "work"
    assert record("Ship it").startswith("eventloom://work/")
    assert answer("doctor")["ok"]
    assert Path(server["command"]).is_absolute()


def test_init_in_a_subfolder_completes_the_projects_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zaxy("init")
    (folder / "src").mkdir()
    monkeypatch.chdir(folder / "src")
    done = answer("init", "--preset", "cursor")
    assert done["eventloom_path"] == str(folder / ".eventloom")
    assert (folder / ".cursor" / "mcp.json").is_file()
    assert list((folder / "src").iterdir()) == []


def test_a_loom_outside_the_project_is_what_later_commands_mean(folder: Path, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "loom"
    done = answer("init", "--eventloom-path", str(outside))
    assert done["warnings"] == []
    assert answer("status")["eventloom_path"] == str(outside)
    assert not (folder / ".eventloom").exists()
    assert "elsewhere" not in (folder / ".env.local").read_text()


def test_a_session_that_the_projects_file_does_not_name_is_told(folder: Path) -> None:
    zaxy("init")
    done = zaxy("init", "--session-id", "second")
    assert done.exit_code == 0
    assert "EVENTLOOM_THREAD=default" in done.stderr
    assert "--session-id second" in done.stderr


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(folder: Path, home: Path, state_home: Path) -> None:
    (folder / ".mcp.json").write_text("{}")
    before = everything(folder, home, state_home)
    done = zaxy("init", *(word for name in PRESETS for word in ("--preset", name)), "--dry-run")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Would make the loom" in done.stdout
    assert "would be added to .mcp.json" in done.stdout
    assert str(home / ".hermes" / "config.yaml") in done.stdout
    assert everything(folder, home, state_home) == before
    assert list(folder.iterdir()) == [folder / ".mcp.json"]


def test_undo_takes_back_what_was_added_and_leaves_the_memory(folder: Path, home: Path) -> None:
    (folder / ".env.local").write_text("MINE=1\n")
    (folder / ".mcp.json").write_text('{"mcpServers": {"other": {}}}')
    before = everything(folder, home)
    zaxy("init", *(word for name in PRESETS for word in ("--preset", name)))
    record("Ship it")
    would = zaxy("init", "--undo", "--dry-run")
    assert "would be taken out of .mcp.json" in would.stdout
    assert "zaxy" in servers(folder / ".mcp.json")
    done = zaxy("init", "--undo")
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"the memory stays: {folder / '.eventloom'}" in done.stdout
    left = {path: held for path, held in everything(folder, home).items() if ".eventloom" not in path}
    assert left == before
    assert "Ship it" in zaxy("query", "ship").stdout
    assert "0 files" in zaxy("init", "--undo").stdout
    assert answer("init", "--preset", "cursor")["made"] == ["profile"]


def test_undo_after_edits_leaves_the_edits(folder: Path) -> None:
    zaxy("init", "--preset", "claude-code")
    profile = folder / ".env.local"
    profile.write_text(profile.read_text().replace("THREAD=default", "THREAD=mine") + "ADDED=1\n")
    document = json.loads((folder / ".mcp.json").read_text())
    document["mcpServers"]["zaxy"]["env"] = {"A": "b"}
    (folder / ".mcp.json").write_text(json.dumps(document))
    done = zaxy("init", "--undo")
    assert done.exit_code == 1
    assert "left alone: .mcp.json (mcpServers.zaxy was changed since)" in done.stdout
    assert json.loads((folder / ".mcp.json").read_text()) == document
    assert profile.read_text() == "EVENTLOOM_THREAD=mine\nADDED=1\n"
    assert not (folder / ".claude").exists()


def test_a_malformed_configuration_is_left_alone_and_the_rest_is_done(folder: Path) -> None:
    (folder / ".mcp.json").write_text('{"mcpServers": {')
    done = zaxy("init", "--preset", "claude-code")
    assert done.exit_code == 1
    assert "left alone: .mcp.json" in done.stdout
    assert '"zaxy": {' in done.stdout
    assert (folder / ".mcp.json").read_text() == '{"mcpServers": {'
    assert (folder / ".claude" / "settings.local.json").is_file()
    assert (folder / ".eventloom" / "loom.json").is_file()


def test_a_hostile_file_of_settings_is_told_of_and_not_obeyed(folder: Path) -> None:
    (folder / ".env.local").write_text("OPENAI_BASE_URL=https://evil.example\nEVENTLOOM_PATH=/etc/loom\n")
    done = zaxy("init")
    assert done.exit_code == 0
    assert "OPENAI_BASE_URL" in done.stderr
    assert "zaxy init --trust" in done.stderr
    assert (folder / ".eventloom").is_dir()
    assert load_settings().embedding.openai_base_url == "https://api.openai.com/v1"
    trusted = zaxy("init", "--trust", "--eventloom-path", ".eventloom")
    assert "trusted as it is: " in trusted.stderr
    assert load_settings().embedding.openai_base_url == "https://evil.example"


def test_a_file_of_settings_that_is_a_link_out_of_the_project_is_refused(folder: Path, home: Path) -> None:
    (home / "secrets").write_text("TOKEN=t\n")
    (folder / ".env.local").symlink_to(home / "secrets")
    done = zaxy("init")
    assert (done.exit_code, "is a link out of the project" in done.stderr) == (4, True)
    assert (home / "secrets").read_text() == "TOKEN=t\n"


def test_a_client_that_there_is_none_of_is_refused(folder: Path) -> None:
    assert zaxy("init", "--preset", "emacs").exit_code == 2
    assert not (folder / ".eventloom").exists()


def test_without_a_home_project_clients_are_set_up_and_others_say_why_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", classmethod(lambda _: (_ for _ in ()).throw(RuntimeError("no home"))))
    assert zaxy("init", "--preset", "cursor").exit_code == 0
    done = zaxy("init", "--preset", "hermes")
    assert (done.exit_code, "set HOME" in done.stderr) == (4, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_its_shell_can_read(shell: str, folder: Path) -> None:
    done = zaxy("completion", shell)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"_ZAXY_COMPLETE={shell}_complete" in done.stdout
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n", "-c", done.stdout], check=True)
    assert json.loads(zaxy("completion", shell, "--json").stdout) == {"shell": shell, "script": done.stdout[:-1]}


def test_the_shell_is_offered_commands_and_presets(folder: Path) -> None:
    told = zaxy(_ZAXY_COMPLETE="bash_complete", COMP_WORDS="zaxy ini", COMP_CWORD="1").stdout
    assert "plain,init" in told.split()
    told = zaxy(_ZAXY_COMPLETE="bash_complete", COMP_WORDS="zaxy init --preset c", COMP_CWORD="3").stdout
    assert told.split() == ["plain,claude-code", "plain,codex", "plain,cursor", "plain,claude-desktop"]
