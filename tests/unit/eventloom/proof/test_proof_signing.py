"""Making checkpoints: all that is good is signed, once, in one order, and no two signed heads ever contradict."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from proof_looms import HandClock, Place, add, fill, new_place, some_head, some_run

from fault_processes import Say, start
from zaxy.errors import IntegrityError, InvalidInputError, KeyUnavailableError, WriteFailedError
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.proof import signing
from zaxy.eventloom.proof.event_proof import check_event_proof, parse_event_proof
from zaxy.eventloom.proof.history import History, SignedHead
from zaxy.eventloom.proof.merkle import EMPTY_ROOT, MemoryTree, leaf_hash, tree_root
from zaxy.eventloom.proof.notes import SigningKey
from zaxy.eventloom.proof.state import LoomState
from zaxy.eventloom.proof.tree import TreeFiles

GOLDEN = Path(__file__).parents[3] / "golden" / "logs"
FOREIGN = ("foreign_id", "foreign_id_mid")
"""Logs with events of which another program made the ids."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def heads(place: Place) -> list[SignedHead]:
    history = History(place.loom / "checkpoints")
    history.refresh()
    return history.heads


def lines_of(place: Place, session_id: str) -> list[bytes]:
    return place.log(session_id).read_bytes().splitlines()


def ranges(head: SignedHead) -> list[tuple[str, int, int]]:
    return [(run.session_id, run.first_seq, run.last_seq) for run in head.runs]


