"""A loom that may be read and not written: every reading command answers as before, every writing one exits 4."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from trust_mounts import enter_namespace, mount_read_only, why_no_mounts

from fault_processes import Say, run
from zaxy.config import Settings
from zaxy.eventloom.event import Draft
from zaxy.interfaces.cli.app import cli
from zaxy.memory import Memory

Figure = Callable[[str], None]
NOBODY = 65_534

READING = {
    "capture status": ("capture", "status"),
    "checkout": ("checkout", "alpaca"),
    "doctor": ("doctor",),
    "export": ("export", "--output", "{outside}/memory.export.jsonl"),
    "ide-config": ("ide-config", "cursor"),
    "local-profile": ("local-profile",),
    "log check-proof": ("log", "check-proof", "{folder}/proof", "--public-key", "{key}"),
    "log consistency": ("log", "consistency", "10", "latest"),
    "log key show": ("log", "key", "show"),
    "log prove": ("log", "prove", "work", "2", "--output", "{outside}/proof"),
    "log recover": ("log", "recover"),
    "log verify": ("log", "verify"),
    "log witness list": ("log", "witness", "list"),
    "memory checkout": ("memory", "checkout", "alpaca"),
    "memory conflicts": ("memory", "conflicts"),
    "memory diff": ("memory", "diff", "--session-id", "work"),
    "memory evolution-policy": ("memory", "evolution-policy"),
    "memory inferred-status": ("memory", "inferred-status"),
    "memory log": ("memory", "log"),
    "memory review": ("memory", "review"),
    "memory show": ("memory", "show", "{citation}"),
    "memory status": ("memory", "status", "--graph"),
    "query": ("query", "alpaca"),
    "recall": ("recall", "alpaca"),
    "replay": ("replay", "{loom}/work.jsonl"),
    "status": ("status",),
    "trace export": ("trace", "export"),
    "viewer": ("viewer", "{loom}", "--output", "{outside}/memory.html"),
}
"""Each of them answers with exit code 0."""

SAME = (
    *("checkout", "log consistency", "log verify", "memory diff", "memory inferred-status", "memory log"),
    *("memory conflicts", "memory evolution-policy", "memory review", "memory show", "query", "replay", "status"),
    *("recall", "trace export"),
)
"""These answer as they do where the loom may be written."""

WRITING = {
    "append": ("append", "note.taken", "--actor", "ann", "--payload", "{{}}"),
    "ingest documents": ("ingest", "documents", "{folder}/page.md"),
    "init-session": ("init-session", "{folder}", "--session-id", "new"),
    "invalidate": ("invalidate", "{citation}", "--reason", "wrong"),
    "log checkpoint": ("log", "checkpoint"),
    "memory edit": (
        "memory",
        "edit",
        "--citation",
        "eventloom://work/events/3",
        "--new-content",
        "hay",
        "--reason",
        "wrong",
    ),
    "memory evolution-gate": ("memory", "evolution-gate", "update", "--confidence", "0.9"),
    "remember": ("remember", "hay"),
}
"""Each of them exits with 4."""

ELSEWHERE = {
    "capture pause": "writes outside of the loom",
    "capture resume": "writes outside of the loom",
    "capture start": "runs until it is ended, and writes as `ingest documents` does",
    "capture stop": "ends a process",
    "completion": "reads no memory",
    "dashboard": "runs until it is ended",
    "hook": "always exits with 0: what cannot be recorded waits outside of the loom",
    "ingest chatgpt": "writes as `ingest documents` does",
    "ingest claude-code": "writes as `ingest documents` does",
    "ingest claude-export": "writes as `ingest documents` does",
    "ingest codex": "writes as `ingest documents` does",
    "ingest export": "writes as `ingest documents` does",
    "index-codebase": "writes as `ingest documents` does",
    "ingest git": "writes as `ingest documents` does",
    "ingest jsonl": "writes as `ingest documents` does",
    "ingest mcp-memory": "writes as `ingest documents` does",
    "ingest mem0": "writes as `ingest documents` does",
    "ingest vault": "writes as `ingest documents` does",
    "ingest zep": "writes as `ingest documents` does",
    "init": "its system calls are broken off one by one",
    "log accept": "makes a new key: writes as `log checkpoint` does",
    "log key rotate": "writes as `log checkpoint` does, and asks",
    "log witness add": "needs a witness",
    "log witness key": "is of a witness's own folder",
    "log witness remove": "needs a witness",
    "log witness serve": "is of a witness's own folder",
    "log witness trust": "is of a witness's own folder",
    "memory check-receipt": "reads a file alone",
    "memory forget": "writes as `memory edit` does, and the vault beside it",
    "memory rollback": "writes as `memory edit` does",
    "memory re-embed": "writes what can be made again, and no log",
    "refresh-context": "writes as `ingest documents` does",
    "reproject": "writes what can be made again, and no log",
    "serve": "runs until it is ended",
}
"""Why a command is in neither list."""


@dataclass(frozen=True, slots=True)
class Place:
    """A loom with its keys, and a folder beside them that may be written."""

    folder: Path
    outside: Path

    @property
    def loom(self) -> Path:
        """The loom."""
        return self.folder / "loom"

    def made(self, say: Say) -> None:
        """Make the loom, in a process of its own: stores keep threads. Says an event's citation, and its key."""
        with Memory(Settings(eventloom_path=self.loom, state_path=self.folder / "state" / "zaxy")) as memory:
            memory.loom.ensure_key()
            drafts = [Draft("transcript.turn", "ann", {"content": f"the alpaca eats {number}"}) for number in range(5)]
            say(memory.loom.commit("work", drafts)[1].event.citation)
            say(str(memory.loom.notary().state.signing_key().verifier))
            memory.loom.commit("play", drafts)
            memory.loom.checkpoint()
            memory.loom.rotate("work")
            memory.loom.checkpoint()
            (self.folder / "proof").write_bytes(memory.loom.prove("work", 2).encode())
            memory.catchup.rebuild()
        (self.folder / "page.md").write_text("# A page\n\nAlpacas eat grass.\n", encoding="utf-8")

    def without_writing(self) -> None:
        """Let this process be one that may not write to the folder: as its owner, to whom permission was not left."""
        for path in [self.folder, *self.folder.rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222)
        if os.geteuid() == 0:  # root may write everywhere
            for path in [self.folder, *self.folder.rglob("*"), self.outside]:
                os.chown(path, NOBODY, NOBODY)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

    def read_only(self) -> None:
        """Let this process see the folder on a read-only file system."""
        enter_namespace()
        mount_read_only(self.folder)

    def writable_again(self) -> None:
        """Undo `without_writing`."""
        for path in [self.folder, *self.folder.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)


