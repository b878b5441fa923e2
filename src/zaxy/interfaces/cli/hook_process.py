"""``zaxy hook CLIENT`` as a process: standard input in, one JSON object out, exit code 0 whatever happens.

Clients wait for it many times in a session, so nothing is imported here that recording does not need; above all not the
command line's own framework.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from zaxy.config import Settings
    from zaxy.services.capture.hooks.context import Ask

_NEEDED: Final = ("CAPTURE_", "EVENTLOOM_PATH", "FORGETTING_", "XDG_STATE_HOME")
_DRAINED_BYTES: Final = 1024 * 1024


def main(words: Sequence[str]) -> None:
    """Run a hook and end the process. As `run`."""
    gc.disable()  # nothing here lives long enough to be worth collecting
    run(words)
    os._exit(0)  # all files are closed, and taking the interpreter apart takes longer than a small hook


def run(words: Sequence[str]) -> None:
    """Run a hook and answer on standard output. Never raises.

    Args:
        words: What follows ``zaxy hook``: the client's name.
    """
    answer = b"{}"
    try:
        answer = _answered(words[0] if words else "")
    except BaseException as error:
        _tell(f"{type(error).__name__}: {error}")
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a closed output is None
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.flush()


def _answered(client: str) -> bytes:
    from zaxy.services.capture.hooks.client_input import CLIENTS, MOST_INPUT_BYTES

    if client not in CLIENTS or sys.stdin.isatty():
        _tell(f"the clients {' and '.join(CLIENTS)} run this, and tell it what happens; see: zaxy hook --help")
        return b"{}"
    import orjson

    from zaxy.config import load_settings, project_folder, variables
    from zaxy.errors import ZaxyError
    from zaxy.services.capture.hooks.run import Surroundings, run_hook

    told = variables()
    named = told.get("CLAUDE_PROJECT_DIR", "")

    def load(folder: Path) -> Settings:
        start = project_folder(Path(named) if os.path.isabs(named) and os.path.isdir(named) else folder)
        try:
            return load_settings(folder=start)
        except ZaxyError as error:  # what recording needs may be sound all the same
            _tell(str(error))
            needed = {name: value for name, value in told.items() if name.startswith(_NEEDED)}
            return load_settings(folder=start, environment=needed)

    raw = sys.stdin.buffer.read(MOST_INPUT_BYTES + 1)
    while sys.stdin.buffer.read(_DRAINED_BYTES):  # a client that writes more than we take is not broken off
        pass
    outcome = run_hook(client, raw, Surroundings(load, told.get("USER", ""), _ask_loom))
    for problem in outcome.problems:
        _tell(problem)
    answer = {"hookEventName": outcome.event, "additionalContext": outcome.context}
    return orjson.dumps({"hookSpecificOutput": answer} if outcome.context else {})


def _ask_loom(settings: Settings) -> Ask:
    """Return what asks the loom in this process: it takes most of a second, which only the start of a session may."""
    from zaxy.memory import Memory
    from zaxy.services.recall.question import Filters

    def ask(question: str, tokens: int) -> Any:
        with Memory(settings) as memory:
            return memory.checkouts.checkout(question, Filters(), token_budget=tokens)

    return ask


def _tell(problem: str) -> None:
    shown = " ".join(problem.split())[:500]
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"zaxy hook: {shown if shown.isprintable() else ascii(shown)}\n")
        sys.stderr.flush()
