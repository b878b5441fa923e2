"""The command that sets a project up: init."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, packed, place_options, write_session_option
from zaxy.interfaces.cli.text import counted, one_line, say, say_json, tell, warn

if TYPE_CHECKING:
    from zaxy.config import Settings
    from zaxy.services.operations.onboarding.clients import Surroundings
    from zaxy.services.operations.onboarding.merging import FileOutcome
    from zaxy.services.operations.onboarding.project import Connected
    from zaxy.services.operations.setup import Initialized

PRESETS: Final = ("claude-code", "codex", "cursor", "vscode", "claude-desktop", "hermes")
"""The clients that a memory can be set up for."""

_DONE: Final = {
    "added": "added to",
    "there": "already in",
    "removed": "taken out of",
    "gone": "no longer in",
    "different": "left alone:",
    "malformed": "left alone:",
    "refused": "left alone:",
}


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """What is set up, as given."""

    presets: tuple[str, ...]
    dry_run: bool
    undo: bool
    trust: bool
    force: bool


@click.command()
@click.option(
    "--preset", "presets", multiple=True, type=click.Choice(PRESETS), help="Also set up this client; repeatable."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--undo", is_flag=True, help="Take back what was added for clients and settings; the memory stays.")
@click.option("--trust", is_flag=True, help="Take all settings from .env.local as it is now: only if you wrote it.")
@click.option("--force", is_flag=True, help="Replace a client's server named zaxy that says something else.")
@functools.partial(packed, SetupOptions, "wanted")
@write_session_option
@place_options
def init(place: Place, wanted: SetupOptions, *, session_id: str | None) -> Outcome:
    """Make a loom for the project in this folder, and set up clients for it.

    Writes the loom, its first event, and the project's settings into .env.local; with --preset also the client's MCP
    server and hooks, beside what is in its files already. Running it again changes nothing.

    \b
    Example:
      zaxy init
      zaxy init --preset claude-code --dry-run
      zaxy init --preset claude-code
      zaxy init --undo
    """
    from zaxy.interfaces.serialize import to_json
    from zaxy.services.operations.onboarding.clients import CLIENTS
    from zaxy.services.operations.onboarding.project import ProjectSetup
    from zaxy.services.operations.setup import initialize, preview

    folder, settings = project_settings(place, session_id)
    setup = ProjectSetup(folder, settings.state_path, dry_run=wanted.dry_run)
    if wanted.undo:
        return _undo(place, folder, settings, setup.take_back(), dry_run=wanted.dry_run)
    if wanted.trust:
        tell(f"trusted as it is: {', '.join(setup.trust_profile())} in {folder / '.env.local'}")
    clients = [CLIENTS[name] for name in dict.fromkeys(wanted.presets)]
    with opened(place, session_id=session_id) as memory:
        make = preview if wanted.dry_run else initialize
        made: list[Initialized] = []
        connected = setup.connect(
            memory.settings,
            lambda: made.append(make(memory.loom, memory.settings, folder)),
            [file for client in clients for file in client.files(surroundings(memory.settings, folder))],
            force=wanted.force,
        )
    (done,) = made
    next_command = clients[0].start if clients else done.next_command
    warnings = [*done.warnings, *connected.warnings]
    code = 1 if any(file.is_left_alone for file in connected.files) else None
    if place.as_json:
        added = {"presets": wanted.presets, "files": connected.files, "dry_run": wanted.dry_run}
        say_json({**to_json(done), **added, "next_command": next_command, "warnings": warnings})
        return code
    _show(done, dry_run=wanted.dry_run)
    show_files(connected.files, folder, dry_run=wanted.dry_run)
    say(f"  next: {'the same without --dry-run' if wanted.dry_run else next_command}")
    warn(warnings)
    return code


def project_settings(place: Place, session_id: str | None) -> tuple[Path, Settings]:
    """Return the project's folder, and the settings in force there."""
    from zaxy.config import load_settings, project_folder, variables

    here = Path.cwd()
    is_named = place.eventloom_path is not None or "EVENTLOOM_PATH" in variables()
    settings = load_settings(
        eventloom_path=place.eventloom_path, session_id=session_id, projection_backend=place.projection_backend
    )
    return (here if is_named else project_folder(here)), settings


def surroundings(settings: Settings, folder: Path) -> Surroundings:
    """Return where clients find the memory of a project, and their own files."""
    from zaxy.services.operations.onboarding.clients import Surroundings, zaxy_program

    try:
        home: Path | None = Path.home()
    except RuntimeError:
        home = None
    loom, program = settings.eventloom_path.absolute(), zaxy_program()
    return Surroundings(loom, settings.session_id, folder, home, program, settings.domain)


def _show(done: Initialized, *, dry_run: bool) -> None:
    is_new = "loom" in done.made
    verb = "Would make" if is_new and dry_run else "Made" if is_new else "There is"
    say(f"{verb} the loom {one_line(done.eventloom_path)}")
    say(f"  session: {done.session_id}")
    say(f"  settings: {one_line(done.profile)}")
    if done.key_path is not None:
        say(f"  signing key: {one_line(done.key_path)} (keep it out of the loom's backups)")
    say(f"  forgetting: {done.forgetting}")
    say(f"  new: {', '.join(done.made) or 'nothing, it was complete'}")


def show_files(files: Sequence[FileOutcome], folder: Path, *, dry_run: bool) -> None:
    """Print what came of each file of a client, and what to write by hand where it was left alone."""
    for file in files:
        path = Path(file.path)
        named = one_line(path.relative_to(folder) if path.is_relative_to(folder) else path)
        would = "would be " if dry_run and file.state in ("added", "removed") else ""
        reason = f" ({one_line(file.reason)})" if file.reason else ""
        say(f"  {file.holds}: {would}{_DONE[file.state]} {named}{reason}")
        if file.by_hand:
            say("    to do it by hand, write into it:")
            say("".join(f"      {line}\n" for line in file.by_hand.splitlines()).rstrip("\n"))


def _undo(place: Place, folder: Path, settings: Settings, done: Connected, *, dry_run: bool) -> Outcome:
    files = done.files
    code = 1 if any(file.is_left_alone for file in files) else None
    if place.as_json:
        told = {"kept": settings.eventloom_path, "dry_run": dry_run, "warnings": done.warnings}
        say_json({"folder": folder, "files": files, **told})
        return code
    verb = "Would take" if dry_run else "Took"
    changed = sum(file.state == "removed" for file in files)
    say(f"{verb} back what was set up for {one_line(folder)}: {counted(changed, 'file')}")
    show_files(files, folder, dry_run=dry_run)
    if settings.eventloom_path.is_dir():
        say(f"  the memory stays: {one_line(settings.eventloom_path)}")
    say("  next: zaxy init sets it up again")
    warn(done.warnings)
    return code
