"""``zaxy log``: what proves the log. Verification, checkpoints, and what is set aside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zaxy.errors import IntegrityError, InvalidInputError
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options, public_key_option, write_session_option
from zaxy.interfaces.cli.progress import ProgressBar
from zaxy.interfaces.cli.text import counted, one_line, say, say_json, tell, warn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zaxy.eventloom.proof.report import LoomReport
    from zaxy.eventloom.proof.witnessing import Witnessed
    from zaxy.services.operations.quarantine import Quarantined


@click.group("log")
def log() -> None:
    """Prove the log: verify it, sign it, prove single events.

    \b
    Example:
      zaxy log verify
      zaxy log checkpoint
    """


@log.command("verify")
@public_key_option
@click.option("--ask-witnesses/--offline", default=True, help="Whether witnesses that are set up are asked.")
@place_options
def verify(place: Place, *, public_key: tuple[str, ...], ask_witnesses: bool) -> Outcome:
    """Check the whole loom and say what the check rests on.

    Levels: chain (every hash), checkpoint (a signature over all sessions), pinned head (the newest checkpoint and what
    was acknowledged since, kept outside the loom), witness (somebody else knows the checkpoint). With --public-key,
    these keys count instead of those that this machine holds.

    \b
    Example:
      zaxy log verify
      zaxy log verify --json
    """
    from zaxy.eventloom.proof.notes import VerifierKey

    keys = [VerifierKey.parse(key) for key in public_key]
    with opened(place, must_exist=True) as memory, ProgressBar("Verifying") as progress:
        report = memory.loom.verify(keys=keys, ask_witnesses=ask_witnesses, progress=progress)
    if place.as_json:
        say_json(report)
    else:
        _show(report)
    return 0 if report.ok else IntegrityError.exit_code


def _show(report: LoomReport) -> None:
    verdict = "OK" if report.ok else "FAILED"
    say(f"Integrity: {verdict}, level: {report.level}")
    say(f"Events: {report.total_events:,}, {report.checkpointed_events:,} of them in a checkpoint")
    for session in report.sessions:
        good = f"{session.last_seq:,} good" if session.ok else f"good up to {session.last_seq:,}"
        say(f"  {one_line(session.session_id)}: {good}, {one_line(session.level)} up to {session.covered_to:,}")
    if report.checkpoint is not None:
        by = report.checkpoint.signed_by or "no key that counts here"
        held = counted(report.checkpoint.size, "event")
        say(f"Checkpoint: {held}, signed {report.checkpoint.signed_at} by {one_line(by)}")
        for name in report.checkpoint.cosigned_by:
            say(f"  cosigned by {one_line(name)}")
    say(f"Not seen at this level: {report.blind_spots}")
    for finding in report.findings:
        tell(f"error: {one_line(finding.code)}: {one_line(finding.message)}")
    warn(report.notes)
    say(f"Next: {one_line(report.next_command)}")


@log.command("checkpoint")
@click.option("--output", metavar="FILE", help="Also write the signed note there, to be kept in another place.")
@place_options
def checkpoint(place: Place, *, output: str | None) -> Outcome:
    """Sign all that is new, pin the head outside the loom, and ask the witnesses.

    Checkpoints are also made by themselves: after every 1,000 events, when something is new and the last one is five
    minutes old, and at a rotation (EVENTLOOM_CHECKPOINT_EVENTS, EVENTLOOM_CHECKPOINT_SECONDS).

    \b
    Example:
      zaxy log checkpoint
      zaxy log checkpoint --output kept-elsewhere.note
    """
    target = None if output is None else output_file(output)
    with opened(place, must_exist=True) as memory:
        done = memory.loom.checkpoint()
        witnessed = memory.loom.cosign(done.head)
    head = done.head
    if target is not None:
        write_new(target, head.signed.encode("utf-8"))
    bad = bool(done.problems) or any(answer.contradicts for answer in witnessed)
    if place.as_json:
        root = head.checkpoint.root.hex()
        told = {"size": head.size, "root": root, "signed_at": head.time, "new_events": done.new_events}
        say_json({**told, "note": head.signed, "problems": done.problems, "witnesses": witnessed, "output": output})
        return IntegrityError.exit_code if bad else None
    new = f"took in {counted(done.new_events, 'event')}" if done.new_events else "nothing was new"
    say(f"Checkpoint of {counted(head.size, 'event')}, signed {head.time}: {new}")
    say(f"  root: {head.checkpoint.root.hex()}")
    show_witnesses(witnessed)
    for problem in done.problems:
        tell(f"error: session {one_line(problem.session_id)} is not in it to its end: {one_line(problem.message)}")
    return IntegrityError.exit_code if bad else None


def show_witnesses(witnessed: Iterable[Witnessed]) -> None:
    """Print what each witness answered."""
    for answer in witnessed:
        if answer.cosigned:
            say(f"  cosigned by {one_line(answer.name)}")
        else:
            tell(f"{'error' if answer.contradicts else 'warning'}: {one_line(answer.name)}: {one_line(answer.message)}")


def output_file(named: str) -> Path:
    """Return the file that a result goes into; looked at before there is a result.

    Raises:
        InvalidInputError: No file can be written there. A device is none: a file would take its name.
    """
    path = Path(named)
    if not named or (path.exists() and not path.is_file()):
        raise InvalidInputError(f"{named!r} is not a file", remedy="name a file to write to")
    target = path.resolve()
    if not target.parent.is_dir():
        raise InvalidInputError(f"there is no folder {target.parent}", remedy="make it, or name another file")
    return target


def write_new(path: Path, data: bytes) -> None:
    """Write a result to a file of the caller's; a crash leaves the old content or the new."""
    from zaxy.files.durable import replace_file

    replace_file(path, data, mode=0o644)


