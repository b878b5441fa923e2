"""``zaxy hook``, as the help shows it. What it does is in `hook_process`, which runs without this module."""

from __future__ import annotations

import click

from zaxy.interfaces.cli import hook_process


@click.command()
@click.argument("client", metavar="claude-code|codex")
def hook(client: str) -> None:
    """Record what a coding agent's client tells its hooks.

    Clients run this: `zaxy init --preset claude-code` sets it up. It reads one JSON object, records what it says, and
    at the start of a session answers with what the agent should know. It always exits with 0.

    \b
    Example:
      echo '{"hook_event_name": "UserPromptSubmit", "session_id": "s1", "prompt": "Hello"}' | zaxy hook claude-code
    """
    hook_process.run([client])
