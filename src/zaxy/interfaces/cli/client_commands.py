"""Commands that set up one thing at a time: ide-config, local-profile, init-session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zaxy.errors import InvalidInputError, NotFoundError
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options, write_session_option
from zaxy.interfaces.cli.setup_commands import PRESETS, project_settings, show_files, surroundings
from zaxy.interfaces.cli.text import one_line, say, say_json, warn

if TYPE_CHECKING:
    from zaxy.memory import Memory


@click.command("ide-config")
@click.argument("client", type=click.Choice(PRESETS))
@click.option("--install", is_flag=True, help="Add it to the client's configuration, beside what is there.")
@click.option("--force", is_flag=True, help="With --install: replace a server named zaxy that says something else.")
@write_session_option
@place_options
def ide_config(place: Place, client: str, *, install: bool, force: bool, session_id: str | None) -> Outcome:
    """Print what CLIENT needs in its configuration to start the MCP server of this project.

    With --install it is added there, without hooks; zaxy init --undo takes it out again.

    \b
    Example:
      zaxy ide-config claude-desktop --eventloom-path .eventloom
      zaxy ide-config cursor --install
    """
    from zaxy.interfaces.serialize import to_json
    from zaxy.services.operations.onboarding.clients import CLIENTS
    from zaxy.services.operations.onboarding.merging import snippet
    from zaxy.services.operations.onboarding.project import ProjectSetup

    folder, settings = project_settings(place, session_id)
    file = CLIENTS[client].files(surroundings(settings, folder))[0]
    if not install:
        text = snippet(file)
        if place.as_json:
            say_json({"client": client, "path": str(file.path), "content": text})
        else:
            say(text.rstrip("\n"))
        return None
    done = ProjectSetup(folder, settings.state_path).install(file, force=force)
    if place.as_json:
        say_json({"client": client, **to_json(done.files[0]), "warnings": done.warnings})
    else:
        show_files(done.files, folder, dry_run=False)
        say(f"  next: {CLIENTS[client].start}")
        warn(done.warnings)
    return 1 if done.files[0].is_left_alone else None


@click.command("local-profile")
@click.option("--check", is_flag=True, help="Instead: whether everything that is set works without a hosted service.")
@click.option("--output", metavar="FILE", help="Write it there, beside what is in it.  [default: print it]")
@write_session_option
@place_options
def local_profile(place: Place, *, check: bool, output: str | None, session_id: str | None) -> Outcome:
    """Print or write the settings of a project whose memory needs no hosted service.

    \b
    Example:
      zaxy local-profile
      zaxy local-profile --projection-backend embedded --output .env.local
      zaxy local-profile --check
    """
    from zaxy.services.operations.onboarding.profile import complete_profile, missing_lines, profile_lines, read_profile

    if check:
        if output is not None:
            raise InvalidInputError("--check writes nothing", remedy="leave --output out")
        return _check(place, session_id)
    folder, settings = project_settings(place, session_id)
    lines = profile_lines(settings, folder)
    if output is None:
        say_json({"lines": lines}) if place.as_json else say("\n".join(lines))
        return None
    path = Path(output)
    raw = read_profile(path)
    added = missing_lines(raw, lines)
    if added:
        complete_profile(path, raw, added)
    if place.as_json:
        say_json({"path": output, "added": added})
    else:
        say(f"Added to {one_line(output)}: {', '.join(added) or 'nothing, it says all of it'}")
    return None


def _check(place: Place, session_id: str | None) -> Outcome:
    with opened(place, session_id=session_id) as memory:
        found = _providers(memory)
    is_local = not found["hosted_secrets_required"]
    status = "ok" if is_local else "hosted"
    if place.as_json:
        say_json({**found, "status": status})
    else:
        for name, value in found.items():
            say(f"{name.replace('_', ' ')}: {value}")
        say(f"Everything works without a hosted service: {'yes' if is_local else 'no'}")
        if not is_local:
            say("next: unset EMBEDDING_PROVIDER RERANKER_PROVIDER")
    return None if is_local else 1


def _providers(memory: Memory) -> dict[str, Any]:
    settings, chosen = memory.settings, memory.chosen_embedder
    embedder = chosen.embedder
    hosted = {settings.embedding.provider if settings.embedding.enabled else "none", settings.reranker.provider}
    return {
        "projection_backend": settings.projection_backend,
        "embedding_provider": settings.embedding.provider,
        "embedding_dimension": None if embedder is None else embedder.dimension,
        "embedding_ready": embedder is not None,
        "reranker_provider": settings.reranker.provider,
        "reranker_ready": True,
        "hosted_secrets_required": bool(hosted & {"openai", "http", "local-http"}),
    }


@click.command("init-session")
@click.argument("path", type=click.Path(), default=".")
@write_session_option
@place_options
def init_session(place: Place, path: str, *, session_id: str | None) -> Outcome:
    """Record the first event of a session: which project in PATH it is about. A session that has one keeps it.

    \b
    Example:
      zaxy init-session . --session-id parser-default
    """
    from zaxy.config import load_settings
    from zaxy.services.operations.setup import begin_session

    folder = Path(path).absolute()
    if not path.strip() or not folder.is_dir():
        raise NotFoundError(f"there is no folder {path!r}", remedy="name a project's folder")
    loom = None if place.eventloom_path is not None else load_settings(folder=folder).eventloom_path
    with opened(place, session_id=session_id, folder=loom) as memory:
        outcome, profile = begin_session(memory.loom, memory.settings.session_id, folder)
    event = outcome.event
    if place.as_json:
        say_json({"session_id": event.session_id, "citation": event.citation, "added": outcome.added, **profile})
        return None
    verb = "Began" if outcome.added else "There is already"
    kind = profile["workspace_type"].replace("_", " ")
    say(f"{verb} session {event.session_id} of {one_line(profile['project'])} ({kind}): {event.citation}")
    return None
