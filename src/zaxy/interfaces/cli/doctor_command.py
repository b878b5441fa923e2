"""``zaxy doctor``: what is wrong with the memory, and the command that helps."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zaxy.errors import IntegrityError, UnavailableError
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.setup_commands import surroundings
from zaxy.interfaces.cli.text import Painted, Tone, one_line, say, say_json, tell

if TYPE_CHECKING:
    from zaxy.memory import Memory
    from zaxy.services.operations.check import Check
    from zaxy.services.operations.diagnosis import Diagnosis

_TONES: Final[dict[str, Tone]] = {"ok": "good", "warning": "caution", "failed": "bad"}
_FIX_SECONDS: Final = 3_600


@click.command("doctor")
@click.option("--ask-witnesses/--offline", default=True, help="Whether anybody is asked over the network.")
@click.option("--whole", is_flag=True, help="Read every log from its beginning, also where they are large.")
@click.option("--fix", is_flag=True, help="Run the commands it names that lose nothing, then look again.")
@place_options
def doctor(place: Place, *, ask_witnesses: bool, whole: bool, fix: bool) -> Outcome:
    """Check the memory and say what to do about what is wrong.

    Looked at are the logs and what proves them, keys, projections, the model, settings, permissions, locks, capture,
    disk and clock. A large log is read from its newest checkpoint on. What is named under "next" can be pasted.

    \b
    Example:
      zaxy doctor
      zaxy doctor --fix
      zaxy doctor --json
    """
    found = _diagnosed(place, ask=ask_witnesses, whole=whole)
    fixed = [] if not fix else [" ".join(words) for words in _fix(found.checks, place)]
    if fixed:
        found = _diagnosed(place, ask=ask_witnesses, whole=whole)
    found = replace(found, checks=tuple(replace(one, remedy=_with_place(one, place)) for one in found.checks))
    if place.as_json:
        from zaxy.interfaces.serialize import to_json

        say_json({**to_json(found), "fixed": fixed} if fix else found)
    else:
        _show(found)
    return 0 if found.ok else IntegrityError.exit_code


def _diagnosed(place: Place, *, ask: bool, whole: bool) -> Diagnosis:
    from zaxy.config import load_settings
    from zaxy.services.operations.around import usable
    from zaxy.services.operations.diagnosis import diagnose

    settings, unusable = usable(
        load_settings(eventloom_path=place.eventloom_path, projection_backend=place.projection_backend)
    )
    with opened(place, settings=settings, must_exist=True) as memory, ProgressBar("Verifying") as progress:
        return diagnose(
            memory.loom,
            memory.projections.status,
            ask_witnesses=ask,
            whole=whole,
            around=_around(memory, unusable, place, ask=ask),
            telemetry=memory.settings.telemetry,
            progress=progress,
        )


def _around(memory: Memory, unusable: Sequence[Check], place: Place, *, ask: bool) -> Iterator[Check]:
    """Yield what is around the log, and what was found out while the projections were looked at before."""
    from zaxy.config import project_folder, state_folder, unknown_settings
    from zaxy.project_settings import LOCAL_PROFILE, read_project
    from zaxy.services.operations.around import Around, around_checks
    from zaxy.services.operations.capture_health import capture_checks
    from zaxy.services.operations.client_checks import client_checks
    from zaxy.services.operations.diagnosis import store_checks

    folder = project_folder(Path.cwd())
    profile = folder / LOCAL_PROFILE
    around = Around(
        memory.settings,
        memory.loom,
        memory.clock,
        memory.chosen_embedder,
        profile if profile.exists() else None,
        unknown_settings(),
        read_project(folder, state_folder()).ignored,
        ask,
    )
    yield from around_checks(around, unusable)
    if place.eventloom_path is None:  # clients are set up for the project's own loom
        yield from client_checks(surroundings(memory.settings, folder), state_folder())
    yield from capture_checks(memory.capture_health())
    yield from store_checks(memory.projections.warnings())


def _with_place(check: Check, place: Place) -> str:
    """Return a remedy that means the loom that was looked at, wherever it is pasted in."""
    if place.eventloom_path is None or not check.command.startswith("zaxy "):
        return check.remedy
    return f"{check.command} --eventloom-path {shlex.quote(place.eventloom_path)}"


def _fix(checks: Sequence[Check], place: Place) -> list[list[str]]:
    """Run the safe remedies of what is not well, each once, and tell of each; return those that succeeded."""
    done: list[list[str]] = []
    for words in dict.fromkeys(check.safe_command for check in checks if check.state != "ok" and check.safe_command):
        is_ours = words[0] == "zaxy"
        command = [sys.executable, "-m", "zaxy", *words[1:]] if is_ours else list(words)
        if is_ours and place.eventloom_path is not None:
            command += ["--eventloom-path", place.eventloom_path]
        tell(Painted("running:", "strong"), f" {shlex.join(words)}")
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_FIX_SECONDS)  # noqa: S603  # only what `safe_command` lets pass
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"{shlex.join(words)} did not run: {error}", remedy="run it yourself") from error
        if ran.returncode == 0:
            done.append(list(words))
        else:
            tell(Painted("failed:", "bad"), f" {one_line(ran.stderr)}")
    return done


def _show(found: Diagnosis) -> None:
    for check in found.checks:
        state = Painted(f"{check.state:<8}", _TONES[check.state])
        say(state, f" {check.name}: {one_line(check.message)}")
        if check.remedy:
            say(f"         next: {one_line(check.command or check.remedy)}")
    say(f"Trust level: {found.level}")
    say(f"Not seen at this level: {found.blind_spots}")
