"""``zaxy log`` for proofs that leave the machine: single events, consistency, keys."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from zaxy.errors import BadProofError, InvalidInputError, NotFoundError
from zaxy.interfaces.cli.log_commands import log, output_file, write_new
from zaxy.interfaces.cli.opening import known_session, opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options, public_key_option, write_session_option
from zaxy.interfaces.cli.render import event_line
from zaxy.interfaces.cli.text import counted, one_line, say, say_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from zaxy.eventloom.proof.notary import Notary
    from zaxy.eventloom.proof.notes import Note

ParsedT = TypeVar("ParsedT")

_LARGEST_PROOF_BYTES = 128 * 1024 * 1024


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST_PROOF_BYTES + 1)
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}", remedy="name a readable file") from error
    if len(data) > _LARGEST_PROOF_BYTES:
        raise InvalidInputError(f"{path} is too long to be one", remedy="name another file")
    return data


def _parsed(path: str, parse: Callable[[bytes], ParsedT], remedy: str) -> ParsedT:
    try:
        return parse(_read(path))
    except BadProofError as error:
        raise BadProofError(f"{path}: {error.message}", remedy=error.remedy or remedy) from error


@log.command("prove")
@click.argument("session_id", metavar="SESSION")
@click.argument("seq", type=click.IntRange(min=1), metavar="SEQ")
@click.option("--output", required=True, metavar="FILE", help="Where the proof goes.")
@place_options
def prove(place: Place, session_id: str, seq: int, *, output: str) -> Outcome:
    """Write a proof of one event that can be checked without this memory.

    It holds the event's raw line, its place in the tree over all sessions, and the signed checkpoint.

    \b
    Example:
      zaxy log prove default 2 --output event.proof
    """
    target = output_file(output)
    with opened(place, must_exist=True) as memory:
        known_session(memory, session_id)
        proof = memory.loom.prove(session_id, seq)
    write_new(target, proof.encode())
    if place.as_json:
        say_json({"session_id": session_id, "seq": seq, "leaf": proof.index, "output": output})
        return None
    say(f"Proof of event {seq} of session {one_line(session_id)}: {one_line(output)}")
    say(f'  next: zaxy log check-proof {one_line(shlex.quote(output))} --public-key "$(zaxy log key show --public)"')
    return None


@log.command("check-proof")
@click.argument("file", metavar="FILE")
@public_key_option
@click.option("--witness-key", multiple=True, metavar="KEY", help="A witness that must have cosigned it; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def check_proof(file: str, *, public_key: tuple[str, ...], witness_key: tuple[str, ...], as_json: bool) -> Outcome:
    """Check a proof of one event. Needs no memory, only the proof and the public key of who signed it.

    \b
    Example:
      zaxy log check-proof event.proof --public-key "$(zaxy log key show --public)"
    """
    from zaxy.eventloom.proof.event_proof import check_event_proof, parse_event_proof
    from zaxy.eventloom.proof.notes import VerifierKey

    if not public_key:
        raise InvalidInputError("no key to check it with", remedy="name one with --public-key KEY")
    keys = [VerifierKey.parse(key) for key in public_key]
    witnesses = [VerifierKey.parse(key) for key in witness_key]
    proof = _parsed(file, parse_event_proof, "name a proof that zaxy log prove wrote")
    proven = check_event_proof(proof, keys, witnesses)
    missing = [key.name for key in witnesses if str(key) not in proven.cosigned_by]
    if missing:
        raise BadProofError(
            f"the checkpoint was not cosigned by {', '.join(missing)}",
            remedy="ask who made the proof for one that is, or check it without --witness-key",
        )
    if as_json:
        say_json(
            {
                "ok": True,
                "event": proven.event,
                "leaf": proven.index,
                "origin": proven.checkpoint.origin,
                "size": proven.checkpoint.size,
                "root": proven.checkpoint.root.hex(),
                "signed_by": proven.signed_by,
                "cosigned_by": proven.cosigned_by,
            }
        )
        return None
    size = counted(proven.checkpoint.size, "event")
    origin = one_line(proven.checkpoint.origin)
    say(f"Proven: session {one_line(proven.event.session_id)}, in a checkpoint of {size} of {origin}")
    say(event_line(proven.event))
    for key in proven.signed_by:
        say(f"  signed by {one_line(key)}")
    for key in proven.cosigned_by:
        say(f"  cosigned by {one_line(key)}")
    return None


@log.command("consistency")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW", default="latest")
@public_key_option
@place_options
def consistency(place: Place, old: str, new: str, *, public_key: tuple[str, ...]) -> Outcome:
    """Show that a later checkpoint extends an earlier one: nothing before it was changed.

    OLD and NEW are files with signed notes, sizes of checkpoints, or `latest`.

    \b
    Example:
      zaxy log consistency kept-elsewhere.note latest
    """
    from zaxy.eventloom.proof.notes import VerifierKey

    keys = [VerifierKey.parse(key) for key in public_key]
    with opened(place, must_exist=True) as memory:
        notary = memory.loom.notary()
        first, second, proof = notary.consistency(_note(notary, old), _note(notary, new), keys)
    if place.as_json:
        hashes = [part.hex() for part in proof]
        sides = {"origin": first.origin, "old_size": first.size, "old_root": first.root.hex()}
        say_json({"ok": True, **sides, "new_size": second.size, "new_root": second.root.hex(), "proof": hashes})
        return None
    say(f"Consistent: the checkpoint of {counted(second.size, 'event')} extends the one of {first.size:,}")
    say(f"  {len(proof)} {'hash' if len(proof) == 1 else 'hashes'} of {one_line(first.origin)}")
    return None


def _note(notary: Notary, named: str) -> Note:
    from zaxy.eventloom.proof.checkpoint import parse_checkpoint
    from zaxy.eventloom.proof.notes import parse_note

    def parse(data: bytes) -> Note:
        note = parse_note(data)
        parse_checkpoint(note.text)
        return note

    if named == "latest" or (named.isdecimal() and not Path(named).exists()):
        return notary.note_at(None if named == "latest" else int(named))
    return _parsed(named, parse, "name a note that zaxy log checkpoint --output wrote")


@log.group("key")
def key() -> None:
    """The key that signs checkpoints.

    \b
    Example:
      zaxy log key show
    """


@key.command("show")
@click.option("--public", is_flag=True, help="Print the public key alone.")
@place_options
def show(place: Place, *, public: bool) -> Outcome:
    """Show the public keys: the one in force, and those that were before.

    \b
    Example:
      zaxy log key show
      zaxy log key show --public
    """
    with opened(place, must_exist=True) as memory:
        state = memory.loom.notary().state
        current, keys = str(state.signing_key().verifier), state.keys()
        path = str(state.key_path)
    if public:
        say(current)
    elif place.as_json:
        listed = [{"public_key": str(each.verifier), "until_size": each.until_size} for each in keys]
        say_json({"public_key": current, "key_path": path, "keys": listed})
    else:
        say(f"In force: {current}")
        for each in keys:
            if each.until_size is not None:
                say(f"  before, up to {counted(each.until_size, 'event')}: {each.verifier}")
        say(f"  private key: {one_line(path)}")
    return None


@key.command("rotate")
@write_session_option
@place_options
def rotate(place: Place, session_id: str | None) -> Outcome:
    """Put a new key in force, by an event and a checkpoint that both keys sign.

    \b
    Example:
      zaxy log key rotate
    """
    with opened(place, session_id=session_id, must_exist=True) as memory:
        done = memory.loom.rotate_key(memory.settings.session_id)
    if place.as_json:
        say_json({"old_key": done.old_key, "new_key": done.new_key, "event": done.event.citation})
        return None
    say(f"In force: {done.new_key}")
    say(f"  before: {done.old_key}")
    say(f"  event: {done.event.citation}, signed by both")
    say("  next: give the new public key to those who check your proofs, and to your witnesses")
    return None
