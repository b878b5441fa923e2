"""The contract of a graph store in executable form: inherit `GraphContract` and give it a back end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zaxy.errors import ProjectionError
from zaxy.ids import EventRef
from zaxy.projections.graph.timeline import current
from zaxy.projections.protocols import Ending, Entity, GraphCounts, GraphReader, GraphStore, Relation, Statement
from zaxy.projections.selection import Selection
from zaxy.testing.projections import (
    SECOND,
    ProjectionContract,
    fact,
    feed,
    link,
    make_event,
    make_meaning,
    mention,
    positions_after,
    refused,
)
from zaxy.vocabulary.model import VOID, Invalidation, Meaning, Role


def plain_tokens(text: str) -> list[str]:
    """Split at white space and fold the case: an analyzer that tests can predict."""
    return text.casefold().split()


@dataclass(frozen=True, slots=True)
class Answers:
    """All that a graph answers about given tokens, keys and events, for comparing two graphs."""

    found: dict[str, list[Entity]]
    newest: dict[str, list[Entity]]
    frequencies: dict[str, int]
    entities: list[Entity]
    statements: dict[str, list[Statement]]
    relations: dict[str, list[Relation]]
    stated_by: dict[EventRef, list[str]]
    endings: dict[EventRef, list[Ending]]
    counts: GraphCounts


def answers_of(graph: GraphReader | GraphStore, meanings: Sequence[Meaning]) -> Answers:
    """Ask a graph everything about what these events mention."""
    keys = sorted({told.entity.key for meaning in meanings for told in meaning.extraction.entities})
    tokens = sorted({token for key in keys for token in plain_tokens(key.replace(":", " "))} | {"absent"})
    refs = sorted({meaning.event.ref for meaning in meanings} | {EventRef("absent", 1)})
    return Answers(
        {token: graph.find(token, 1_000) for token in tokens},
        {token: graph.find(token, 2) for token in tokens},
        {token: graph.frequency(token) for token in tokens},
        graph.entities([*keys, "absent:absent"]),
        {key: graph.statements(key) for key in keys},
        {key: graph.relations(key) for key in keys},
        {ref: graph.stated_by(ref) for ref in refs},
        {ref: graph.endings(ref) for ref in refs},
        graph.counts(),
    )


class GraphContract(ProjectionContract):
    """What holds for every graph store. `make_store` gives one that analyzes with `plain_tokens`."""

    def make_store(self, folder: Path) -> GraphStore:
        """Return a new, empty store that keeps its files, if it has any, in ``folder``."""
        raise NotImplementedError  # which store is tested, the class that inherits the contract says

    @contextlib.contextmanager
    def holding(self, folder: Path, *meanings: Meaning) -> Iterator[GraphStore]:
        """Give a store that took in these events."""
        with contextlib.closing(self.make_store(folder)) as store:
            feed(store, meanings)
            yield store

    def test_an_entity_is_found_by_each_word_of_its_name_and_by_its_type(self, tmp_path: Path) -> None:
        with self.holding(
            tmp_path, make_meaning(make_event("one", 1), fact("task", "Fix  the Login", "open"))
        ) as store:
            entity = Entity("task:fix the login", "task", "Fix  the Login")
            for token in ("fix", "login", "task"):
                assert store.find(token, 5) == [entity]
                assert store.frequency(token) == 1
            assert (store.find("open", 5), store.find("Login", 5), store.frequency("open")) == ([], [], 0)
            assert store.entities(["task:nothing", entity.key, entity.key]) == [entity]

    def test_what_stands_for_an_event_is_found_by_its_key_and_crowds_no_token(self, tmp_path: Path) -> None:
        events = [mention("event", f"work {number}") for number in range(60)]
        made = [link(events[0], "DERIVED_FROM", source) for source in events[1:]]
        said = make_meaning(make_event("one", 1), fact("task", "work on it"), fact("proposal", "work 9"))
        derived = make_meaning(make_event("one", 2), *events, relations=made)
        with self.holding(tmp_path, said, derived) as store:
            assert [entity.key for entity in store.find("work", 50)] == ["proposal:work 9", "task:work on it"]
            assert (store.frequency("work"), store.frequency("event"), store.frequency("proposal")) == (2, 0, 1)
            assert len(store.relations("event:work 0")) == 59
            assert [entity.name for entity in store.entities(["event:work 3"])] == ["work 3"]
            store.drop(["one"])
            assert (store.find("work", 50), store.frequency("work")) == ([], 0)

    def test_the_most_recently_stated_entities_come_first(self, tmp_path: Path) -> None:
        names = [f"task {number:03}" for number in range(150)]
        meanings = [make_meaning(make_event("one", seq), fact("task", name)) for seq, name in enumerate(names, 1)]
        meanings.append(make_meaning(make_event("one", 151), fact("task", names[7])))
        newest = [names[7], *reversed(names[:7] + names[8:])]
        with self.holding(tmp_path, *meanings) as store:
            for limit in (0, 1, 20, 64, 65, 100, 1_000):
                assert [entity.name for entity in store.find("task", limit)] == newest[:limit]
            assert store.frequency("task") == 150
            assert [entity.name for entity in store.find("007", 10)] == [names[7]]

    def test_a_name_is_kept_as_the_log_first_learned_it_whatever_was_applied_first(self, tmp_path: Path) -> None:
        late = make_meaning(make_event("late", 1, recorded=9 * SECOND), fact("person", "ANN Lee"))
        early = make_meaning(make_event("early", 1, recorded=2 * SECOND), fact("person", "Ann  Lee"))
        with self.holding(tmp_path, late) as store:
            assert [entity.name for entity in store.find("ann", 5)] == ["ANN Lee"]
            feed(store, [early])
            assert [entity.name for entity in store.find("ann", 5)] == ["Ann  Lee"]
            store.drop(["early"])
            assert [entity.name for entity in store.find("ann", 5)] == ["ANN Lee"]

    def test_every_fact_is_kept_with_both_times_status_and_end(self, tmp_path: Path) -> None:
        made = make_event("one", 1, recorded=50 * SECOND, occurred=-10 * SECOND)
        done = make_event("one", 2, recorded=40 * SECOND, occurred=30 * SECOND)
        with self.holding(
            tmp_path,
            make_meaning(made, fact("goal", "win", "open")),
            make_meaning(done, fact("goal", "win", ended=True)),
        ) as store:
            assert store.statements("goal:win") == [
                Statement(EventRef("one", 1), -10 * SECOND, 50 * SECOND, "fact", "open", ended=False),
                Statement(EventRef("one", 2), 30 * SECOND, 40 * SECOND, "fact", "", ended=True),
            ]
            assert store.statements("goal:lose") == []
            assert store.stated_by(EventRef("one", 2)) == ["goal:win"]

    def test_a_session_keeps_the_first_mention_of_an_entity_across_batches(self, tmp_path: Path) -> None:
        turns = [
            make_meaning(make_event(name, seq), mention("person", "Ann"), mention("person", "Bo"))
            for name in ("one", "two")
            for seq in range(1, 6)
        ]
        with contextlib.closing(self.make_store(tmp_path)) as store:
            feed(store, turns, batch=2)
            assert [statement.ref for statement in store.statements("person:ann")] == [
                EventRef("one", 1),
                EventRef("two", 1),
            ]
            assert store.counts() == GraphCounts(entities=2, statements=4, relations=0)
            assert store.stated_by(EventRef("one", 1)) == []

    def test_a_relation_between_mentioned_entities_is_kept_where_it_changes(self, tmp_path: Path) -> None:
        ann, club = mention("person", "Ann"), mention("group", "Club")
        told = [(1, False), (2, False), (3, True), (4, True), (5, False), (6, False)]
        meanings = [
            make_meaning(make_event("one", seq), ann, club, relations=[link(ann, "IN", club, ended=ended)])
            for seq, ended in told
        ]
        earlier = make_event("one", 7, occurred=2 * SECOND)
        meanings.append(make_meaning(earlier, ann, club, relations=[link(ann, "IN", club)]))
        with contextlib.closing(self.make_store(tmp_path)) as store:
            feed(store, meanings, batch=2)
            (relation,) = store.relations("group:club")
            assert (relation.source, relation.relation, relation.target) == ("person:ann", "IN", "group:club")
            assert [statement.ref.seq for statement in relation.statements] == [1, 7, 3, 5]

    def test_a_relation_of_a_fact_survives_the_invalidation_of_the_event_that_said_it_first(
        self, tmp_path: Path
    ) -> None:
        ann, task = mention("person", "Ann"), fact("task", "fix")
        said = [make_meaning(make_event("one", n), ann, task, relations=[link(ann, "OWNS", task)]) for n in (1, 2)]
        ends = make_meaning(make_event("two", 1), ends=[Invalidation("one", 1, 3 * SECOND)])
        with self.holding(tmp_path, *said, ends) as store:
            (relation,) = store.relations("person:ann")
            held = current(relation.statements, store.endings, Selection(now=10 * SECOND))
            assert held is not None
            assert held.ref == EventRef("one", 2)

    def test_relations_are_read_from_either_end_and_from_an_entity_to_itself(self, tmp_path: Path) -> None:
        ann, bo = fact("person", "Ann"), fact("person", "Bo")
        links = [link(bo, "KNOWS", ann), link(ann, "KNOWS", bo), link(ann, "IS", ann)]
        with self.holding(tmp_path, make_meaning(make_event("one", 1), ann, bo, relations=links)) as store:
            assert [(one.source, one.relation, one.target) for one in store.relations("person:ann")] == [
                ("person:ann", "IS", "person:ann"),
                ("person:ann", "KNOWS", "person:bo"),
                ("person:bo", "KNOWS", "person:ann"),
            ]
            assert len(store.relations("person:bo")) == 2
            assert store.relations("person:cy") == []
            assert store.counts() == GraphCounts(entities=2, statements=2, relations=3)

    def test_an_ending_may_be_known_before_the_event_that_it_ends(self, tmp_path: Path) -> None:
        ends = make_meaning(make_event("two", 1), ends=[Invalidation("one", 1, 9), Invalidation("one", 1, 8)])
        with self.holding(tmp_path, ends, make_meaning(make_event("one", 1), fact("goal", "win"))) as store:
            assert store.endings(EventRef("one", 1)) == [
                Ending(EventRef("two", 1), 8, SECOND),
                Ending(EventRef("two", 1), 9, SECOND),
            ]
            store.drop(["two"])
            assert store.endings(EventRef("one", 1)) == []

    def test_an_ending_is_kept_with_the_moment_that_it_counts_as_known_from(self, tmp_path: Path) -> None:
        ends = [Invalidation("one", 1, 9, known_from=3), Invalidation("one", 2, 9)]
        with self.holding(tmp_path, make_meaning(make_event("two", 7), ends=ends)) as store:
            assert store.endings(EventRef("one", 1)) == [Ending(EventRef("two", 7), 9, 3)]
            assert store.endings(EventRef("one", 2)) == [Ending(EventRef("two", 7), 9, 7 * SECOND)]

    def test_what_takes_an_ending_back_is_kept_beside_it(self, tmp_path: Path) -> None:
        told = [
            make_meaning(make_event("two", 1), ends=[Invalidation("one", 1, VOID)]),
            make_meaning(make_event("three", 2), ends=[Invalidation("one", 1, VOID, lifted=True)]),
        ]
        expected = [
            Ending(EventRef("two", 1), VOID, SECOND, lifted=False),
            Ending(EventRef("three", 2), VOID, 2 * SECOND, lifted=True),
        ]
        for number, order in enumerate((told, told[::-1])):
            with self.holding(tmp_path / str(number), *order) as store:
                assert store.endings(EventRef("one", 1)) == expected
                store.drop(["three"])
                assert store.endings(EventRef("one", 1)) == expected[:1]

    def test_a_correction_holds_in_the_place_of_what_it_corrects_until_it_is_taken_back(self, tmp_path: Path) -> None:
        goal = fact("goal", "win", "open"), fact("goal", "win", "done")
        said = make_meaning(make_event("one", 1), goal[0])
        corrected = make_meaning(make_event("one", 2, occurred=SECOND), goal[1], ends=[Invalidation("one", 1, VOID)])
        undone = make_meaning(
            make_event("two", 3),
            ends=[Invalidation("one", 1, VOID, lifted=True), Invalidation("one", 2, VOID)],
        )
        redone = make_meaning(
            make_event("three", 4),
            ends=[
                Invalidation("one", 1, VOID),
                Invalidation("one", 2, VOID, lifted=True),
                Invalidation("two", 3, VOID),
            ],
        )
        told = [said, corrected, undone, redone]
        for number, order in enumerate((told, [undone, redone, said, corrected], [redone, said, corrected, undone])):
            with self.holding(tmp_path / str(number), *order) as store:
                for seconds, seq in ((1, 1), (2, 2), (3, 1), (4, 2), (None, 2)):
                    known_at = None if seconds is None else seconds * SECOND
                    for world in (SECOND, 9 * SECOND):
                        asked = Selection(as_of=world, known_at=known_at)
                        held = current(store.statements("goal:win"), store.endings, asked)
                        assert held is not None
                        assert held.ref == EventRef("one", seq), (number, seconds, world)

    def test_only_where_one_statement_at_a_time_is_so_is_trust_kept(self, tmp_path: Path) -> None:
        told = [
            make_meaning(make_event("one", 1), fact("preference", "editor", "vim"), fact("goal", "win"), trust=4),
            make_meaning(make_event("one", 2), fact("preference", "editor", "nano"), fact("goal", "win"), trust=3),
            make_meaning(make_event("two", 1), mention("preference", "editor"), trust=4),
        ]
        with self.holding(tmp_path, *told) as store:
            preferences, goals = store.statements("preference:editor"), store.statements("goal:win")
            assert [(one.role, one.ref.seq, one.trust) for one in preferences if one.role == Role.FACT] == [
                ("fact", 1, 4),
                ("fact", 2, 3),
            ]
            assert [one.trust for one in preferences if one.role == Role.MENTION] == [0]
            assert [one.trust for one in goals] == [0, 0]
            holds = [current(one, store.endings, Selection(now=9 * SECOND)) for one in (preferences, goals)]
            assert [held and held.ref.seq for held in holds] == [1, 2]

    def test_dropping_a_session_leaves_what_the_others_said(self, tmp_path: Path) -> None:
        ann, task = mention("person", "Ann"), fact("task", "fix")
        kept = [make_meaning(make_event("kept", n), ann, fact("goal", "win")) for n in (1, 2)]
        gone = [
            make_meaning(
                make_event("gone", n), ann, task, relations=[link(ann, "OWNS", task)], ends=[Invalidation("kept", 1, n)]
            )
            for n in (1, 2, 3)
        ]
        with self.holding(tmp_path / "both", *gone, *kept) as store, self.holding(tmp_path / "one", *kept) as expected:
            store.drop(["gone"])
            assert answers_of(store, [*kept, *gone]) == answers_of(expected, [*kept, *gone])
            feed(store, gone)
            feed(expected, gone)
            assert answers_of(store, [*kept, *gone]) == answers_of(expected, [*kept, *gone])

    def test_a_reset_store_is_empty(self, tmp_path: Path) -> None:
        meaning = make_meaning(make_event("one", 1), fact("goal", "win"))
        with self.holding(tmp_path, meaning) as store:
            store.reset()
            assert store.counts() == GraphCounts(0, 0, 0)
            assert store.find("win", 5) == []

    def test_an_event_is_not_taken_in_twice_and_a_refused_batch_changes_nothing(self, tmp_path: Path) -> None:
        first, second = (make_meaning(make_event("one", seq), fact("goal", f"win {seq}")) for seq in (1, 2))
        with self.holding(tmp_path, first) as store:
            before = answers_of(store, [first, second])
            for batch in ([first], [second, second], [second, first]):
                with refused(ProjectionError):
                    store.apply(batch, positions_after([second]))
            with refused(ProjectionError):
                store.apply([second], {})
            assert answers_of(store, [first, second]) == before
            assert dict(store.cursor()) == positions_after([first])

    def test_any_characters_come_back_as_they_were_given(self, tmp_path: Path) -> None:
        names = ["Zoë  Ünal", "王 小明", "a'b\"c\\d$e{f}", "tab\tand\nline", "nul\x00inside", "🦉", "İ", "ß", ""]
        meanings = [make_meaning(make_event("one", seq), fact("x", name, name)) for seq, name in enumerate(names, 1)]
        with self.holding(tmp_path, *meanings) as store:
            for name, meaning in zip(names, meanings, strict=True):
                (told,) = meaning.extraction.entities
                assert store.entities([told.entity.key]) == [Entity(told.entity.key, "x", name)]
                assert [statement.status for statement in store.statements(told.entity.key)] == [name]

    def test_several_threads_read_while_one_writes(self, tmp_path: Path) -> None:
        meanings = [make_meaning(make_event("one", seq), fact("goal", f"win {seq % 7}")) for seq in range(1, 121)]

        def read_until_all_are_there(store: GraphStore) -> int:
            reads = 0
            while (seq := store.cursor()["one"].seq) < len(meanings):
                assert len(store.statements("goal:win 0")) >= seq // 7
                assert 1 <= len(store.find("win", 50)) <= 7
                reads += 1
            return reads

        with self.holding(tmp_path, meanings[0]) as store, ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read_until_all_are_there, store) for _ in range(3)]
            feed(store, meanings[1:], batch=10)
            assert all(reader.result(timeout=60) >= 0 for reader in readers)
