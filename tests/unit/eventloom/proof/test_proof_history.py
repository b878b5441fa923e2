"""The signed history: what is appended is read back, an unfinished line never counts, and every event has one leaf."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proof_looms import KEY, signed_again, some_head, some_run

from zaxy.errors import BadProofError, IntegrityError
from zaxy.eventloom.proof.custody import Standing, compare
from zaxy.eventloom.proof.history import HISTORY_NAME, History, SignedHead
from zaxy.eventloom.proof.notes import COSIGNATURE, SigningKey

WITNESS = SigningKey.generate("witness.example", COSIGNATURE)


def heads_of(*steps: dict[str, int]) -> list[SignedHead]:
    """Checkpoints that took in so many more events of each session, step by step."""
    heads: list[SignedHead] = []
    last: dict[str, int] = {}
    for step in steps:
        runs = [some_run(name, last.get(name, 0) + 1, last.get(name, 0) + count) for name, count in step.items()]
        last.update({run.session_id: run.last_seq for run in runs})
        last_head = heads[-1] if heads else None
        heads.append(some_head(last_head.size if last_head else 0, runs, follows=last_head))
    return heads


HEADS = heads_of({"a": 3, "b": 1}, {"b": 4}, {"a": 2, "c": 5})


def written(folder: Path, heads: list[SignedHead]) -> History:
    history = History(folder)
    for head in heads:
        history.append(head)
    return history


def read(folder: Path) -> History:
    history = History(folder)
    history.refresh()
    return history


def test_a_loom_without_checkpoints_has_an_empty_history(tmp_path: Path) -> None:
    history = read(tmp_path / "checkpoints")
    assert (history.size, history.last, history.sessions(), list(history.leaves())) == (0, None, {}, [])
    assert history.leaf("a", 1) is None
    assert history.at(0) is None
    assert not (tmp_path / "checkpoints").exists()


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    history = written(tmp_path, HEADS)
    assert history.heads == read(tmp_path).heads == HEADS
    assert read(tmp_path).size == 15
    assert {name: run.last_seq for name, run in read(tmp_path).sessions().items()} == {"a": 5, "b": 5, "c": 5}
    assert [line.count(b"\n") for line in (tmp_path / HISTORY_NAME).read_bytes().splitlines(keepends=True)] == [1, 1, 1]


def test_a_reader_takes_in_what_others_append(tmp_path: Path) -> None:
    reader = read(tmp_path)
    writer = History(tmp_path)
    for number, head in enumerate(HEADS, 1):
        writer.append(head)
        reader.refresh()
        assert reader.heads == HEADS[:number]
        reader.refresh()
        assert reader.heads == HEADS[:number]


def test_the_checkpoint_of_a_size_is_found_and_no_other(tmp_path: Path) -> None:
    history = written(tmp_path, HEADS)
    assert [history.at(size) for size in (4, 8, 15)] == HEADS
    assert [history.at(size) for size in (-1, 0, 1, 3, 5, 14, 16, 1_000)] == [None] * 8


@given(
    steps=st.lists(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 5), min_size=1, max_size=4), max_size=12)
)
def test_leaf_event_and_covering_are_inverse_to_each_other(
    steps: list[dict[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    history = History(tmp_path_factory.getbasetemp() / "never written")
    heads = heads_of(*steps)
    for head in heads:
        history.admit(head)
    events = [history.event(leaf) for leaf in range(history.size)]
    assert [history.leaf(*event) for event in events] == list(range(history.size))
    assert len(set(events)) == history.size
    for name, run in history.sessions().items():
        assert [seq for session_id, seq in events if session_id == name] == list(range(1, run.last_seq + 1))
        assert history.leaf(name, 0) is None
        assert history.leaf(name, run.last_seq + 1) is None
    for leaf in range(history.size):
        covering = history.covering(leaf)
        assert covering.first_leaf <= leaf < covering.size
    pieces = list(history.leaves())
    assert [piece.leaf for piece in pieces] == [history.leaf(p.run.session_id, p.run.first_seq) for p in pieces]
    assert sorted(pieces, key=lambda piece: piece.leaf) == pieces
    assert {name: [piece.run for piece in history.pieces(name)] for name in history.sessions()} == {
        name: [run for head in heads for run in head.runs if run.session_id == name] for name in history.sessions()
    }


@pytest.mark.parametrize("kept", [1, 10, 50, -1])
def test_an_unfinished_last_line_does_not_count_and_is_written_over(kept: int, tmp_path: Path) -> None:
    written(tmp_path, HEADS[:2])
    path = tmp_path / HISTORY_NAME
    whole = path.read_bytes()
    line = json.dumps(HEADS[2].members()).encode() + b"\n"
    path.write_bytes(whole + line[:kept])
    history = read(tmp_path)
    assert history.heads == HEADS[:2]
    history.append(HEADS[2])
    assert read(tmp_path).heads == HEADS


def test_a_first_line_that_is_unfinished_makes_an_empty_history(tmp_path: Path) -> None:
    (tmp_path / HISTORY_NAME).write_bytes(b'{"size":4')
    history = read(tmp_path)
    assert history.last is None
    history.append(HEADS[0])
    assert read(tmp_path).heads == HEADS[:1]


def test_a_last_line_that_a_power_loss_left_with_zeros_in_it_does_not_count(tmp_path: Path) -> None:
    many = {f"session-{number:03}": 1 for number in range(200)}
    heads = heads_of({"a": 1}, many)
    written(tmp_path, heads)
    path = tmp_path / HISTORY_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines[1]) > 3 * 4_096
    path.write_bytes(lines[0] + bytes(4_096) + lines[1][4_096:])
    history = read(tmp_path)
    assert history.heads == heads[:1]
    history.append(heads[1])
    assert read(tmp_path).heads == heads


BROKEN = [
    b"\n",
    b"x\n",
    b"[]\n",
    b"{}\n",
    b"null\n",
    b'{"size":1}\n',
    b'{"size":4,"cosignatures":["x"]}\n',
    b'{"cosignatures":["x"]}\n',
    b"\xff\n",
    b'{"size":4,"time":"t","runs":[["a",1,4]],"note":"o\\n4\\n"}\n',
    b'{"size":4,"time":"t","runs":[["a",0,3,"d",1,1]],"note":"o\\n4\\n"}\n',
    b'{"size":4,"time":"t","runs":[["a",5,4,"d",1,1]],"note":"o\\n4\\n"}\n',
    b'{"size":4,"time":"t","runs":[["a",1,true,"d",1,1]],"note":"o\\n4\\n"}\n',
    b'{"size":4,"time":"t","runs":[[7,1,4,"d",1,1]],"note":"o\\n4\\n"}\n',
    b'{"size":4,"time":"t","runs":[["a",1,4,"d",1,1]],"note":"o\\n5\\n"}\n',
    b'{"size":4,"time":"t","runs":[["a",1,4,"d",1,1]],"note":"4"}\n',
    b'{"size":4,"time":"t","runs":[["a",1,5,"d",1,1]],"note":"o\\n4\\n"}\n',
    b'{"size":4,"time":4,"runs":[["a",1,4,"d",1,1]],"note":"o\\n4\\n"}\n',
]


@pytest.mark.parametrize("line", BROKEN)
def test_a_line_that_is_none_is_damage_with_its_place(line: bytes, tmp_path: Path) -> None:
    (tmp_path / HISTORY_NAME).write_bytes(line + json.dumps(HEADS[0].members()).encode() + b"\n")
    with pytest.raises(IntegrityError, match=r"history\.jsonl is damaged at byte 0") as found:
        read(tmp_path)
    assert "zaxy log verify" in found.value.remedy


@pytest.mark.parametrize("line", [line for line in BROKEN if b"cosign" not in line and len(line) < 20])
def test_damage_behind_good_lines_names_its_own_place(line: bytes, tmp_path: Path) -> None:
    written(tmp_path, HEADS[:2])
    path = tmp_path / HISTORY_NAME
    at = path.stat().st_size
    path.write_bytes(path.read_bytes() + line + json.dumps(HEADS[2].members()).encode() + b"\n")
    with pytest.raises(IntegrityError, match=f"damaged at byte {at}"):
        read(tmp_path)


@pytest.mark.parametrize("order", [[0, 2, 1], [0, 0, 1], [1, 2], [0, 2]])
def test_lines_that_are_missing_repeated_or_in_another_order_are_damage(order: list[int], tmp_path: Path) -> None:
    lines = [json.dumps(HEADS[number].members()).encode() + b"\n" for number in order]
    (tmp_path / HISTORY_NAME).write_bytes(b"".join(lines))
    with pytest.raises(IntegrityError, match="damaged"):
        read(tmp_path)


def test_after_damage_nothing_of_the_history_counts(tmp_path: Path) -> None:
    history = written(tmp_path, HEADS[:1])
    with (tmp_path / HISTORY_NAME).open("ab") as file:
        file.write(b"x\n")
    with pytest.raises(IntegrityError):
        history.refresh()
    assert (history.size, history.last, history.sessions()) == (0, None, {})
    with pytest.raises(IntegrityError):
        history.refresh()


def test_another_file_in_its_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    history = written(tmp_path, HEADS)
    (tmp_path / "other").mkdir()
    others = heads_of({"z": 3}, {"z": 9}, {"y": 30})
    written(tmp_path / "other", others)
    os.replace(tmp_path / "other" / HISTORY_NAME, tmp_path / HISTORY_NAME)
    history.refresh()
    assert history.heads == others
    assert history.leaf("a", 1) is None


def test_a_history_that_was_cut_or_removed_is_read_anew(tmp_path: Path) -> None:
    history = written(tmp_path, HEADS)
    path = tmp_path / HISTORY_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])
    history.refresh()
    assert history.heads == HEADS[:1]
    assert history.leaf("c", 1) is None
    path.unlink()
    history.refresh()
    assert history.heads == []


def test_cosignatures_that_came_later_are_part_of_the_note(tmp_path: Path) -> None:
    history = written(tmp_path, HEADS[:2])
    text = HEADS[0].note.text
    lines = [WITNESS.cosign(text, 1_800_000_000 + number).line for number in range(3)]
    history.add_cosignatures(4, lines[:1])
    history.append(HEADS[2])
    history.add_cosignatures(4, lines[1:])
    for seen in (history, read(tmp_path)):
        head = seen.at(4)
        assert head is not None
        assert head.note.signed_by(WITNESS.verifier)
        assert head.note.signed_by(KEY.verifier)
        assert [signature.line for signature in head.note.signatures[1:]] == lines
        assert head.runs == HEADS[0].runs
        assert seen.heads[1:] == HEADS[1:]


def test_cosignatures_belong_to_a_checkpoint_that_is_there(tmp_path: Path) -> None:
    history = written(tmp_path, HEADS[:1])
    with pytest.raises(BadProofError, match="without their checkpoint"):
        history.add_cosignatures(5, ["x"])


def test_an_older_copy_of_the_history_is_behind_the_pinned_head(tmp_path: Path) -> None:
    history = written(tmp_path, HEADS[:1])
    shutil.copyfile(tmp_path / HISTORY_NAME, tmp_path / "old")
    history.append(HEADS[1])
    history.append(HEADS[2])
    assert compare(history, HEADS[2]).standing is Standing.SAME
    assert compare(history, HEADS[1]) == (Standing.UNPINNED, HEADS[2])
    assert compare(history, None) == (Standing.UNPINNED, HEADS[2])
    os.replace(tmp_path / "old", tmp_path / HISTORY_NAME)
    history.refresh()
    assert compare(history, HEADS[2]) == (Standing.BEHIND, HEADS[2])
    assert compare(history, HEADS[1]) == (Standing.UNPUBLISHED, HEADS[1])


def test_another_history_of_the_pinned_size_is_a_fork(tmp_path: Path) -> None:
    history = written(tmp_path, heads_of({"a": 3, "b": 1}, {"c": 4}))
    assert compare(history, HEADS[1]).standing is Standing.FORKED


def test_an_empty_history_is_behind_and_without_a_pinned_head_it_is_the_same(tmp_path: Path) -> None:
    history = read(tmp_path)
    assert compare(history, None) == (Standing.SAME, None)
    assert compare(history, HEADS[0]) == (Standing.UNPUBLISHED, HEADS[0])
    assert compare(history, HEADS[1]).standing is Standing.BEHIND


def test_a_head_that_only_adds_a_signature_is_published_after_a_crash(tmp_path: Path) -> None:
    new = SigningKey.generate(KEY.verifier.name)
    again = signed_again(HEADS[0], new, KEY)
    history = written(tmp_path, HEADS[:1])
    assert compare(history, again) == (Standing.UNPUBLISHED, again)
    history.append(again)
    assert compare(history, again).standing is Standing.SAME
    assert read(tmp_path).heads == [HEADS[0], again]
    assert [read(tmp_path).event(leaf) for leaf in range(4)] == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]


def test_a_head_is_stored_and_parsed_alike() -> None:
    for head in HEADS:
        assert SignedHead.parse(json.loads(json.dumps(head.members()))) == head
