"""Row 11: attacks on a loom's files, each at every level, and what must not raise an alarm."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from trust_lines import seal
from trust_scale import Figure, Scale

from fault_processes import Say, memory_folder, start
from zaxy.errors import IntegrityError, KeyUnavailableError
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.eventloom.proof.checkpoint import Checkpoint, parse_checkpoint
from zaxy.eventloom.proof.event_proof import check_event_proof
from zaxy.eventloom.proof.notes import Note, SigningKey, VerifierKey, parse_note
from zaxy.eventloom.proof.report import Level, LoomReport
from zaxy.eventloom.proof.witness import WitnessClient, add_log, make_witness_folder, open_witness
from zaxy.interfaces.http.witness import make_app

pytestmark = pytest.mark.row(11)

LEVELS = (Level.CHAIN, Level.PINNED_HEAD, Level.WITNESS)
NEVER = CheckpointPolicy(events=0, seconds=0)
Change = Callable[[dict[str, Any]], object]


# ---- the loom that is attacked


@dataclass(frozen=True)
class Server:
    """A witness that runs: its folder, address and key."""

    folder: Path
    url: str
    key: VerifierKey


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a new witness over HTTP for the length of a ``with`` block."""
    key = make_witness_folder(folder, "witness.example/w1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = make_app(open_witness(folder))
        server = uvicorn.Server(uvicorn.Config(app, http="h11", ws="none", log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Server(folder, f"http://127.0.0.1:{listener.getsockname()[1]}", key)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with memory_folder() as folder, serving(folder / "witness") as running:
        yield running


@dataclass(frozen=True)
class Scene:
    """A loom with a past: closed segments, three checkpoints, the newest one cosigned, and events behind it.

    Attributes:
        root: Holds the loom, the state folder of its user, an older copy of the loom, and another loom.
        server: Its witness.
    """

    root: Path
    server: Server

    @property
    def path(self) -> Path:
        """The loom."""
        return self.root / "loom"

    @property
    def home(self) -> Path:
        """The state folder of all looms of this user."""
        return self.root / "state"

    @property
    def state(self) -> Path:
        """What is known of this loom outside of it."""
        return self.home / str(self.loom().identity())

    def loom(self, name: str = "loom") -> Eventloom:
        """Return the loom as a new process opens it."""
        return Eventloom(self.root / name, state_path=self.home, checkpoints=NEVER)

    def verify(self, level: Level) -> LoomReport:
        """Verify the loom with all that a level rests on."""
        if level is Level.CHAIN:
            return Eventloom(self.path, state_path=self.root / "nowhere", checkpoints=NEVER).verify()
        return self.loom().verify(ask_witnesses=level is Level.WITNESS)

    def found(self) -> tuple[bool, ...]:
        """Return at which levels something is found."""
        return tuple(not self.verify(level).ok for level in LEVELS)

    def codes(self, level: Level) -> set[str]:
        """Return what is found at a level."""
        return {finding.code for finding in self.verify(level).findings}

    # ---- what an attacker does to files

    @property
    def history(self) -> Path:
        """The signed history."""
        return self.path / "checkpoints" / "history.jsonl"

    def heads(self) -> list[dict[str, Any]]:
        """Return the lines of the signed history that are checkpoints."""
        lines = map(json.loads, self.history.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if "cosignatures" not in line]

    def put_heads(self, heads: list[dict[str, Any]]) -> None:
        """Replace the signed history."""
        self.history.write_text("".join(f"{json.dumps(head)}\n" for head in heads), encoding="utf-8")

    def files(self, session_id: str) -> list[Path]:
        """Return the files of a session in their order."""
        return [*sorted((self.path / "archive" / session_id).glob("*.jsonl")), self.path / f"{session_id}.jsonl"]

    def cut(self, session_id: str, events: int) -> None:
        """Cut events off the end of a session's active file."""
        path = self.path / f"{session_id}.jsonl"
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-events]))

    def reseal(self, session_id: str, change: Change, *, first: int = 1) -> None:
        """Change the records of a session from one on, and compute all hashes anew."""
        seq, previous = 0, None
        for path in self.files(session_id):
            lines = []
            for line in path.read_text(encoding="ascii").splitlines():
                seq, record = seq + 1, json.loads(line)
                if seq >= first:
                    change(record)
                record["id"] = f"evt_zaxy_{seq:012d}_{record['id'].rpartition('_')[2]}"
                record = seal(record, previous)
                previous = record["integrity"]["hash"]
                lines.append(json.dumps(record, separators=(",", ":")) + "\n")
            path.write_text("".join(lines), encoding="ascii")


def another_text(record: dict[str, Any]) -> None:
    """Let a record say something else."""
    record["payload"]["text"] = "forged"


