"""``zaxy capture pause`` and ``resume``: when nothing is to be captured."""

from __future__ import annotations

import click

from zaxy.errors import UnavailableError
from zaxy.interfaces.cli.options import Outcome, Place, place_options
from zaxy.interfaces.cli.text import say, say_json


@click.command()
@place_options
def pause(place: Place) -> Outcome:
    """Capture nothing until it is resumed: hooks and watchers leave out what happens meanwhile, for good.

    \b
    Example:
      zaxy capture pause
    """
    changed = _switch(place, pausing=True)
    if not place.as_json:
        say("Capture is paused. Go on with: zaxy capture resume" if changed else "Capture was paused already")
    return None


@click.command()
@place_options
def resume(place: Place) -> Outcome:
    """Capture again what happens from now on.

    \b
    Example:
      zaxy capture resume
    """
    changed = _switch(place, pausing=False)
    if not place.as_json:
        say("Capture goes on" if changed else "Capture was not paused")
    return None


def _switch(place: Place, *, pausing: bool) -> bool:
    from zaxy.clock import SystemClock
    from zaxy.config import load_settings
    from zaxy.services.capture.hooks.place import CapturePlace

    capture = CapturePlace.of(load_settings(eventloom_path=place.eventloom_path))
    if capture is None:
        raise UnavailableError("there is no folder to note it in", remedy="set HOME, or XDG_STATE_HOME")
    now = SystemClock().now()
    changed = capture.pause(now) if pausing else capture.resume(now)
    if place.as_json:
        say_json({"paused": pausing, "changed": changed})
    return changed