@pytest.fixture
def place() -> Iterator[Place]:
    # not below the folders of pytest, which another user may not enter
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as outside:
        Path(folder).chmod(0o755)
        found = Place(Path(folder), Path(outside))
        yield found
        found.writable_again()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def command(words: Sequence[str], place: Place, names: dict[str, str]) -> tuple[int, str]:
    """Run a command of the command line in this process; return its exit code and what it printed."""
    filled = [word.format(**names, folder=place.folder, loom=place.loom, outside=place.outside) for word in words]
    if "replay" not in filled and "check-proof" not in filled:
        filled += ["--eventloom-path", str(place.loom)]
    os.environ["XDG_STATE_HOME"] = str(place.folder / "state")
    before, printed = sys.stdout, io.StringIO()
    sys.stdout = printed
    try:
        cli.main([*filled, "--json"], prog_name="zaxy")
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stdout = before
    assert isinstance(code, int)
    return code, printed.getvalue()


def try_all(place: Place, prepare: Callable[[], None], names: dict[str, str]) -> Callable[[Say], None]:
    """Return work that says of each command what came of it, as JSON: on a copy that may be written, then here."""

    def work(say: Say) -> None:
        copy = Place(place.outside / "copy", place.outside)
        shutil.copytree(place.folder, copy.folder, symlinks=True)
        os.chdir(place.outside)
        for name, words in {**READING, **WRITING}.items():  # another user may not read what is imported now
            code, printed = command(words, copy, names)
            say(json.dumps({"where": "copy", "name": name, "code": code, "printed": printed}))
        prepare()
        for name, words in {**READING, **WRITING}.items():
            code, printed = command(words, place, names)
            say(json.dumps({"where": "here", "name": name, "code": code, "printed": printed}))

    return work


def without_times(printed: str, place: Place) -> str:
    """Return what a command printed without the names of folders."""
    return printed.replace(str(place.outside / "copy"), "").replace(str(place.folder), "")


@pytest.mark.row(7)
@pytest.mark.parametrize("caches", [True, False], ids=["stores kept", "stores gone"])
@pytest.mark.parametrize("means", ["a read-only file system", "no permission to write"])
def test_a_loom_that_may_not_be_written_is_read_by_every_command(
    means: str, caches: bool, place: Place, figure: Figure
) -> None:
    citation, public_key = run(place.made)
    if not caches:
        shutil.rmtree(place.loom / ".zaxy")
        shutil.rmtree(place.loom / "projections")
    before = snapshot(place.folder)
    refusal = why_no_mounts() if means == "a read-only file system" else ""
    prepare = place.read_only if means == "a read-only file system" and not refusal else place.without_writing
    names = {"citation": citation, "other": "eventloom://work/events/3"}
    told = [json.loads(line) for line in run(try_all(place, prepare, {**names, "key": public_key}))]
    assert snapshot(place.folder) == before
    codes = {(answer["where"], answer["name"]): answer["code"] for answer in told}
    wanted = {("copy", name): 0 for name in (*READING, *WRITING)}
    wanted |= {("here", name): 0 for name in READING} | {("here", name): 4 for name in WRITING}
    wrong = [answer for answer in told if answer["code"] != wanted[answer["where"], answer["name"]]]
    assert not wrong, "\n".join(map(str, wrong))
    assert codes == wanted
    refused = [answer for answer in told if answer["code"] == 4]
    assert {json.loads(answer["printed"])["error"]["code"] for answer in refused} == {"write_failed"}, refused
    answers = {(answer["where"], answer["name"]): without_times(answer["printed"], place) for answer in told}
    assert {name: answers["here", name] for name in SAME} == {name: answers["copy", name] for name in SAME}
    instead = f", for which permissions stand in ({refusal})" if refusal else ""
    figure(
        f"{means}{instead}, {'with' if caches else 'without'} stores: {len(READING)} reading commands answer,"
        f" {len(WRITING)} writing ones exit 4, no byte changed"
    )


def commands(group: click.Group, *path: str) -> Iterator[str]:
    for name, found in group.commands.items():
        if isinstance(found, click.Group):
            yield from commands(found, *path, name)
        else:
            yield " ".join([*path, name])


def test_every_command_is_known_to_read_or_to_write() -> None:
    assert sorted(commands(cli)) == sorted([*READING, *WRITING, *ELSEWHERE])