def appended(loom: Eventloom, session_id: str, events: int) -> None:
    """Append events to a session."""
    for number in range(events):
        loom.append(session_id, "note.taken", "ann", {"text": f"{session_id} {number}"})


def built(root: Path, server: Server) -> Scene:
    """Make a scene under a folder."""
    scene = Scene(root, server)
    loom = scene.loom()
    loom.ensure_key()
    for session_id in ("plan", "talk", "work"):
        appended(loom, session_id, 3)
    loom.checkpoint()
    for session_id in ("talk", "work"):
        assert loom.rotate(session_id)
        appended(loom, session_id, 3)
    loom.checkpoint()
    shutil.copytree(scene.path, root / "older")
    appended(loom, "work", 2)
    appended(loom, "plan", 4)
    add_log(server.folder, loom.notary().state.signing_key().verifier)
    loom.add_witness(server.url, str(server.key))
    assert [answer.cosigned for answer in loom.cosign(loom.checkpoint().head)] == [True]
    appended(loom, "work", 2)
    appended(loom, "late", 2)
    loom.close()
    other = scene.loom("other")
    other.ensure_key()
    appended(other, "work", 4)
    other.checkpoint()
    other.close()
    return scene


@pytest.fixture
def scene(server: Server) -> Iterator[Scene]:
    with memory_folder() as root:
        made = built(root, server)
        reports = [made.verify(level) for level in LEVELS]
        assert [(report.ok, report.level) for report in reports] == [(True, level) for level in LEVELS]
        yield made


# ---- the eight attacks


def edit_one_payload(scene: Scene) -> None:
    """Change what one event says, in place."""
    path = scene.path / "work.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"work 1"', b'"work 7"', 1))


def cut_the_last_events(scene: Scene) -> None:
    """Cut off a session's last events: those that no checkpoint holds, and one that the newest one does."""
    scene.cut("work", 3)


def rewrite_a_whole_log(scene: Scene) -> None:
    """Let a session say other things from its first event on, with the right hashes."""
    scene.reseal("work", another_text)


def fork_after_an_event(scene: Scene) -> None:
    """Let a session go on differently after some event."""
    scene.reseal("work", another_text, first=6)


def delete_a_session(scene: Scene, session_id: str = "talk", *, wiped: bool = False) -> None:
    """Delete a session's log, with its closed segments; also all that can be made again where it is wiped."""
    (scene.path / f"{session_id}.jsonl").unlink()
    shutil.rmtree(scene.path / "archive" / session_id, ignore_errors=True)
    if wiped:
        shutil.rmtree(scene.path / ".zaxy")


def swap(one: Path, other: Path) -> None:
    """Swap two files or folders."""
    kept = one.with_name("kept")
    one.rename(kept)
    other.rename(one)
    kept.rename(other)


def swap_two_sessions(scene: Scene) -> None:
    """Give two sessions each other's files."""
    swap(scene.path / "talk.jsonl", scene.path / "work.jsonl")
    swap(scene.path / "archive" / "talk", scene.path / "archive" / "work")


def put_an_older_copy_back(scene: Scene) -> None:
    """Replace the whole loom, checkpoints and all, by a copy that was made before the newest checkpoint."""
    shutil.rmtree(scene.path)
    shutil.copytree(scene.root / "older", scene.path)


def rewrite_as_the_holder_of_the_key(scene: Scene, change: Callable[[Scene], object] | None = None) -> None:
    """Rewrite a log, then forget the old history inside and outside the loom, and sign and pin a new one."""
    (change or rewrite_a_whole_log)(scene)
    shutil.rmtree(scene.path / "checkpoints")
    (scene.state / "head.json").unlink()
    (scene.state / "seen").unlink()
    loom = scene.loom()
    assert not loom.checkpoint().problems
    loom.close()


@dataclass(frozen=True)
class Attack:
    """An attack, and at which levels it is found.

    Attributes:
        name: How it is shown.
        act: Does it.
        levels: Whether chains alone, the pinned head, and a witness find it.
        code: What is found with the pinned head; with the witness where the pinned head finds nothing.
    """

    name: str
    act: Callable[[Scene], object]
    levels: tuple[bool, bool, bool]
    code: str


ALL, FROM_PIN, WITNESS_ONLY, NONE = (True,) * 3, (False, True, True), (False, False, True), (False,) * 3
ATTACKS = (
    Attack("edit one payload", edit_one_payload, ALL, "hash_mismatch"),
    Attack("cut the last events", cut_the_last_events, FROM_PIN, "truncated"),
    Attack("rewrite a whole log and hash it anew", rewrite_a_whole_log, FROM_PIN, "rewritten"),
    Attack("fork after some event", fork_after_an_event, FROM_PIN, "rewritten"),
    Attack("delete a session", delete_a_session, FROM_PIN, "session_missing"),
    Attack("swap two sessions", swap_two_sessions, FROM_PIN, "truncated"),
    Attack("put an older copy back", put_an_older_copy_back, FROM_PIN, "truncated"),
    Attack("rewrite all as the key holder", rewrite_as_the_holder_of_the_key, WITNESS_ONLY, "witness_contradicts"),
)


