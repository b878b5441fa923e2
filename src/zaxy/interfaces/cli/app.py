"""The ``zaxy`` command and the one place where errors become exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from zaxy import __version__
from zaxy.interfaces.cli.capture_commands import capture
from zaxy.interfaces.cli.client_commands import ide_config, init_session, local_profile
from zaxy.interfaces.cli.code_commands import index_codebase, refresh_context
from zaxy.interfaces.cli.completion_command import completion
from zaxy.interfaces.cli.doctor_command import doctor
from zaxy.interfaces.cli.evolution_commands import evolution_gate, evolution_policy
from zaxy.interfaces.cli.failure import INTERRUPTED, PIPE_CLOSED, show_failure
from zaxy.interfaces.cli.forget_commands import check, forget
from zaxy.interfaces.cli.governance_commands import edit, rollback
from zaxy.interfaces.cli.hook_command import hook
from zaxy.interfaces.cli.import_commands import export
from zaxy.interfaces.cli.inferred_command import inferred_status
from zaxy.interfaces.cli.ingest_commands import ingest
from zaxy.interfaces.cli.log_commands import log
from zaxy.interfaces.cli.memory_commands import memory
from zaxy.interfaces.cli.pause_commands import pause, resume
from zaxy.interfaces.cli.proof_commands import prove
from zaxy.interfaces.cli.recall_commands import checkout, query, recall
from zaxy.interfaces.cli.remember_command import remember
from zaxy.interfaces.cli.replay_command import replay
from zaxy.interfaces.cli.review_commands import conflicts, review
from zaxy.interfaces.cli.serve_command import serve
from zaxy.interfaces.cli.setup_commands import init
from zaxy.interfaces.cli.show_command import show
from zaxy.interfaces.cli.text import tell
from zaxy.interfaces.cli.trace_command import trace
from zaxy.interfaces.cli.upkeep_commands import reproject, status
from zaxy.interfaces.cli.viewer_commands import dashboard, viewer
from zaxy.interfaces.cli.witness_commands import witness
from zaxy.interfaces.cli.write_commands import append, invalidate


class _CommandLine(click.Group):
    """The root of all commands. A command returns its exit code, or None for 0."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *rest: Any, **extra: Any) -> Any:
        """Run one command and exit the process with its code.

        Args:
            args: The words after ``zaxy``; None takes the process's own.
            prog_name: How usage texts name the program.
            *rest: As in click.
            **extra: As in click.
        """
        words = list(sys.argv[1:] if args is None else args)
        sys.exit(self._run(words, prog_name, *rest, **extra))

    def _run(self, words: list[str], prog_name: str | None, *rest: Any, **extra: Any) -> int:
        options = set(words[: words.index("--")] if "--" in words else words)
        try:
            return super().main(words, prog_name, *rest, **{**extra, "standalone_mode": False}) or 0
        except click.Abort:
            tell("interrupted; what was acknowledged before is recorded")
            return INTERRUPTED
        except Exception as error:  # the last stop: no traceback reaches a user
            return show_failure(error, as_json="--json" in options, debug="--debug" in options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that went away (``zaxy replay … | head``) is no error worth a word."""
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stdout = sys.stderr = io.StringIO()  # the interpreter flushes both once more when it ends
            raise click.exceptions.Exit(PIPE_CLOSED) from None
        return outcome


@click.group(cls=_CommandLine, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="zaxy", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, hidden=True, expose_value=False, help="Print the traceback of an error.")
def cli() -> None:
    """Memory for AI agents that its owner can prove.

    Events go into an append-only, hash-chained log; questions are answered from it with citations that can be
    checked. Where the loom is: --eventloom-path, else EVENTLOOM_PATH, else what `zaxy init` wrote, else .eventloom.

    Exit codes: 0 fine, 1 a finding, 2 wrong use, 3 the log is not what was sealed, 4 something is unavailable.

    \b
    Example:
      zaxy init
      zaxy remember "We use click for the command line" --as decision
      zaxy recall "Which library is the command line made with?"
    """


_COMMANDS = (init, append, query, checkout, replay, memory, ingest, invalidate, log, status, doctor, reproject, serve)
for _command in _COMMANDS:
    cli.add_command(_command)
for _command in (capture, export, remember, recall, trace, viewer, dashboard, index_codebase, refresh_context):
    cli.add_command(_command)
for _command in (ide_config, local_profile, init_session, completion):
    cli.add_command(_command)
cli.add_command(hook)
capture.add_command(pause)
capture.add_command(resume)
memory.add_command(checkout)
memory.add_command(inferred_status)
for _command in (show, edit, rollback, forget, check, review, conflicts, evolution_policy, evolution_gate):
    memory.add_command(_command)
assert {prove.name, witness.name} <= set(log.commands)  # their modules add them to the group


def _hold_closed_streams() -> None:
    """Take the numbers of standard streams that were closed, or a log would get one, and all that is printed there."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # gets the lowest free number: this one
    sys.stdout, sys.stderr = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()


def run() -> None:
    """Run the command line of this process."""
    _hold_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a character shows its escape instead
            stream.reconfigure(errors="backslashreplace")
    cli.main(prog_name="zaxy")
