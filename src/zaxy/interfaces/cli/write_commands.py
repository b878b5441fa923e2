"""Commands that record: append, invalidate."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import click

from zaxy.errors import InvalidInputError
from zaxy.interfaces.cli.change_options import ProvenanceOptions, origin_of, provenance_options
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import (
    Outcome,
    Place,
    checked_text,
    checked_time,
    packed,
    place_options,
    write_session_option,
)
from zaxy.interfaces.cli.payload import read_payload
from zaxy.interfaces.cli.text import counted, one_line, say, say_json


@dataclass(frozen=True, slots=True)
class PayloadOptions:
    """What was said or done, as given."""

    payload: str | None
    payload_file: str | None
    occurred_at: str | None


@click.command()
@click.argument("event_type", metavar="TYPE")
@click.option("--actor", required=True, metavar="NAME", help="Who did or said it.")
@click.option("--payload", "--payload-json", "payload", metavar="JSON", help="The payload, a JSON object.")
@click.option(
    "--payload-file", metavar="FILE", help="A file with it; - is standard input, which is read when neither is given."
)
@click.option("--occurred-at", callback=checked_time, metavar="TIME", help="When it happened, if not now.")
@click.option("--key", metavar="KEY", help="Idempotency key <source>:<id>; a second event with it is not recorded.")
@functools.partial(packed, PayloadOptions, "told")
@provenance_options
@write_session_option
@place_options
def append(
    place: Place,
    event_type: str,
    *,
    provenance: ProvenanceOptions,
    told: PayloadOptions,
    actor: str,
    key: str | None,
    session_id: str | None,
) -> Outcome:
    """Record one event. When the command is done, the event is on disk.

    TYPE has at least two lower-case parts joined by dots, such as goal.created.

    \b
    Example:
      zaxy append goal.created --actor ann --payload '{"title": "Ship the parser"}'
      echo '{"title": "Use click"}' | zaxy append decision.made --actor ann --occurred-at 2026-05-08
      zaxy append note.made --actor ann --payload '{"content": "Bob is ill"}' --forgettable
    """
    from zaxy.eventloom.event import Draft
    from zaxy.interfaces.serialize import to_json
    from zaxy.services.governance.attribution import refuse_governed, refuse_governed_key

    refuse_governed(event_type)
    refuse_governed_key(key)
    given = read_payload(told.payload, told.payload_file, told.occurred_at)
    with opened(place, session_id=session_id) as memory:
        origin = provenance.origin(memory)
        draft = Draft(event_type, actor, given, key, origin=origin, forgettable=provenance.forgettable)
        outcome = memory.loom.commit(memory.settings.session_id, [draft])[0]
    event = outcome.event
    if place.as_json:
        say_json({**to_json(event), "added": outcome.added})
        return None
    done = "Recorded" if outcome.added else "Already recorded:"
    unsynced = "" if event.durable else " (not synced to disk: EVENTLOOM_FSYNC)"
    say(f"{done} {event.event_type} seq={event.seq} {event.citation}{unsynced}")
    return None


@click.command()
@click.argument("citations", nargs=-1, metavar="[CITATION]...")
@click.option(
    "--entity-type", callback=checked_text, metavar="TYPE", help="Instead: the type of what it is about, such as goal."
)
@click.option("--entity-name", callback=checked_text, metavar="NAME", help="And its name.")
@click.option(
    "--invalid-at", callback=checked_time, metavar="TIME", help="From when on, also in the future.  [default: now]"
)
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@click.option("--actor", default="user", show_default=True, metavar="NAME", help="Who says so.")
@write_session_option
@place_options
def invalidate(
    place: Place,
    citations: tuple[str, ...],
    *,
    entity_type: str | None,
    entity_name: str | None,
    invalid_at: str | None,
    reason: str,
    actor: str,
    session_id: str | None,
) -> Outcome:
    """Say that something is no longer so.

    Names events by their citations, or the entity of which the current statement ends. Nothing is overwritten: a new
    event ends them, and every query obeys it. Without --session-id it is recorded in the session of what ends, or in
    the default one where that lies in several.

    \b
    Example:
      zaxy invalidate --entity-type goal --entity-name "Ship the parser" --reason "we bought one"
      zaxy invalidate eventloom://default/events/2 --invalid-at 2030-01-01
    """
    if (entity_type is None) != (entity_name is None):
        raise InvalidInputError("an entity is named by --entity-type and --entity-name together")
    entity = None if entity_type is None or entity_name is None else (entity_type, entity_name)
    with opened(place, session_id=session_id, must_exist=True) as memory:
        done = memory.invalidation.invalidate(
            session_id=memory.settings.session_id,
            actor=actor,
            citations=citations,
            entity=entity,
            invalid_at=invalid_at,
            reason=reason,
            origin=origin_of(None),
            is_session_named=session_id is not None,
        )
    if place.as_json:
        say_json(done)
        return None
    say(f"Invalidated {counted(len(done.targets), 'event')} from {done.invalid_at} on: {done.event.citation}")
    for target in done.targets:
        say(f"  {one_line(target)}")
    return None
