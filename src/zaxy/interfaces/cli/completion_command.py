"""Completion of commands and options in the shell."""

from __future__ import annotations

from typing import Final

import click

from zaxy.interfaces.cli.options import Outcome
from zaxy.interfaces.cli.text import say, say_json

_SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def completion(context: click.Context, shell: str, *, as_json: bool) -> Outcome:
    """Print what makes SHELL complete the commands and options of zaxy.

    In bash and zsh put eval "$(zaxy completion bash)" into .bashrc, or the same for zsh into .zshrc; in fish write it
    to ~/.config/fish/completions/zaxy.fish.

    \b
    Example:
      zaxy completion bash
      zaxy completion fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, "click completes in these shells"
    script = found(context.find_root().command, {}, "zaxy", "_ZAXY_COMPLETE").source().rstrip("\n")
    if as_json:
        say_json({"shell": shell, "script": script})
    else:
        say(script)
    return None