AT_CHECKPOINT = {
    attack.name: attack.name not in ("put an older copy back", "rewrite all as the key holder") for attack in ATTACKS
}
"""What is found with nothing but the loom and its public key."""


def check(attack: Attack, scene: Scene) -> tuple[bool, ...]:
    """Make an attack; return at which levels it was found."""
    attack.act(scene)
    found = scene.found()
    assert found == attack.levels, (attack.name, [scene.codes(level) for level in LEVELS])
    if found[2]:
        assert attack.code in scene.codes(Level.PINNED_HEAD if found[1] else Level.WITNESS)
    return found


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_found_at_the_levels_that_the_table_says(attack: Attack, scene: Scene) -> None:
    check(attack, scene)


def test_all_eight_attacks_are_found_with_a_witness_and_seven_with_the_pinned_head(
    server: Server, figure: Figure
) -> None:
    table, signed = {}, {}
    for attack in ATTACKS:
        with memory_folder() as root:
            scene = built(root, server)
            keys = public_keys(scene.loom())
            table[attack.name] = check(attack, scene)
            elsewhere = Eventloom(scene.path, state_path=root / "nowhere", checkpoints=NEVER)
            signed[attack.name] = not elsewhere.verify(keys=keys).ok
    rows = [f"{name}: {', '.join('found' if each else 'no' for each in found)}" for name, found in table.items()]
    sums = [sum(found[at] for found in table.values()) for at in range(len(LEVELS))]
    counted = ", ".join(f"{level} {count} of {len(table)}" for level, count in zip(LEVELS, sums, strict=True))
    figure(
        f"{counted}, a signature alone {sum(signed.values())} of {len(signed)} ({'; '.join(rows)});"
        f" {len(VARIANTS)} variants, each tested by itself"
    )
    assert sums == [1, 7, 8]
    assert signed == AT_CHECKPOINT


# ---- more cunning ones


def wipe(scene: Scene) -> None:
    """Remove all that can be made again."""
    shutil.rmtree(scene.path / ".zaxy")


def cut_into_the_last_line(scene: Scene) -> None:
    """Let the last acknowledged event look like an unfinished write."""
    path = scene.path / "work.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    wipe(scene)


def cut_and_let_it_grow(scene: Scene, events: int) -> None:
    """Cut off two acknowledged events that no checkpoint holds; the unsuspecting program goes on behind that."""
    scene.cut("work", 2)
    loom = scene.loom()
    appended(loom, "work", events)
    loom.close()


def cut_let_it_grow_and_be_signed(scene: Scene) -> None:
    """The same, and a checkpoint is made before anybody verifies."""
    cut_and_let_it_grow(scene, 5)
    loom = scene.loom()
    loom.checkpoint()
    loom.close()


def extend_and_rewrite(scene: Scene) -> None:
    """Rewrite events that no checkpoint holds, and add some, so that the log is longer than before."""
    loom = Eventloom(scene.path, state_path=scene.root / "attacker", checkpoints=NEVER)
    scene.cut("work", 2)
    appended(loom, "work", 4)
    loom.close()


def put_the_copy_back_that_has_all_checkpoints(scene: Scene) -> None:
    """Put back a copy that was made before the last append only."""
    copy = scene.root / "copy"
    shutil.copytree(scene.path, copy)
    loom = scene.loom()
    appended(loom, "plan", 1)
    loom.close()
    shutil.rmtree(scene.path)
    copy.rename(scene.path)


def put_the_loom_and_the_state_folder_back(scene: Scene) -> None:
    """Put older copies of the loom and of its state folder back, both of the same moment."""
    for folder in (scene.path, scene.home):
        shutil.copytree(folder, scene.root / f"copy of {folder.name}")
    loom = scene.loom()
    appended(loom, "plan", 1)
    loom.cosign(loom.checkpoint().head)
    loom.close()
    for folder in (scene.path, scene.home):
        shutil.rmtree(folder)
        (scene.root / f"copy of {folder.name}").rename(folder)


def change_the_id(scene: Scene, loom_id: str = "0123456789abcdef") -> None:
    """Give the loom another id, of which nothing is known outside."""
    told = json.loads((scene.path / "loom.json").read_text(encoding="utf-8"))
    (scene.path / "loom.json").write_text(json.dumps({**told, "loom_id": loom_id}), encoding="utf-8")


def take_the_id_of_another(scene: Scene) -> None:
    """Give the loom the id of another one of the same user."""
    change_the_id(scene, str(scene.loom("other").identity()))


