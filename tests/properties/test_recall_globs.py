"""A glob chooses the same names in memory, on disk and in Python's own rules for globs."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zaxy.errors import InvalidInputError
from zaxy.projections.search.tantivy_index import TantivySearch
from zaxy.projections.selection import Names, Selection
from zaxy.testing.projections import feed
from zaxy.testing.search import found, no_log, say

ALPHABET = "ab-]!^[.*? \\&~#\néZ"
NAMES = sorted(
    {"".join(part) for length in (1, 2) for part in itertools.product(ALPHABET, repeat=length)}
    | {"abba", "a.b.c", "a-b", "[a]", "a b a", "Zab", "conv-26.s1", "conv-26"}
)
GLOBS = st.text(ALPHABET, min_size=1, max_size=6)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TantivySearch]:
    store = TantivySearch(tmp_path_factory.mktemp("globs") / "search", resolve=no_log)
    feed(store, [say("one", seq, "word", actor=name) for seq, name in enumerate(NAMES, 1)])
    yield store
    store.close()


@given(GLOBS, GLOBS)
def test_names_hold_what_any_of_their_globs_matches(one: str, other: str) -> None:
    names = Names.of([one, other])
    assert names is not None
    for name in NAMES:
        assert (name in names) == (fnmatch.fnmatchcase(name, one) or fnmatch.fnmatchcase(name, other))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(GLOBS)
@example("[!]a]")
@example("[]a]")
@example("[b-a]")
@example("[^a]")
@example("[a&&b]")
@example("[\\-a]")
@example("a*")
@example("[!")
def test_the_index_on_disk_matches_a_glob_as_the_one_in_memory_does(index: TantivySearch, glob: str) -> None:
    names = Names.of(glob)
    assert names is not None
    chosen = [NAMES[seq - 1] for _, seq in found(index, "word", Selection(actors=names))]
    assert sorted(chosen) == [name for name in NAMES if name in names]


@pytest.mark.parametrize("glob", ["?" * 400, "*a" * 200, "[ab]" * 100, "*?" * 200, "[" + "a" * 398 + "]"])
def test_a_long_glob_is_answered_or_refused_as_bad_input(index: TantivySearch, glob: str) -> None:
    names = Names.of(glob)
    assert names is not None
    try:
        chosen = found(index, "word", Selection(actors=names))
    except InvalidInputError:
        return
    assert len(chosen) == sum(name in names for name in NAMES)


@pytest.mark.parametrize("bad", ["", ["a", ""], ["a" * 401], ["a"] * 1_001, [7], 7])
def test_names_that_cannot_be_names_are_refused(bad: object) -> None:
    with pytest.raises(InvalidInputError):
        Names.of(bad)  # type: ignore[arg-type]  # what an untyped caller may send


def test_no_names_means_every_name_and_an_empty_list_means_none() -> None:
    assert Names.of(None) is None
    assert Names.of([]) == Names()
    assert "one" not in Names()
    assert 7 not in Names(frozenset({"7"}))
