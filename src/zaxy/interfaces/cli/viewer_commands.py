"""``zaxy viewer`` and ``zaxy dashboard``: a picture of the memory, as a file or as a page that keeps itself current."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from zaxy.errors import InvalidInputError, NotFoundError
from zaxy.interfaces.cli.log_commands import output_file
from zaxy.interfaces.cli.opening import known_session, opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.text import counted, one_line, say, say_json, warn

_LOG_SUFFIX: Final = ".jsonl"
_HOST: Final = "127.0.0.1"
_DEFAULT_PORT: Final = 8081
_EVENTS_A_STEP: Final = 1_000


@click.command()
@click.argument("path", type=click.Path(), required=False, metavar="[PATH]")
@click.option(
    "--output", "-o", default="eventloom-viewer.html", show_default=True, metavar="FILE", help="Where the page goes."
)
@click.option("--session-id", multiple=True, metavar="ID", help="Only this session; repeatable.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=50_000,
    show_default=True,
    help="How many events; the oldest are left out.",
)
@click.option("--open-sealed", is_flag=True, help="Also show the text of sealed events. The file then keeps it.")
@place_options
def viewer(
    place: Place, path: str | None, *, output: str, session_id: tuple[str, ...], limit: int, open_sealed: bool
) -> Outcome:
    """Write the memory as one HTML file: events, changes, graph, sessions, and how far all of it can be trusted.

    PATH is a loom, or one log in it.  The file needs no network and no server, and asks for none. It holds what the
    memory holds: treat it as you treat the memory. Exit code 3 where the memory is damaged; the page says how.

    \b
    Example:
      zaxy viewer .eventloom --output memory.html
      zaxy viewer .eventloom/default.jsonl --output memory.html
    """
    from zaxy.files.durable import replacing
    from zaxy.interfaces.viewer.page import file_page, overview
    from zaxy.interfaces.viewer.picture import Picture

    target = output_file(output)
    folder, sessions = _loom_of(path)
    named = place.eventloom_path
    if folder is not None and named is not None and folder.resolve() != Path(named).resolve():
        raise InvalidInputError("PATH and --eventloom-path both name a loom", remedy="leave one of them out")
    with opened(place, folder=folder, must_exist=True) as memory:
        if target.is_relative_to(memory.loom.path.resolve()):
            raise InvalidInputError(f"{target} lies in the loom", remedy="name a file in another folder")
        wanted = tuple(known_session(memory, name) for name in (*sessions, *session_id))
        with ProgressBar("Verifying") as progress:
            report = memory.loom.verify(ask_witnesses=False, progress=progress)
        picture = Picture(memory, limit=limit, sessions=wanted, opens_sealed=open_sealed)
        with ProgressBar("Reading") as progress:
            while not picture.take(_EVENTS_A_STEP):
                progress(len(picture.rows), None)
        told = overview(memory, report, picture, opens_sealed=open_sealed)
        with replacing(target, mode=0o600) as write:
            for part in file_page(told, picture):
                write(part)
    events = len(picture.rows)
    if place.as_json:
        say_json({"output": str(target), "events": events, "left_out": picture.left_out, "damaged": picture.damaged})
    else:
        left = f"; {counted(picture.left_out, 'older event')} left out" if picture.left_out else ""
        say(f"Wrote {counted(events, 'event')} to {one_line(target)}{left}")
        warn(f"session {name} is shown up to its damage: {why}" for name, why in picture.damaged.items())
    return 0 if report.ok else 3


def _loom_of(path: str | None) -> tuple[Path | None, tuple[str, ...]]:
    """Return the loom that a path means, None for the one that is set up, and the session if it is one log.

    Raises:
        NotFoundError: There is nothing there.
        InvalidInputError: It is neither.
    """
    if path is None:
        return None, ()
    named = Path(path)
    if named.is_dir():
        return named, ()
    if not named.exists():
        raise NotFoundError(f"there is no {path}", remedy="name a loom, such as .eventloom, or a log in it")
    if named.suffix != _LOG_SUFFIX:
        raise InvalidInputError(f"{path} is not a log", remedy=f"name a loom, or a {_LOG_SUFFIX} file in it")
    return named.absolute().parent, (named.name.removesuffix(_LOG_SUFFIX),)


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=_DEFAULT_PORT, show_default=True, help="0 for any.")
@place_options
def dashboard(place: Place, *, port: int) -> Outcome:
    """Show the memory in a browser on this machine, and what goes on in it, until this is stopped.

    It is the page of `zaxy viewer`, kept current, with what waits for a review, what comes in, how far the stores are
    and how long calls take. It changes nothing. `zaxy serve --transport http` has it too, at /dashboard.

    \b
    Example:
      zaxy dashboard
    """
    from zaxy.interfaces.http.production import load_for_serving
    from zaxy.interfaces.http.server import serve_http

    settings = load_for_serving(
        host=_HOST, eventloom_path=place.eventloom_path, projection_backend=place.projection_backend
    )
    if not settings.eventloom_path.is_dir():
        raise NotFoundError(f"there is no loom at {settings.eventloom_path}", remedy="make one: zaxy init")
    serving = replace(settings.serving, readers=0)  # nobody asks it questions that would keep others waiting
    serve_http(
        replace(settings, serving=serving),
        transport="http",
        host=_HOST,
        port=port,
        on_ready=lambda url: say(f"Dashboard at {url}/dashboard"),
    )
    return None