@log.command("recover")
@place_options
def recover(place: Place) -> Outcome:
    """Show what was set aside when logs were repaired, and which sessions are read-only.

    A torn tail is repaired by the next append: what is cut off is kept here, and an event tells of it. Nothing in the
    quarantine is ever removed.

    \b
    Example:
      zaxy log recover
    """
    from zaxy.services.operations.quarantine import list_quarantine

    with opened(place, must_exist=True) as memory:
        found = list_quarantine(memory.loom)
    if place.as_json:
        say_json(found)
    else:
        say(f"Quarantine: {counted(len(found.items), 'item')}")
        for item in found.items:
            _show_item(item)
        for session_id in found.read_only:
            tell(f"error: session {one_line(session_id)} is read-only: it was found damaged")
            tell("  next: restore its file from a backup, then run: zaxy log verify")
    return IntegrityError.exit_code if found.read_only else None


def _show_item(item: Quarantined) -> None:
    told = "told of in the log" if item.told else "the next append tells of it"
    say(f"  {one_line(item.session_id)}: {counted(item.bytes, 'byte')}: {item.reason}; {told}")
    say(f"    {one_line(item.path)}{'' if item.intact else ' (changed since)'}")
    say(f"    {one_line(item.preview)}")


@log.command("accept")
@click.option("--reason", required=True, metavar="TEXT", help="Why the loom is another one; it is recorded.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@write_session_option
@place_options
def accept(place: Place, *, reason: str, yes: bool, session_id: str | None) -> Outcome:
    """Go on with a loom that is not the one that was signed: a backup that you put back yourself.

    The loom gets a new origin and a new key, an event tells of it, and what was signed before is kept beside. A session
    whose own chain is broken cannot be accepted.

    \b
    Example:
      zaxy log accept --reason "restored the backup of Monday" --yes
    """
    with opened(place, session_id=session_id, must_exist=True) as memory:
        if not yes and not click.confirm("Did you put this state of the memory there yourself?", err=True):
            tell("nothing was changed")
            return 1
        done = memory.loom.accept(memory.settings.session_id, reason)
    if place.as_json:
        told = {"event": done.event.citation, "previous_origin": done.previous_origin, "origin": done.origin}
        say_json({**told, "kept": done.kept})
        return None
    say(f"Accepted: checkpoints are now of {done.origin}, before of {done.previous_origin}")
    say(f"  event: {done.event.citation}")
    say("  next: give the new public key to those who check your proofs: zaxy log key show --public")
    return None