def damage(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes of a log as a program that writes a new file does."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def test_a_checkpoint_takes_in_every_session_and_the_next_one_only_what_is_new(place: Place) -> None:
    loom = place.open()
    add(loom, "b", 2)
    add(loom, "a", 3)
    first = loom.checkpoint()
    assert (first.new_events, first.problems, ranges(first.head)) == (5, (), [("a", 1, 3), ("b", 1, 2)])
    add(loom, "b", 4)
    add(loom, "c", 1)
    second = loom.checkpoint()
    assert (second.new_events, second.head.size) == (5, 10)
    assert ranges(second.head) == [("b", 3, 6), ("c", 1, 1)]
    assert heads(place) == [first.head, second.head]
    assert place.state.pinned() == second.head


def test_the_root_is_over_the_raw_lines_in_the_order_of_the_runs(place: Place) -> None:
    fill(place, a=3, b=2)
    fill(place, a=2)
    tree = MemoryTree()
    a, b = lines_of(place, "a"), lines_of(place, "b")
    for line in [*a[:3], *b, *a[3:]]:
        tree.append(leaf_hash(line))
    last = heads(place)[-1].checkpoint
    assert (last.size, last.root) == (7, tree_root(tree, 7))
    assert last.origin == place.state.origin
    assert last.extensions == ()


def test_a_checkpoint_says_when_it_was_made_and_by_which_key(place: Place) -> None:
    loom = place.open(clock=HandClock("2026-05-08T10:00:00Z"))
    add(loom, "work")
    head = loom.checkpoint().head
    assert head.time == "2026-05-08T10:00:00.000000Z"
    assert head.note.signed_by(place.state.signing_key().verifier)
    assert len(head.note.signatures) == 1


def test_when_nothing_is_new_the_checkpoint_is_the_one_from_before(place: Place) -> None:
    fill(place, work=3)
    before = place.history.read_bytes()
    for loom in (place.open(), place.open()):
        done = loom.checkpoint()
        assert (done.new_events, done.head.size, done.problems) == (0, 3, ())
    assert place.history.read_bytes() == before


def test_a_loom_without_events_has_the_empty_checkpoint(place: Place) -> None:
    loom = place.open()
    done = loom.checkpoint()
    assert (done.head.size, done.new_events, done.head.checkpoint.root) == (0, 0, EMPTY_ROOT)
    assert loom.verify().findings == ()
    add(loom, "work", 2)
    assert loom.checkpoint().head.size == 2
    assert loom.verify().findings == ()


def test_a_loom_without_a_key_is_not_signed(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path / ".eventloom", state_path=tmp_path / "state")
    add(loom, "work")
    for ask in (loom.checkpoint, partial(loom.prove, "work", 1), partial(loom.rotate_key, "work")):
        with pytest.raises(KeyUnavailableError, match="no signing key") as refused:
            ask()
        assert "zaxy init" in refused.value.remedy
    loom.ensure_identity()
    with pytest.raises(KeyUnavailableError, match=r"signing\.key") as refused:
        loom.checkpoint()
    assert "zaxy init" in refused.value.remedy
    assert not (tmp_path / ".eventloom" / "checkpoints").exists()


def test_a_damaged_session_keeps_no_other_from_being_signed_and_its_good_part_is_signed_too(place: Place) -> None:
    loom = place.open()
    for session_id in ("a", "b", "c"):
        add(loom, session_id, 5)
    damage(place.log("b"), b'"n":3', b'"n":9')
    done = place.open().checkpoint()
    assert ranges(done.head) == [("a", 1, 5), ("b", 1, 3), ("c", 1, 5)]
    (problem,) = done.problems
    assert problem.session_id == "b"
    assert "4" in problem.message
    again = place.open().checkpoint()
    assert (again.new_events, again.problems) == (0, done.problems)


def test_damage_behind_what_was_signed_before_is_a_problem_of_its_session_alone(place: Place) -> None:
    fill(place, a=3, b=3)
    add(place.open(), "a", 2)
    add(place.open(), "b", 2)
    damage(place.log("a"), b'"n":1,', b'"n":8,')  # the first of two: event 2
    damage(place.log("b"), b'"n":2,', b'"n":8,')
    place.log("c").write_bytes(b"no log at all\n")
    done = place.open().checkpoint()
    assert ranges(done.head) == [("a", 4, 5)]
    assert [problem.session_id for problem in done.problems] == ["b"], "its last signed event is another one"
    report = place.open().verify()
    assert [(each.code, each.session_id, each.seq) for each in report.findings] == [
        ("hash_mismatch", "a", 2),
        ("hash_mismatch", "b", 3),
    ]


def cut_to(path: Path, lines: int) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("attack", [partial(cut_to, lines=2), partial(cut_to, lines=0), remove])
def test_a_session_that_lost_signed_events_is_told_and_the_others_are_signed(
    attack: Callable[[Path], None], place: Place
) -> None:
    fill(place, a=3, b=3)
    add(place.open(), "b", 2)
    attack(place.log("a"))
    done = place.open().checkpoint()
    assert [problem.session_id for problem in done.problems] == ["a"]
    assert ranges(done.head) == [("b", 4, 5)]
    assert done.head.size == 8
    assert not place.open().verify().ok


def test_a_session_that_was_cut_and_written_again_is_not_signed_as_its_continuation(place: Place) -> None:
    fill(place, a=5)
    cut_to(place.log("a"), 2)
    shutil.rmtree(place.loom / ".zaxy")
    add(place.open(), "a", 6)
    done = place.open().checkpoint()
    assert (done.new_events, [problem.session_id for problem in done.problems]) == (0, ["a"])
    finding = place.open().verify().findings[0]
    assert (finding.code, finding.session_id, finding.seq) == ("rewritten", "a", 3)


def test_a_session_whose_file_name_is_not_text_is_told_and_the_others_are_signed(place: Place) -> None:
    loom = place.open()
    add(loom, "work", 2)
    name = os.fsdecode(b"caf\xe9")
    shutil.copyfile(GOLDEN / "v1.jsonl", place.log(name))
    done = loom.checkpoint()
    assert [problem.session_id for problem in done.problems] == [name]
    assert done.head.size == 2
    done.head.signed.encode("utf-8")
    report = loom.verify()
    assert {session.session_id for session in report.sessions} == {"work", name}
    assert report.level == "pinned head"


@pytest.mark.parametrize("content", [b"", b"\n", b"no log\n", b"{}\n", b'{"id":"evt_'])
def test_a_file_that_is_no_log_is_no_session(content: bytes, place: Place) -> None:
    loom = place.open()
    add(loom, "work", 2)
    place.log("other").write_bytes(content)
    done = loom.checkpoint()
    assert (done.problems, ranges(done.head)) == ((), [("work", 1, 2)])
    assert loom.verify().findings == ()


def test_a_torn_last_line_is_not_signed_and_no_problem(place: Place) -> None:
    loom = place.open()
    add(loom, "work", 2)
    loom.close()
    with place.log("work").open("ab") as file:
        file.write(b'{"id":"evt_zaxy')
    done = place.open().checkpoint()
    assert (done.problems, ranges(done.head)) == ((), [("work", 1, 2)])
    add(place.open(), "work")
    done = place.open().checkpoint()
    assert ranges(done.head) == [("work", 3, 4)]  # log.recovered, and the event
    assert place.open().verify().findings == ()


def test_a_session_goes_on_across_rotations(place: Place) -> None:
    loom = place.open()
    for step in range(4):
        add(loom, "work", 3)
        if step != 2:
            loom.rotate("work")  # which appends an event of its own
        loom.checkpoint()
    assert [ranges(head) for head in heads(place)] == [
        [("work", first, last)] for first, last in ((1, 4), (5, 8), (9, 11), (12, 15))
    ]
    assert loom.verify().findings == ()
    for seq in range(1, 16):
        assert loom.prove("work", seq).index == seq - 1


def test_several_segments_that_are_new_are_one_run(place: Place) -> None:
    loom = place.open()
    for _ in range(3):
        add(loom, "work", 2)
        loom.rotate("work")
    done = loom.checkpoint()
    assert ranges(done.head) == [("work", 1, 9)]
    assert loom.verify().findings == ()


def test_a_folder_in_the_archive_that_holds_nothing_is_no_session(place: Place) -> None:
    (place.loom / "archive" / "empty").mkdir(parents=True)
    loom = place.open()
    add(loom, "work")
    done = loom.checkpoint()
    assert (done.problems, ranges(done.head)) == ((), [("work", 1, 1)])
    assert loom.verify().findings == ()


def test_logs_of_older_programs_are_signed_proved_and_verified(place: Place) -> None:
    for path in GOLDEN.glob("*.jsonl"):
        shutil.copyfile(path, place.log(path.stem))
    loom = place.open()
    counts = {path.stem: len(path.read_bytes().splitlines()) for path in GOLDEN.glob("*.jsonl")}
    done = loom.checkpoint()
    assert done.problems == ()
    assert ranges(done.head) == [(name, 1, count) for name, count in sorted(counts.items())]
    report = loom.verify()
    assert (report.findings, report.level, report.checkpointed_events) == ((), "pinned head", sum(counts.values()))
    key = place.state.signing_key().verifier
    for name, count in counts.items():
        for seq in range(1, count + 1):
            if name not in FOREIGN:
                proof = loom.prove(name, seq)
                assert proof.line == lines_of(place, name)[seq - 1]
                assert check_event_proof(parse_event_proof(proof.encode()), [key]).event.seq == seq


def test_an_event_whose_id_does_not_say_its_number_gets_no_proof_that_nobody_can_check(place: Place) -> None:
    for name in FOREIGN:
        shutil.copyfile(GOLDEN / f"{name}.jsonl", place.log(name))
    loom = place.open()
    key = place.state.signing_key().verifier
    for name in FOREIGN:
        for seq in range(1, len(lines_of(place, name)) + 1):
            try:
                proof = loom.prove(name, seq)
            except InvalidInputError:
                continue
            assert check_event_proof(proof, [key]).event.seq == seq


@pytest.mark.parametrize("lost", ["tree", "tree/0", "tree/1"])
def test_files_of_the_tree_that_are_gone_are_made_again_from_the_logs(lost: str, place: Place) -> None:
    loom = place.open()
    loom.log("work").append_many([{"event_type": "note.taken", "actor": "ann"}] * 300)
    loom.checkpoint()
    add(loom, "work")
    gone = place.loom / "checkpoints" / lost
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert loom.verify().findings == ()
    assert place.open().checkpoint().head.size == 301
    tree = TreeFiles(place.loom / "checkpoints" / "tree")
    for leaf, line in enumerate(lines_of(place, "work")):
        assert tree.read(0, leaf, 1)[0] == leaf_hash(line)
    assert loom.verify().findings == ()


def test_without_the_tree_a_rewritten_log_is_not_taken_for_the_signed_one(place: Place) -> None:
    fill(place, work=3)
    rewrite(place, "work")
    shutil.rmtree(place.loom / "checkpoints" / "tree")
    add(place.open(), "other")
    with pytest.raises(IntegrityError, match="root of the checkpoint of size 3") as refused:
        place.open().checkpoint()
    assert "zaxy log verify" in refused.value.remedy
    assert len(heads(place)) == 1


def rewrite(place: Place, session_id: str) -> None:
    """Put a whole other chain of as many events in the place of a session's."""
    count = len(lines_of(place, session_id))
    other = Eventloom(place.loom.with_name("forged"))
    for _ in range(count):
        other.append(session_id, "note.taken", "mallory")
    shutil.copyfile(other.path / f"{session_id}.jsonl", place.log(session_id))
    shutil.rmtree(place.loom / ".zaxy", ignore_errors=True)


@pytest.mark.parametrize("keep", [0, 1])
def test_for_an_older_copy_of_the_history_nothing_is_signed(keep: int, place: Place) -> None:
    for count in (2, 3, 4):
        fill(place, work=count)
    cut_to(place.history, keep)
    add(place.open(), "work")
    with pytest.raises(IntegrityError, match="nothing is signed") as refused:
        place.open().checkpoint()
    assert "zaxy log verify" in refused.value.remedy
    assert len(place.history.read_bytes().splitlines()) == keep


def test_for_a_history_with_other_checkpoints_nothing_is_signed(place: Place) -> None:
    fill(place, work=3)
    head = some_head(0, [some_run("work", 1, 3)], place.state.signing_key())
    place.history.unlink()
    History(place.loom / "checkpoints").append(head)
    add(place.open(), "work")
    with pytest.raises(IntegrityError, match="nothing is signed"):
        place.open().checkpoint()


def test_a_checkpoint_that_no_key_of_the_loom_signed_is_not_built_on(place: Place) -> None:
    fill(place, work=3)
    forged = some_head(3, [some_run("work", 4, 9)], SigningKey.generate(place.state.origin))
    history = History(place.loom / "checkpoints")
    history.refresh()
    history.append(forged)
    with pytest.raises(IntegrityError, match="not signed by a key of this loom"):
        place.open().checkpoint()
    pinned = place.state.pinned()
    assert pinned is not None
    assert pinned.size == 3


def test_a_state_folder_that_is_an_older_copy_catches_up_with_what_it_signed(place: Place) -> None:
    fill(place, work=3)
    old = place.state.pinned()
    fill(place, work=2)
    assert old is not None
    place.state.pin(old)
    assert place.open().checkpoint().new_events == 0
    assert place.state.pinned() == heads(place)[-1]


class Stop(BaseException):
    """Ends a checkpoint in the middle, as a kill does."""


def stop(*_: Any, **__: Any) -> Any:
    raise Stop


STEPS: dict[str, tuple[Any, str]] = {
    "before the tree": (TreeFiles, "extend"),
    "before the head is pinned": (LoomState, "pin"),
    "before the head is published": (History, "append"),
    "before the seen file is trimmed": (signing, "keep_seen"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("then", ["nothing", "append", "append elsewhere"])
def test_a_checkpoint_that_a_crash_ended_is_finished_by_the_next_one(
    step: str, then: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(place, a=3)
    add(place.open(), "a", 2)
    with monkeypatch.context() as patch:
        patch.setattr(*STEPS[step], stop)
        with pytest.raises(Stop):
            place.open().checkpoint()
    assert place.open().verify().findings == ()
    pinned = place.state.pinned()
    if then != "nothing":
        add(place.open(), "a" if then == "append" else "b", 4)
    head = place.open().checkpoint().head
    assert head.size == 5 + (4 if then != "nothing" else 0)
    assert place.open().verify().findings == ()
    assert pinned in heads(place), "what was pinned is part of the history"
    tree = TreeFiles(place.loom / "checkpoints" / "tree")
    assert [tree_root(tree, each.size) for each in heads(place)] == [each.checkpoint.root for each in heads(place)]


def test_a_checkpoint_that_cannot_be_pinned_is_not_published(place: Place) -> None:
    fill(place, a=3)
    add(place.open(), "a", 2)
    head_file = place.state.folder / "head.json"
    kept = head_file.read_bytes()
    head_file.unlink()
    head_file.mkdir()
    with pytest.raises((WriteFailedError, IntegrityError, OSError)):
        place.open().checkpoint()
    assert len(heads(place)) == 1
    head_file.rmdir()
    head_file.write_bytes(kept)
    assert place.open().checkpoint().head.size == 5


def test_processes_that_append_and_sign_at_once_make_one_history(place: Place) -> None:
    def work(number: int, say: Say) -> None:
        loom = place.open()
        for _ in range(8):
            add(loom, f"session-{number}", 3)
            add(loom, "shared", 1)
            say(str(loom.checkpoint().head.size))
        loom.close()

    children = [start(partial(work, number)) for number in range(3)]
    assert [child.finish()[0] for child in children] == [0, 0, 0]
    loom = place.open()
    assert loom.checkpoint().head.size == 3 * 8 * 4
    report = loom.verify()
    assert (report.findings, report.level, report.total_events) == ((), "pinned head", 96)
    sizes = [head.size for head in heads(place)]
    assert sizes == sorted(set(sizes))


def test_a_process_that_is_killed_while_it_signs_leaves_a_sound_loom(place: Place) -> None:
    def work(say: Say) -> None:
        loom = place.open()
        while True:
            add(loom, "work", 1)
            loom.checkpoint()
            say("done")

    for _ in range(8):
        child = start(work)
        child.hear("done")
        child.kill()
        assert place.open().verify().findings == ()
    place.open().checkpoint()
    report = place.open().verify()
    assert report.findings == ()
    assert report.checkpointed_events == report.total_events
