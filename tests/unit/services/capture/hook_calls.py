"""A client that calls its hooks and writes its transcript in the order that clients do: a hook first, then the line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zaxy.config import Settings
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.services.capture.hooks.context import Ask
from zaxy.services.capture.hooks.run import HookOutcome, Surroundings, run_hook

SESSION = "5e551011-0000-4000-8000-00000000cafe"
CAPTURED = ("transcript.turn", "command.completed", "file.edit.applied", "tool.call.completed")


class Client:
    """One session of Claude Code in a folder with a loom.

    Args:
        folder: Where the loom, the state and the transcript are.
        writes: Whether it has a transcript.
        settings: Further settings.
    """

    def __init__(self, folder: Path, *, writes: bool = True, **settings: Any) -> None:
        self.folder = folder
        self.settings = Settings(eventloom_path=folder / ".eventloom", state_path=folder / "state", **settings)
        self.settings.eventloom_path.mkdir(exist_ok=True)
        self.transcript = folder / "client" / f"{SESSION}.jsonl"
        self.transcript.parent.mkdir(exist_ok=True)
        self.writes = writes
        self.lines = 0
        self.asked: list[str] = []

    def hook(self, event: str, *, client: str = "claude-code", **told: Any) -> HookOutcome:
        """Call a hook with what every hook is told, and more."""
        usual = {"session_id": SESSION, "transcript_path": str(self.transcript), "cwd": str(self.folder)}
        return self.raw(json.dumps({**usual, "hook_event_name": event, **told}).encode(), client=client)

    def raw(self, data: bytes, *, client: str = "claude-code", ask: Ask | None = None) -> HookOutcome:
        """Call a hook with any bytes."""
        around = Surroundings(lambda _: self.settings, "ann", lambda _: ask or self._ask)
        return run_hook(client, data, around)

    def _ask(self, question: str, tokens: int) -> Mapping[str, Any]:
        self.asked.append(question)
        return {"text": f"{tokens} tokens", "facts": [1]}

    def write(self, kind: str, content: Any, **more: Any) -> None:
        """Write a record into the transcript."""
        self.lines += 1
        if self.writes:
            base = {"type": kind, "uuid": f"uuid-{self.lines}", "sessionId": SESSION}
            time = {"timestamp": f"2026-03-01T10:{self.lines // 60:02}:{self.lines % 60:02}Z"}
            record = {**base, **time, "cwd": str(self.folder), "message": {"role": kind, "content": content}, **more}
            with self.transcript.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def prompts(self, text: str) -> None:
        """The user says something."""
        self.hook("UserPromptSubmit", prompt=text)
        self.write("user", text)

    def says(self, text: str) -> None:
        """The model says something."""
        self.write("assistant", [{"type": "text", "text": text}])

    def calls(self, call_id: str, name: str, response: Any, shown: str, **arguments: Any) -> None:
        """The model calls a tool, which succeeds."""
        told = {"tool_name": name, "tool_input": arguments, "tool_use_id": call_id}
        self.write("assistant", [{"type": "tool_use", "id": call_id, "name": name, "input": arguments}])
        self.hook("PreToolUse", **told)
        self.hook("PostToolUse", tool_response=response, **told)
        block = {"type": "tool_result", "tool_use_id": call_id, "content": shown}
        self.write("user", [block], toolUseResult=response)

    def ends_turn(self, text: str) -> None:
        """The model says its last word; its hook runs before the transcript has it."""
        self.hook("Stop", stop_hook_active=False, last_assistant_message=text)
        self.says(text)

    def works(self) -> None:
        """A whole session: two prompts with the same words among three, a command, an edit, a file that is read."""
        self.hook("SessionStart", source="startup")
        self.prompts("Fix the basket")
        self.says("I look at it.")
        self.calls(
            "toolu_1", "Bash", {"stdout": "2 failed", "stderr": "", "interrupted": False}, "2 failed", command="make"
        )
        edited = {"filePath": "/shop/basket.py", "structuredPatch": [{"lines": ["-a", "+b", "+c"]}]}
        self.calls("toolu_2", "Edit", edited, "ok", file_path="/shop/basket.py", old_string="a", new_string="b\nc")
        self.ends_turn("Fixed.")
        for answer in ("Once more.", "And again."):
            self.prompts("go on")
            self.ends_turn(answer)
        self.hook("SessionEnd", reason="exit")

    def events(self, *types: str) -> list[Event]:
        """Return the session's events, of some types where those are given."""
        with Eventloom(self.settings.eventloom_path, state_path=self.settings.state_path).log(SESSION) as log:
            found = list(log.replay()) if log.path.exists() else []
        return [event for event in found if not types or event.event_type in types]

    def said(self) -> list[tuple[str, str]]:
        """Return who said what, in the log's order."""
        return [(event.actor, event.payload["content"]) for event in self.events("transcript.turn")]


def counted(events: Iterable[Event]) -> Counter[str]:
    """Return how many of the events that an import makes there are, by type."""
    return Counter(event.event_type for event in events if event.event_type in CAPTURED)