def put_another_loom_in_its_place(scene: Scene) -> None:
    """Replace the whole loom by another one of the same user, which is sound."""
    shutil.rmtree(scene.path)
    shutil.copytree(scene.root / "other", scene.path)


def remove_the_id(scene: Scene) -> None:
    """Remove the loom's id."""
    (scene.path / "loom.json").unlink()


def remove_id_and_checkpoints_and_let_it_begin_anew(scene: Scene) -> None:
    """Remove what ties the loom to its past; then its user, who is told to, runs ``zaxy init``."""
    rewrite_a_whole_log(scene)
    remove_the_id(scene)
    shutil.rmtree(scene.path / "checkpoints")
    try:
        scene.loom().ensure_key()
    except (KeyUnavailableError, IntegrityError):
        return  # so it is found by whoever tries to begin anew; verification finds it, too
    loom = scene.loom()
    loom.checkpoint()
    loom.close()


def remove_checkpoints(scene: Scene) -> None:
    """Remove the signed history and the tree."""
    shutil.rmtree(scene.path / "checkpoints")


def cut_history(scene: Scene, lines: int) -> None:
    """Cut checkpoints off the end of the history."""
    scene.put_heads(scene.heads()[:-lines])


def cut_history_and_what_it_held(scene: Scene) -> None:
    """Cut the newest checkpoint and the events that only it and nothing before it held."""
    cut_history(scene, 1)
    scene.cut("work", 4)
    scene.cut("plan", 4)


def reorder_history(scene: Scene) -> None:
    """Swap two checkpoints."""
    first, second, *rest = scene.heads()
    scene.put_heads([second, first, *rest])


def reorder_runs(scene: Scene) -> None:
    """Swap two runs of a checkpoint."""
    heads = scene.heads()
    heads[0]["runs"].reverse()
    scene.put_heads(heads)


def move_a_bound(scene: Scene) -> None:
    """Say that an event was taken in by another checkpoint than it was."""
    heads = scene.heads()
    heads[0]["runs"][-1][2] += 1
    heads[1]["runs"][-1][1] += 1
    heads[0]["size"] += 1
    heads[0]["note"] = heads[0]["note"].replace("\n9\n", "\n10\n", 1)
    scene.put_heads(heads)


def change_a_run(scene: Scene, member: int, value: object, *, head: int = 0) -> None:
    """Change one member of the first run of a checkpoint."""
    heads = scene.heads()
    heads[head]["runs"][0][member] = value
    scene.put_heads(heads)


def change_the_time(scene: Scene) -> None:
    """Say that the newest checkpoint was signed at another time; the report shows it."""
    heads = scene.heads()
    heads[-1]["time"] = "2001-01-01T00:00:00.000000Z"
    scene.put_heads(heads)


def replace_a_note(scene: Scene, note: Callable[[Scene, str], str], *, head: int = -1) -> None:
    """Put another signed note in the place of a checkpoint's."""
    heads = scene.heads()
    heads[head]["note"] = note(scene, heads[head]["note"])
    scene.put_heads(heads)


def note_of_another_loom(scene: Scene, note: str) -> str:
    """Return what the other loom of the same user signed."""
    told = json.loads((scene.root / "other" / "checkpoints" / "history.jsonl").read_text(encoding="utf-8"))
    return str(told["note"])


def take_the_history_of_another(scene: Scene) -> None:
    """Put the signed history of another loom of the same user in the place of this one's."""
    shutil.rmtree(scene.path / "checkpoints")
    shutil.copytree(scene.root / "other" / "checkpoints", scene.path / "checkpoints")


def signed_by_the_attacker(scene: Scene, note: str) -> str:
    """Return the note signed by a key that the attacker made."""
    parsed = parse_note(note)
    key = SigningKey.generate(parse_checkpoint(parsed.text).origin)
    return Note(parsed.text, (key.sign(parsed.text),)).encode().decode()


def signature_in_our_name(scene: Scene, note: str) -> str:
    """Return the note with a second signature in the name of the loom's key that does not hold."""
    line = note.splitlines()[-1]
    return note + line[:-8] + "AAAAAAA=\n"


def broken_note(scene: Scene, note: str) -> str:
    """Return what has the form of a head's note and is none."""
    return "\n".join(note.splitlines()[:2]) + "\nno note"


def extend_history(scene: Scene, key: SigningKey) -> None:
    """Add a checkpoint over forged events, signed by a key that the attacker has."""
    size = scene.heads()[-1]["size"]
    loom = Eventloom(scene.path, state_path=scene.root / "attacker", checkpoints=NEVER)
    forged = [loom.append("forged", "note.taken", "eve", {"text": "forged"}) for _ in range(2)]
    loom.close()
    root = bytes(range(32))
    text = Checkpoint(f"zaxy-loom/{scene.loom().identity()}", size + 2, root).text()
    note = Note(text, (key.sign(text),)).encode().decode()
    run_ = ["forged", 1, 2, forged[-1].hash.removeprefix("sha256:"), 0, 0]
    head = {"size": size + 2, "time": "2026-01-01T00:00:00.000000Z", "runs": [run_], "note": note}
    scene.put_heads([*scene.heads(), head])


