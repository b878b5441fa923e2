"""The tree on disk has the roots and proofs of the tree in memory, whatever a crash left behind its counted leaves."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zaxy.errors import IntegrityError, WriteFailedError
from zaxy.eventloom.proof.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    MemoryTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
)
from zaxy.eventloom.proof.tree import TreeFiles

TILE = 256
EDGES = (255, 256, 257, 511, 512, 513)
LARGE_EDGES = (65_535, 65_536, 65_537)

LEAVES = [leaf_hash(b"leaf %d" % number) for number in range(LARGE_EDGES[-1] + TILE)]


def memory_tree(size: int) -> MemoryTree:
    tree = MemoryTree()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    return tree


IN_MEMORY = memory_tree(len(LEAVES))


def files_of(folder: Path, *sizes: int) -> TreeFiles:
    """A tree that grew to these sizes, one step each."""
    tree = TreeFiles(folder)
    for begin, end in itertools.pairwise((0, *sizes)):
        tree.extend(begin, LEAVES[begin:end])
    return tree


def same_roots_and_proofs(tree: TreeFiles, size: int, indexes: set[int], old_sizes: set[int]) -> None:
    assert tree_root(tree, size) == tree_root(IN_MEMORY, size)
    for index in indexes:
        assert inclusion_proof(tree, index, size) == inclusion_proof(IN_MEMORY, index, size)
    for old_size in old_sizes:
        assert consistency_proof(tree, old_size, size) == consistency_proof(IN_MEMORY, old_size, size)


def test_a_tree_without_leaves_has_the_empty_root_and_no_files(tmp_path: Path) -> None:
    assert tree_root(TreeFiles(tmp_path / "tree"), 0) == EMPTY_ROOT
    assert not (tmp_path / "tree").exists()


def test_a_tree_that_grows_leaf_by_leaf_has_every_root_and_every_proof(tmp_path: Path) -> None:
    tree = TreeFiles(tmp_path)
    for size in range(71):
        same_roots_and_proofs(tree, size, set(range(size)), set(range(size + 1)))
        tree.extend(size, LEAVES[size : size + 1])


@pytest.mark.parametrize("size", EDGES)
def test_around_the_end_of_a_tile_roots_and_proofs_hold(size: int, tmp_path: Path) -> None:
    tree = files_of(tmp_path, size)
    same_roots_and_proofs(tree, size, set(range(size)), set(range(size + 1)))


def test_around_the_end_of_a_row_of_tiles_roots_and_proofs_hold(tmp_path: Path) -> None:
    tree = files_of(tmp_path, LARGE_EDGES[0] - 1)
    edges = {0, 1, 255, 256, 257, 65_279, 65_280, 65_534}
    for size in LARGE_EDGES:
        tree.extend(size - 1, LEAVES[size - 1 : size])
        same_roots_and_proofs(tree, size, {*edges, size - 1}, {*edges, size - 1, size})
    tree.extend(65_537, LEAVES[65_537:])
    same_roots_and_proofs(tree, len(LEAVES), {*edges, 65_535, 65_536, 65_537}, {*edges, *LARGE_EDGES})


@settings(max_examples=25)
@given(steps=st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_how_it_grew_does_not_change_a_byte_of_its_files(
    steps: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("trees")
    sizes = list(itertools.accumulate(steps))
    files_of(folder / "grown", *sizes)
    files_of(folder / "at_once", sizes[-1])
    grown, at_once = (
        {path.name: path.read_bytes() for path in (folder / name).iterdir()} for name in ("grown", "at_once")
    )
    assert grown == at_once


def test_each_level_holds_the_roots_of_256_of_the_level_below(tmp_path: Path) -> None:
    tree = files_of(tmp_path, LARGE_EDGES[1])
    assert {path.name: path.stat().st_size // HASH_BYTES for path in tmp_path.iterdir()} == {
        "0": 65_536,
        "1": 256,
        "2": 1,
    }
    assert tree.read(1, 255, 1) == [IN_MEMORY.subtree(8, 255)]
    assert tree.read(2, 0, 1) == [IN_MEMORY.subtree(16, 0)]


@pytest.mark.parametrize("size", [0, 70, 255, 256])
@pytest.mark.parametrize("garbage", [1, 32, 9_000])
def test_what_a_crash_left_behind_the_counted_leaves_is_written_over(size: int, garbage: int, tmp_path: Path) -> None:
    tree = files_of(tmp_path, size)
    for level in ("0", "1", "2"):
        with (tmp_path / level).open("ab") as file:
            file.write(b"\xff" * garbage)
    assert tree_root(tree, size) == tree_root(IN_MEMORY, size)
    for end in (size + 1, size + 300, 700):
        tree.extend(size, LEAVES[size:end])
        same_roots_and_proofs(tree, end, {0, size, end - 1}, {size, end})


def test_leaves_of_an_interrupted_extension_give_way_to_other_leaves(tmp_path: Path) -> None:
    tree = files_of(tmp_path, 200)
    tree.extend(200, [leaf_hash(b"never counted %d" % number) for number in range(400)])
    tree.extend(200, LEAVES[200:520])
    same_roots_and_proofs(tree, 520, {199, 200, 519}, {200, 256, 512})


@pytest.mark.parametrize("level", ["0", "1", "2"])
def test_a_level_that_is_missing_is_told(level: str, tmp_path: Path) -> None:
    tree = files_of(tmp_path, len(LEAVES))
    (tmp_path / level).unlink()
    with pytest.raises(IntegrityError, match=f"{level} ends before hash") as refused:
        tree_root(tree, len(LEAVES))
    assert "zaxy log" in refused.value.remedy


@pytest.mark.parametrize("level", ["0", "1"])
def test_a_level_that_is_too_short_is_told_and_never_read_as_something_else(level: str, tmp_path: Path) -> None:
    tree = files_of(tmp_path, 600)
    path = tmp_path / level
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        tree_root(tree, 600)


@pytest.mark.parametrize(("level", "at"), [("0", 599), ("1", 0), ("1", 1)])
def test_a_hash_that_was_changed_and_carries_the_root_changes_the_root(level: str, at: int, tmp_path: Path) -> None:
    tree = files_of(tmp_path, 600)
    path = tmp_path / level
    data = bytearray(path.read_bytes())
    data[at * HASH_BYTES] ^= 1
    path.write_bytes(data)
    assert tree_root(tree, 600) != tree_root(IN_MEMORY, 600)
    tree.extend(0, LEAVES[:600])
    assert tree_root(tree, 600) == tree_root(IN_MEMORY, 600)


def test_extending_files_that_hold_fewer_leaves_is_refused(tmp_path: Path) -> None:
    tree = files_of(tmp_path, 100)
    with pytest.raises(IntegrityError):
        tree.extend(150, LEAVES[150:151])


def test_a_hole_in_the_files_is_no_leaf(tmp_path: Path) -> None:
    tree = files_of(tmp_path, 10)
    with pytest.raises(IntegrityError):
        tree.read(0, 9, 2)
    assert tree.read(0, 9, 1) == LEAVES[9:10]
    assert tree.read(0, 4, 0) == []


def test_extending_by_nothing_changes_nothing(tmp_path: Path) -> None:
    tree = files_of(tmp_path, 300)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    tree.extend(300, [])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "tree").write_text("in the way")
    with pytest.raises(WriteFailedError, match="tree cannot be written"):
        TreeFiles(tmp_path / "tree").extend(0, LEAVES[:1])
