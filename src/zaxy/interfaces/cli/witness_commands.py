"""``zaxy log witness``: who else knows the checkpoints of this loom, and being such a witness for others."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

import click

from zaxy.interfaces.cli.log_commands import log, show_witnesses
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import Outcome, Place, place_options
from zaxy.interfaces.cli.text import counted, one_line, say, say_json

_SERVER: Final = "zaxy.interfaces.http.witness"


@log.group("witness")
def witness() -> None:
    """Witnesses: others who know the newest checkpoint, so that not even the key's holder can rewrite the log.

    They speak C2SP tlog-witness. Each one must be told of this loom's public key: zaxy log key show --public.

    \b
    Example:
      zaxy log witness list
    """


@witness.command("add")
@click.argument("url", metavar="URL")
@click.option("--key", "public_key", required=True, metavar="KEY", help="The witness's public key, name+id+key.")
@place_options
def add(place: Place, url: str, *, public_key: str) -> Outcome:
    """Ask a witness to cosign every checkpoint from now on, and the newest one at once.

    \b
    Example:
      zaxy log witness add http://127.0.0.1:8300 --key "$(zaxy log witness key ~/.witness)"
    """
    with opened(place, must_exist=True) as memory:
        added = memory.loom.add_witness(url, public_key)
        witnessed = memory.loom.cosign(memory.loom.checkpoint().head)
    if place.as_json:
        say_json({"url": added.url, "key": str(added.verifier), "witnesses": witnessed})
    else:
        say(f"Added the witness {one_line(added.verifier.name)} at {one_line(added.url)}")
        show_witnesses(witnessed)
    answer = next((each for each in witnessed if each.name == added.verifier.name), None)
    return None if answer is not None and answer.cosigned else 1


@witness.command("remove")
@click.argument("name", metavar="URL|NAME")
@place_options
def remove(place: Place, name: str) -> Outcome:
    """Ask a witness no more.

    \b
    Example:
      zaxy log witness remove http://127.0.0.1:8300
    """
    with opened(place, must_exist=True) as memory:
        removed = memory.loom.remove_witness(name)
    if place.as_json:
        say_json({"url": removed.url, "key": str(removed.verifier)})
    else:
        say(f"Removed the witness {one_line(removed.verifier.name)}")
    return None


@witness.command("list")
@place_options
def listing(place: Place) -> Outcome:
    """Show which witnesses are asked, and what each of them cosigned last.

    \b
    Example:
      zaxy log witness list
    """
    with opened(place, must_exist=True) as memory:
        settings = memory.loom.notary().state.witnesses()
    if place.as_json:
        say_json([{"url": each.url, "key": str(each.verifier), "size": each.size} for each in settings])
        return None
    if not settings:
        say("No witness is asked.")
    for each in settings:
        say(f"{one_line(each.verifier.name)} at {one_line(each.url)}: cosigned {counted(each.size, 'event')}")
    return None


@witness.command("key")
@click.argument("folder", metavar="FOLDER")
@click.option("--name", default="zaxy-witness", show_default=True, metavar="NAME", help="Its name, for a new one.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def witness_key(folder: str, *, name: str, as_json: bool) -> Outcome:
    """Print the public key of the witness in a folder; a new one is made where there is none.

    \b
    Example:
      zaxy log witness key ~/.witness
    """
    from zaxy.eventloom.proof.witness_folder import make_witness_folder

    key = str(make_witness_folder(Path(folder).absolute(), name))
    if as_json:
        say_json({"folder": folder, "key": key})
    else:
        say(key)
    return None


@witness.command("trust")
@click.argument("folder", metavar="FOLDER")
@click.argument("public_key", metavar="KEY")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def trust(folder: str, public_key: str, *, as_json: bool) -> Outcome:
    """Let the witness in a folder cosign a log: the one that this public key signs.

    \b
    Example:
      zaxy log witness trust ~/.witness "$(zaxy log key show --public)"
    """
    from zaxy.eventloom.proof.notes import VerifierKey
    from zaxy.eventloom.proof.witness_folder import add_log, read_witness_key

    verifier = VerifierKey.parse(public_key)
    read_witness_key(Path(folder))  # a mistyped folder holds no witness
    add_log(Path(folder).absolute(), verifier)
    if as_json:
        say_json({"folder": folder, "log": verifier.name})
    else:
        say(f"The witness in {one_line(folder)} cosigns the log {one_line(verifier.name)}")
    return None


@witness.command("serve")
@click.argument("folder", metavar="FOLDER")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8300, show_default=True, help="Port to listen on.")
def serve_witness(folder: str, *, host: str, port: int) -> Outcome:
    """Be a witness: serve the one in a folder over HTTP until it is stopped.

    \b
    Example:
      zaxy log witness serve ~/.witness --port 8300
    """

    # by name: interfaces do not know each other, and no other command needs a web server
    def tell(url: str, key: object) -> None:
        say(f"Witness at {url}")
        say(f"  key: {key}")

    import_module(_SERVER).serve_witness(Path(folder).absolute(), host=host, port=port, on_ready=tell)
    return None