def extend_history_with_a_retired_key(scene: Scene) -> None:
    """Sign what follows with the key that was in force before, which the attacker got hold of."""
    retired = scene.loom().notary().state.signing_key()
    loom = scene.loom()
    loom.rotate_key("work")
    loom.close()
    extend_history(scene, retired)


def extend_history_with_an_own_key(scene: Scene) -> None:
    """Sign what follows with a key of the attacker's own, named as the loom's key is."""
    extend_history(scene, SigningKey.generate(f"zaxy-loom/{scene.loom().identity()}"))


def add_a_line(scene: Scene, line: object) -> None:
    """Add a line to the history."""
    with scene.history.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def add_a_broken_cosignature(scene: Scene) -> None:
    """Add what is no cosignature to the newest checkpoint."""
    add_a_line(scene, {"size": scene.heads()[-1]["size"], "cosignatures": ["no signature"]})


def swap_segments(scene: Scene) -> None:
    """Swap closed segments of two sessions that have the same name."""
    (talk, *_), (work, *_) = scene.files("talk"), scene.files("work")
    assert talk.name == work.name
    swap(talk, work)


def delete_a_segment(scene: Scene) -> None:
    """Delete a closed segment."""
    scene.files("work")[0].unlink()


def swap_equal_sessions(scene: Scene) -> None:
    """Swap two sessions of which checkpoints hold as many events, one of them with a closed segment."""
    swap(scene.path / "plan.jsonl", scene.path / "talk.jsonl")
    (scene.path / "archive" / "talk").rename(scene.path / "archive" / "plan")


def move_a_session(scene: Scene) -> None:
    """Give a session another name, with all that belongs to it."""
    (scene.path / "plan.jsonl").rename(scene.path / "plan2.jsonl")


def shorter_as_key_holder(scene: Scene) -> None:
    """Sign a shorter log anew."""
    rewrite_as_the_holder_of_the_key(scene, lambda scene: delete_a_session(scene, "plan"))


def longer_as_key_holder(scene: Scene) -> None:
    """Sign a log anew that was rewritten and is longer than what the witness knows."""

    def change(scene: Scene) -> None:
        rewrite_a_whole_log(scene)
        loom = Eventloom(scene.path, state_path=scene.root / "attacker", checkpoints=NEVER)
        appended(loom, "work", 9)
        loom.close()

    rewrite_as_the_holder_of_the_key(scene, change)


def behind_the_last_cosigned_as_key_holder(scene: Scene) -> None:
    """Rewrite only what the witness has not seen, in history, pin and logs."""
    scene.reseal("work", another_text, first=10)
    (scene.state / "seen").unlink()


def rewrite_as_key_holder_and_dismiss_the_witness(scene: Scene) -> None:
    """Rewrite everything and remove the witness from the state folder: no witness is asked any more."""
    rewrite_as_the_holder_of_the_key(scene)
    (scene.state / "witnesses.json").unlink()


def append_a_forged_event(scene: Scene) -> None:
    """Append an event with the right hash and number, as any program that writes logs can."""
    loom = Eventloom(scene.path, state_path=scene.root / "attacker", checkpoints=NEVER)
    loom.append("work", "note.taken", "ann", {"text": "forged"})
    loom.close()


