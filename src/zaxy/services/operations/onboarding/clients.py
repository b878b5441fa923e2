"""The clients that a memory can be set up for: which of their files say what."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zaxy.errors import UnavailableError
from zaxy.services.operations.onboarding.additions import Addition
from zaxy.services.operations.onboarding.json_text import JsonText
from zaxy.services.operations.onboarding.line_text import TomlText, YamlText

SERVER_NAME: Final = "zaxy"
_HOOK_SECONDS: Final = 10
_CODEX_EVENTS: Final = (
    *("SessionStart", "UserPromptSubmit", "PostToolUse", "Stop"),
    *("SubagentStart", "SubagentStop", "PreCompact"),
)
_CLAUDE_EVENTS: Final = (*_CODEX_EVENTS, "PreToolUse", "PostToolUseFailure", "SessionEnd")
_JSON: Final = JsonText()
_JSONC: Final = JsonText(comments=True)

Editor = JsonText | TomlText | YamlText
"""One format of configuration files: what a text says, and the text with a value and without it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a client finds the memory, and where its own files are.

    Attributes:
        loom: The loom.
        session_id: The session that its writes mean.
        folder: The project's folder.
        home: The home folder, None where there is none.
        program: The words that start Zaxy, whatever folder and search path the client has.
        domain: Label of the project, None for none: the server is named after it, so that one file can hold several.
        platform: As ``sys.platform`` names it.
    """

    loom: Path
    session_id: str
    folder: Path
    home: Path | None
    program: tuple[str, ...]
    domain: str | None = None
    platform: str = sys.platform


@dataclass(frozen=True, slots=True)
class ClientFile:
    """One file of a client.

    Attributes:
        path: The file.
        holds: What of ours is in it, for people.
        editor: Its format.
        additions: What belongs into it.
    """

    path: Path
    holds: str
    editor: Editor
    additions: tuple[Addition, ...]


@dataclass(frozen=True, slots=True)
class Client:
    """A program that talks to agents, for which a memory can be set up.

    Attributes:
        title: What people call it.
        start: What a person does next for the client to find the memory.
        group: The key that all its servers stand under.
        path: Its file for servers, in the project's folder; in the home folder where it begins with ``~/``.
        editor: The format of that file.
        says_stdio: Whether a server's entry says how it is talked to.
        hooks: Its file for hooks, in the project's folder; None where it has none.
        hook_name: What ``zaxy hook`` calls it.
        events: What its hooks are called for.
    """

    title: str
    start: str
    group: str
    path: str
    editor: Editor = _JSON
    says_stdio: bool = False
    hooks: str | None = None
    hook_name: str = ""
    events: tuple[str, ...] = ()

    def files(self, around: Surroundings) -> tuple[ClientFile, ...]:
        """Return its files, the one that names the MCP server first.

        Raises:
            UnavailableError: There is no home folder, and that is where they are.
        """
        name = SERVER_NAME if around.domain is None else f"{SERVER_NAME}-{around.domain}"
        program, *first = around.program
        where = ("--eventloom-path", str(around.loom), "--session-id", around.session_id)
        stdio = {"type": "stdio"} if self.says_stdio else {}
        server = Addition((self.group, name), {**stdio, "command": program, "args": [*first, "serve", *where]})
        holder = around.home if self.path.startswith("~/") else around.folder
        if holder is None:
            told = f"there is no home folder, where {self.title} has its settings"
            raise UnavailableError(told, remedy="set HOME")
        path = self.path.removeprefix("~/")
        if around.platform == "darwin":
            path = path.replace(".config/Claude/", "Library/Application Support/Claude/")
        servers = ClientFile(holder / path, "MCP server", self.editor, (server,))
        return (servers,) if self.hooks is None else (servers, self._hooks(around, around.folder / self.hooks))

    def _hooks(self, around: Surroundings, path: Path) -> ClientFile:
        command = shlex.join([*around.program, "hook", self.hook_name])
        called = {"hooks": [{"type": "command", "command": command, "timeout": _HOOK_SECONDS}]}
        added = tuple(Addition(("hooks", event), called, in_list=True) for event in self.events)
        return ClientFile(path, "hooks", _JSON, added)


CLIENTS: Final = {
    "claude-code": Client(
        "Claude Code",
        "start Claude Code in this folder and allow its server zaxy: claude",
        "mcpServers",
        ".mcp.json",
        says_stdio=True,
        hooks=".claude/settings.local.json",
        hook_name="claude-code",
        events=_CLAUDE_EVENTS,
    ),
    "codex": Client(
        "Codex",
        "start Codex in this folder, trust it and its hooks (/hooks): codex",
        "mcp_servers",
        ".codex/config.toml",
        TomlText(),
        hooks=".codex/hooks.json",
        hook_name="codex",
        events=_CODEX_EVENTS,
    ),
    "cursor": Client(
        "Cursor",
        "open this folder in Cursor and turn the server on: cursor .",
        "mcpServers",
        ".cursor/mcp.json",
        _JSONC,
    ),
    "vscode": Client(
        "VS Code",
        "open this folder in VS Code and start the server: code .",
        "servers",
        ".vscode/mcp.json",
        _JSONC,
        says_stdio=True,
    ),
    "claude-desktop": Client(
        "Claude Desktop",
        "quit Claude Desktop and open it again",
        "mcpServers",
        "~/.config/Claude/claude_desktop_config.json",
    ),
    "hermes": Client("Hermes", "start Hermes again: hermes", "mcp_servers", "~/.hermes/config.yaml", YamlText()),
}
"""The clients by the name that they have on the command line."""


def zaxy_program() -> tuple[str, ...]:
    """Return the words that start this installation of Zaxy from anywhere: the script beside Python, else Python."""
    script = Path(sys.executable).with_name("zaxy")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "zaxy")