VARIANTS = (
    Attack(
        "edit one payload and hash all that follows anew",
        lambda scene: scene.reseal("work", another_text, first=2),
        FROM_PIN,
        "rewritten",
    ),
    Attack(
        "rewrite an event that no checkpoint holds",
        lambda scene: scene.reseal("work", another_text, first=10),
        FROM_PIN,
        "rewritten",
    ),
    Attack("cut an event that no checkpoint holds", lambda scene: scene.cut("work", 1), FROM_PIN, "truncated"),
    Attack("cut into the last line", cut_into_the_last_line, FROM_PIN, "truncated"),
    Attack("cut, and one append follows", partial(cut_and_let_it_grow, events=1), FROM_PIN, "truncated"),
    Attack("cut, and as many appends follow", partial(cut_and_let_it_grow, events=2), FROM_PIN, "rewritten"),
    Attack("cut, and more appends follow", partial(cut_and_let_it_grow, events=5), FROM_PIN, "rewritten"),
    Attack("cut, more appends and a checkpoint follow", cut_let_it_grow_and_be_signed, FROM_PIN, "rewritten"),
    Attack("rewrite what no checkpoint holds, and add to it", extend_and_rewrite, FROM_PIN, "rewritten"),
    Attack(
        "delete a session that no checkpoint holds",
        partial(delete_a_session, session_id="late"),
        FROM_PIN,
        "session_missing",
    ),
    Attack("delete a session and all caches", partial(delete_a_session, wiped=True), FROM_PIN, "session_missing"),
    Attack("delete the active file only", lambda scene: scene.files("work")[-1].unlink(), FROM_PIN, "truncated"),
    Attack("delete a closed segment", delete_a_segment, ALL, "missing_start"),
    Attack("swap closed segments of two sessions", swap_segments, ALL, "broken_chain"),
    Attack("swap two sessions of the same length", swap_equal_sessions, FROM_PIN, "rewritten"),
    Attack("rename a session", move_a_session, FROM_PIN, "session_missing"),
    Attack("put a copy back with all checkpoints", put_the_copy_back_that_has_all_checkpoints, FROM_PIN, "truncated"),
    Attack(
        "put loom and state folder back", put_the_loom_and_the_state_folder_back, WITNESS_ONLY, "witness_contradicts"
    ),
    Attack("change the loom's id", change_the_id, FROM_PIN, "another_loom"),
    Attack("take the id of another loom", take_the_id_of_another, FROM_PIN, "another_loom"),
    Attack("put another loom in its place", put_another_loom_in_its_place, FROM_PIN, "another_loom"),
    Attack("remove the loom's id", remove_the_id, FROM_PIN, "another_loom"),
    Attack(
        "rewrite, remove id and checkpoints, begin anew",
        remove_id_and_checkpoints_and_let_it_begin_anew,
        FROM_PIN,
        "another_loom",
    ),
    Attack("remove the checkpoints", remove_checkpoints, FROM_PIN, "rolled_back"),
    Attack("cut two checkpoints", partial(cut_history, lines=2), FROM_PIN, "rolled_back"),
    Attack("cut a checkpoint and its events", cut_history_and_what_it_held, FROM_PIN, "truncated"),
    Attack("swap two checkpoints", reorder_history, ALL, "history_damaged"),
    Attack("swap two runs", reorder_runs, FROM_PIN, "rewritten_history"),
    Attack("move the bound between two checkpoints", move_a_bound, FROM_PIN, "rewritten_history"),
    Attack(
        "change the digest of an older run",
        partial(change_a_run, member=3, value="0" * 64, head=1),
        FROM_PIN,
        "rewritten_history",
    ),
    Attack(
        "change the digest of the newest run",
        partial(change_a_run, member=3, value="0" * 64, head=-1),
        FROM_PIN,
        "rewritten_history",
    ),
    Attack(
        "name a session that leads elsewhere",
        partial(change_a_run, member=0, value="../other/work"),
        ALL,
        "history_damaged",
    ),
    Attack(
        "name a session that no file can have", partial(change_a_run, member=0, value="a\0b"), ALL, "history_damaged"
    ),
    Attack("change when the newest was signed", change_the_time, FROM_PIN, "rewritten_history"),
    Attack("a note of another loom", partial(replace_a_note, note=note_of_another_loom), ALL, "history_damaged"),
    Attack("the history of another loom", take_the_history_of_another, FROM_PIN, "rolled_back"),
    Attack(
        "a note signed by the attacker", partial(replace_a_note, note=signed_by_the_attacker), FROM_PIN, "bad_signature"
    ),
    Attack(
        "a bad signature in the key's name",
        partial(replace_a_note, note=signature_in_our_name),
        FROM_PIN,
        "bad_signature",
    ),
    Attack("a note that is none", partial(replace_a_note, note=broken_note), ALL, "history_damaged"),
    Attack("a cosignature that is none", add_a_broken_cosignature, ALL, "history_damaged"),
    Attack("a line that is none", partial(add_a_line, line=[1]), ALL, "history_damaged"),
    Attack("go on with a retired key", extend_history_with_a_retired_key, FROM_PIN, "bad_signature"),
    Attack("go on with a key of the attacker's own", extend_history_with_an_own_key, FROM_PIN, "bad_signature"),
    Attack("sign a shorter loom as the key holder", shorter_as_key_holder, WITNESS_ONLY, "witness_contradicts"),
    Attack("sign a longer loom as the key holder", longer_as_key_holder, WITNESS_ONLY, "witness_contradicts"),
    Attack(
        "rewrite behind the last cosigned checkpoint, as the key holder",
        behind_the_last_cosigned_as_key_holder,
        NONE,
        "",
    ),
    Attack("rewrite as the key holder, and ask no witness", rewrite_as_key_holder_and_dismiss_the_witness, NONE, ""),
    Attack("append a forged event with the right hash", append_a_forged_event, NONE, ""),
)


@pytest.mark.parametrize("attack", VARIANTS, ids=lambda attack: attack.name)
def test_a_variant_is_found_at_the_levels_that_the_table_says(attack: Attack, scene: Scene) -> None:
    check(attack, scene)


def test_a_history_cannot_lead_verification_out_of_the_loom(scene: Scene) -> None:
    outside = scene.root / "outside.jsonl"
    outside.write_bytes((scene.path / "plan.jsonl").read_bytes().replace(b"plan", b"palm", 1))
    before = sorted(scene.root.iterdir())
    change_a_run(scene, 0, "../outside")
    assert scene.found() == ALL
    assert sorted(scene.root.iterdir()) == before


# ---- what is no attack


def remove_the_tree(scene: Scene) -> None:
    """Remove the tree's files: they can be made again from the logs."""
    shutil.rmtree(scene.path / "checkpoints" / "tree")


def sign_more_and_remove_the_tree(scene: Scene) -> None:
    """Make a checkpoint that the witness has not seen, and remove the tree's files."""
    loom = scene.loom()
    loom.checkpoint()
    loom.close()
    remove_the_tree(scene)


def change_the_tree(scene: Scene) -> None:
    """Change one hash in the tree's files."""
    path = scene.path / "checkpoints" / "tree" / "0"
    data = bytearray(path.read_bytes())
    data[3 * 32] ^= 1
    path.write_bytes(data)


def cut_the_tree(scene: Scene) -> None:
    """Cut the tree's files."""
    path = scene.path / "checkpoints" / "tree" / "0"
    path.write_bytes(path.read_bytes()[:100])


def tear_the_history(scene: Scene) -> None:
    """Let the history end in a part of a line."""
    with scene.history.open("ab") as file:
        file.write(scene.history.read_bytes().splitlines()[0][:40])


def add_a_signature(scene: Scene) -> None:
    """Add a signature of a key that nobody knows to the newest checkpoint; all others still hold."""
    text = parse_note(scene.heads()[-1]["note"]).text
    add_a_line(scene, {"size": scene.heads()[-1]["size"], "cosignatures": [SigningKey.generate("eve").sign(text).line]})


def lay_files_beside(scene: Scene) -> None:
    """Put files into the loom that are no logs."""
    (scene.path / "notes.txt").write_text("mine", encoding="utf-8")
    (scene.path / "empty.jsonl").touch()


def close_files(scene: Scene) -> None:
    """Close the active files of all sessions."""
    loom = scene.loom()
    for session_id in ("plan", "talk", "work", "late"):
        assert loom.rotate(session_id)
    loom.close()


def rotate_the_key(scene: Scene) -> None:
    """Put a new key in force, and tell the witness of it."""
    loom = scene.loom()
    add_log(scene.server.folder, VerifierKey.parse(loom.rotate_key("talk").new_key))
    loom.close()


def tear_a_tail(scene: Scene) -> None:
    """Leave a part of a line at a log's end, as a crash does in an append that was never acknowledged."""
    with (scene.path / "work.jsonl").open("ab") as file:
        file.write(b'{"id":"evt_zaxy_000000000012_')


def put_an_older_state_back(scene: Scene) -> None:
    """Put a copy of the state folder back that knows of no checkpoint behind the newest one then."""
    copy = scene.root / "copy"
    shutil.copytree(scene.home, copy)
    for _ in range(2):
        loom = scene.loom()
        appended(loom, "work", 1)
        loom.checkpoint()
        loom.close()
    shutil.rmtree(scene.home)
    copy.rename(scene.home)


def lose_the_pinned_head(scene: Scene) -> None:
    """Lose what is known of checkpoints outside the loom, but not the keys."""
    (scene.state / "head.json").unlink()
    (scene.state / "seen").unlink()
    scene.loom().checkpoint()


ORDINARY: Mapping[str, Callable[[Scene], object]] = {
    "all caches are removed": wipe,
    "the tree is removed": remove_the_tree,
    "the tree is removed and the witness is behind": sign_more_and_remove_the_tree,
    "the tree is changed": change_the_tree,
    "the tree is cut": cut_the_tree,
    "the newest line of the history is cut": partial(cut_history, lines=1),
    "the history ends in a part of a line": tear_the_history,
    "an unknown key signs, too": add_a_signature,
    "other files lie in the loom": lay_files_beside,
    "files are closed": close_files,
    "the key is rotated": rotate_the_key,
    "a tail is torn": tear_a_tail,
    "an older state folder is put back": put_an_older_state_back,
    "the pinned head is lost": lose_the_pinned_head,
}


@pytest.mark.parametrize("act", ORDINARY.values(), ids=ORDINARY)
def test_what_harms_nothing_raises_no_alarm_and_the_loom_goes_on(act: Callable[[Scene], object], scene: Scene) -> None:
    act(scene)
    assert [scene.codes(level) for level in LEVELS] == [set(), set(), set()]
    prove_all(scene.loom())
    assert [scene.codes(level) for level in LEVELS] == [set(), set(), set()]
    loom = scene.loom()
    appended(loom, "work", 1)
    assert [answer.message for answer in loom.cosign(loom.checkpoint().head)] == [""]
    loom.close()
    prove_all(scene.loom())
    reports = [scene.verify(level) for level in LEVELS]
    assert [(report.ok, report.level) for report in reports] == [(True, level) for level in LEVELS]


def public_keys(loom: Eventloom) -> list[VerifierKey]:
    """Return the public keys of a loom."""
    listed = loom.notary().state.keys()
    return [trusted.verifier for trusted in listed]


def prove_all(loom: Eventloom) -> None:
    """Prove every event, and check every proof without the loom."""
    keys = public_keys(loom)
    for session_id, status in loom.stats().items():
        for event in loom.log(session_id).replay() if status.size or not status.inode else ():
            proven = check_event_proof(loom.prove(session_id, event.seq), keys)
            assert proven.event.citation == event.citation
    loom.close()


def test_a_witness_may_be_asked_again_and_again(scene: Scene) -> None:
    loom = scene.loom()
    for _ in range(101):
        assert [answer.cosigned for answer in loom.cosign(loom.checkpoint().head)] == [True]
    loom.close()
    assert [scene.codes(level) for level in LEVELS] == [set(), set(), set()]


def test_a_loom_may_be_moved(scene: Scene) -> None:
    scene.path.rename(scene.root / "moved")
    loom = scene.loom("moved")
    assert (loom.verify().ok, loom.verify().level) == (True, Level.WITNESS)
    appended(loom, "work", 1)
    loom.checkpoint()
    loom.close()
    assert (loom.verify().ok, loom.verify().level) == (True, Level.WITNESS)
    loom.ensure_key()
    loom.path.rename(scene.path)
    assert [scene.codes(level) for level in LEVELS] == [set(), set(), set()]


def test_elsewhere_chains_are_all_there_is_until_a_public_key_is_named(scene: Scene) -> None:
    keys = public_keys(scene.loom())
    elsewhere = Eventloom(scene.path, state_path=scene.root / "another machine", checkpoints=NEVER)
    told = elsewhere.verify()
    assert (told.ok, told.level, told.checkpointed_events) == (True, Level.CHAIN, 0)
    assert any("no key to check them with" in note for note in told.notes)
    signed = elsewhere.verify(keys=keys)
    assert (signed.ok, signed.level, signed.checkpointed_events) == (True, Level.CHECKPOINT, 23)
    stranger = elsewhere.verify(keys=[SigningKey.generate(keys[0].name).verifier])
    assert [finding.code for finding in stranger.findings] == ["bad_signature"]


def busy(root: Path, rounds: int) -> Callable[[Say], None]:
    """Return a process that does all that a loom's owner may do."""

    def work(say: Say) -> None:
        loom = Eventloom(root / "loom", state_path=root / "state", checkpoints=NEVER)
        say("begins")
        for number in range(rounds):
            appended(loom, f"session-{number % 3}", 1 + number % 4)
            if number % 2:
                loom.checkpoint()
            if number % 5 == 4:
                loom.rotate(f"session-{number % 3}")
            if number % 9 == 8:
                loom.rotate_key("keys")
        loom.close()

    return work


def test_verification_raises_no_alarm_while_another_process_writes_signs_and_rotates(
    figure: Figure, scale: Scale
) -> None:
    rounds = scale.pick(sample=40, full=500)
    with memory_folder() as root:
        Eventloom(root / "loom", state_path=root / "state", checkpoints=NEVER).ensure_key()
        child = start(busy(root, rounds))
        child.hear("begins")
        reports: list[LoomReport] = []
        while not reports or os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            reports.append(Eventloom(root / "loom", state_path=root / "state", checkpoints=NEVER).verify())
        code, _ = child.finish()
        last = Eventloom(root / "loom", state_path=root / "state", checkpoints=NEVER).verify()
    assert code == 0
    assert [finding for report in reports for finding in report.findings] == []
    assert last.ok
    assert last.level is Level.PINNED_HEAD
    figure(f"{len(reports)} verifications beside {rounds} rounds of appends, checkpoints and rotations: 0 false alarms")


def test_a_witness_tells_whoever_asks_what_the_key_holder_hides(scene: Scene) -> None:
    before = scene.loom().notary().note_at(None)
    rewrite_as_key_holder_and_dismiss_the_witness(scene)
    hidden = scene.verify(Level.WITNESS)
    assert (hidden.ok, hidden.level) == (True, Level.PINNED_HEAD)  # the level that fell is all that verification says
    key = scene.loom().notary().state.signing_key().verifier
    known = WitnessClient(scene.server.url, timeout_seconds=30).latest(key.name, [key, scene.server.key])
    assert known is not None
    assert known.text == before.text != scene.loom().notary().note_at(None).text
