"""Writing entities and the tokens they are found by to LadybugDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from zaxy.errors import ProjectionError
from zaxy.projections.graph.intake import SEPARATOR, Analyze, Told, tokens_of
from zaxy.projections.graph.ladybug_reading import (
    TOP,
    chunks,
    look_up,
    read_entity_count,
    read_holders,
    read_named_statements,
)
from zaxy.projections.graph.ladybug_schema import Run

Row = dict[str, Any]

COMMON_ENTITIES: Final = 4_096
"""A token that no more entities hold is read by its relations: in 3 ms for 4,000 of 4,000 entities, in 7 ms for 689 of
100,000, which lie further apart."""

_COMMON_SHARE: Final = 64
"""Nor is one common that fewer than one in so many entities hold. The library keeps every version of a text that a
checkpoint takes over, so the tokens that keep a list must stay few, however many words there are."""


def write_rows(run: Run, query: str, rows: Sequence[Row]) -> None:
    """Run a query once a row ``r``, in portions."""
    for part in chunks(rows):
        run(f"UNWIND $rows AS r {query}", rows=part)


@dataclass(slots=True)
class _EntityState:
    """An entity's row, and which of its parts changed."""

    name: str
    words: tuple[str, ...]
    recent: int
    first: tuple[int, str, int]
    new: bool = False
    changed: bool = False
    renamed: bool = False
    lost: frozenset[str] = frozenset()
    gained: frozenset[str] = frozenset()


def _joined(words: Iterable[str]) -> str:
    return SEPARATOR + "".join(f"{word}{SEPARATOR}" for word in words)


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split(SEPARATOR)[1:-1])


class EntityWriter:
    """Writes entities and tokens through one connection. The caller holds the transaction.

    Args:
        run: Runs a statement.
        analyze: Turns names and types into tokens.
    """

    def __init__(self, run: Run, analyze: Analyze) -> None:
        self._run = run
        self._analyze = analyze

    def _each(self, query: str, rows: Sequence[Row]) -> None:
        write_rows(self._run, query, rows)

    def _read_states(self, keys: Sequence[str]) -> dict[str, _EntityState]:
        rows = look_up(
            self._run,
            "UNWIND $keys AS k MATCH (e:Entity) WHERE e.key = k"
            " RETURN e.key, e.name, e.words, e.recent, e.first_at, e.first_session, e.first_seq",
            keys,
        )
        return {row[0]: _EntityState(row[1], _split(row[2]), row[3], (row[4], row[5], row[6])) for row in rows}

    def take_in(self, told: Sequence[Told]) -> None:
        """Make or bring up to date the entities that these statements are about."""
        states = self._read_states(list(dict.fromkeys(item.key for item in told)))
        for item in told:
            self._fold(states, item)
        for key, state in states.items():
            if state.new:
                state.words = tokens_of(key, state.name, self._analyze)
                state.gained = frozenset(state.words)
        self._write_states({key: state for key, state in states.items() if state.new or state.changed})
        self._write_tokens(states)

    def _fold(self, states: dict[str, _EntityState], item: Told) -> None:
        ref, recorded = item.statement.ref, item.statement.recorded_at
        first = (recorded, ref.session_id, ref.seq)
        state = states.get(item.key)
        if state is None:
            states[item.key] = _EntityState(item.name, (), recorded, first, new=True)
            return
        if recorded > state.recent:
            state.recent, state.changed = recorded, True
        if first < state.first:
            state.first, state.changed, state.renamed = first, True, True
            self._rename(item.key, state, item.name)

    def _rename(self, key: str, state: _EntityState, name: str) -> None:
        if name == state.name:
            return
        state.name = name
        if not state.new:
            before = frozenset(state.words).difference(state.gained) | state.lost
            state.words = tokens_of(key, name, self._analyze)
            state.lost, state.gained = before.difference(state.words), frozenset(state.words).difference(before)

    def _write_states(self, states: Mapping[str, _EntityState]) -> None:
        rows: list[Row] = [
            {
                "key": key,
                "name": state.name,
                "words": _joined(state.words),
                "recent": state.recent,
                "at": state.first[0],
                "session": state.first[1],
                "seq": state.first[2],
            }
            for key, state in states.items()
        ]
        self._each(
            "CREATE (:Entity {key: r.key, name: r.name, words: r.words, recent: r.recent, first_at: r.at,"
            " first_session: r.session, first_seq: r.seq})",
            [row for row in rows if states[row["key"]].new],
        )
        self._each(
            "MATCH (e:Entity) WHERE e.key = r.key SET e.name = r.name, e.words = r.words, e.recent = r.recent,"
            " e.first_at = r.at, e.first_session = r.session, e.first_seq = r.seq",
            [row for row in rows if states[row["key"]].renamed],
        )
        self._each(
            "MATCH (e:Entity) WHERE e.key = r.key SET e.recent = r.recent",
            [row for row in rows if not (states[row["key"]].new or states[row["key"]].renamed)],
        )

    def _write_tokens(self, states: Mapping[str, _EntityState]) -> None:
        """Keep which entities hold each token, how many, and for a common one which of them were stated last.

        An entity's recency only grows while events are taken in, so the old list and what was touched now hold the
        new one. A token that an entity lost has no such bound: its list is made anew.
        """
        touched: dict[str, list[tuple[int, str]]] = defaultdict(list)
        more: dict[str, int] = defaultdict(int)
        for key, state in states.items():
            if state.new or state.changed:
                for word in state.words:
                    touched[word].append((state.recent, key))
            for word in state.gained:
                more[word] += 1
        before = self._read_tokens(list(touched))
        rows: list[Row] = []
        for token, entries in touched.items():
            frequency, top = before.get(token, (0, ""))
            if top:
                merged: dict[str, int] = {key: recent for recent, key in orjson.loads(top)}
                merged.update((key, recent) for recent, key in entries)
                top = _listed((recent, key) for key, recent in merged.items())
            if top or more[token]:
                rows.append({"token": token, "frequency": frequency + more[token], "top": top})
        self._create_or_set_tokens(rows, {token: top for token, (_, top) in before.items()})
        self._write_holders(states)
        self._list_common([row for row in rows if not row["top"]])
        self._rebuild_tokens({word for state in states.values() for word in state.lost})

    def _read_tokens(self, tokens: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Return how many entities hold each token that is there, and its list."""
        query = "UNWIND $keys AS k MATCH (t:Token) WHERE t.token = k RETURN t.token, t.frequency, t.top"
        return {row[0]: (row[1], row[2]) for row in look_up(self._run, query, tokens)}

    def _write_holders(self, states: Mapping[str, _EntityState]) -> None:
        """Relate entities to the tokens that they gained, and no more to those that they lost."""
        gained = [{"token": word, "key": key} for key, state in states.items() for word in state.gained]
        lost = [{"token": word, "key": key} for key, state in states.items() for word in state.lost]
        ends = "MATCH (e:Entity) WHERE e.key = r.key MATCH (t:Token) WHERE t.token = r.token"
        self._each(f"{ends} CREATE (t)-[:HOLDS]->(e)", gained)
        self._each("MATCH (e:Entity)<-[h:HOLDS]-(t:Token) WHERE e.key = r.key AND t.token = r.token DELETE h", lost)

    def _list_common(self, rows: Sequence[Row]) -> None:
        """Give the tokens that became common their list."""
        often = [row for row in rows if row["frequency"] > COMMON_ENTITIES]
        least = self._least_common() if often else 0
        common = [row for row in often if row["frequency"] > least]
        held = [{**row, "top": _listed(read_holders(self._run, row["token"], TOP))} for row in common]
        self._each("MATCH (t:Token) WHERE t.token = r.token SET t.top = r.top", held)

    def _least_common(self) -> int:
        """Return how many entities hold a token at least before it counts as common."""
        return max(COMMON_ENTITIES, read_entity_count(self._run) // _COMMON_SHARE)

    def _create_or_set_tokens(self, rows: Sequence[Row], held: Mapping[str, str]) -> None:
        """Write tokens.

        Args:
            rows: Their new content.
            held: The list that each of those has which are there already.
        """
        self._each(
            "CREATE (:Token {token: r.token, frequency: r.frequency, top: r.top})",
            [row for row in rows if row["token"] not in held],
        )
        self._each(
            "MATCH (t:Token) WHERE t.token = r.token SET t.frequency = r.frequency",
            [row for row in rows if row["token"] in held],
        )
        self._each(
            "MATCH (t:Token) WHERE t.token = r.token SET t.top = r.top",
            [row for row in rows if row["token"] in held and row["top"] != held[row["token"]]],
        )

    def _rebuild_tokens(self, tokens: set[str]) -> None:
        """Count these tokens anew, and make their lists, in one pass over all entities; one that none holds goes."""
        if not tokens:
            return
        frequency: dict[str, int] = dict.fromkeys(tokens, 0)
        top: dict[str, list[tuple[int, str]]] = {token: [] for token in tokens}
        for key, recent, words in self._run("MATCH (e:Entity) RETURN e.key, e.recent, e.words"):
            for token in tokens.intersection(_split(words)):
                frequency[token] += 1
                top[token].append((recent, key))
                if len(top[token]) > 4 * TOP:
                    top[token] = _best(top[token])
        ordered = sorted(tokens)
        self._delete("Token", "token", [token for token in ordered if not frequency[token]])
        least = self._least_common()
        rows: list[Row] = [
            {
                "token": token,
                "frequency": frequency[token],
                "top": _listed(top[token]) if frequency[token] > least else "",
            }
            for token in ordered
            if frequency[token]
        ]
        self._create_or_set_tokens(rows, {token: held for token, (_, held) in self._read_tokens(ordered).items()})

    def _delete(self, table: str, column: str, keys: Sequence[str]) -> None:
        for part in chunks(keys):
            self._run(f"UNWIND $keys AS k MATCH (n:{table}) WHERE n.{column} = k DETACH DELETE n", keys=part)

    def settle(self, keys: Sequence[str]) -> None:
        """Bring entities that lost statements in line with those they have left."""
        states = self._read_states(keys)
        if len(states) != len(keys):
            raise ProjectionError("the graph's statements name entities that it does not hold")
        words = {word for state in states.values() for word in state.words}
        gone, kept = [], {}
        for key, state in states.items():
            left = read_named_statements(self._run, key)
            if not left:
                gone.append(key)
                continue
            statement, name = min(left, key=lambda item: (item[0].recorded_at, item[0].ref))
            self._rename(key, state, name)
            state.recent = max(item.recorded_at for item, _ in left)
            state.first = (statement.recorded_at, statement.ref.session_id, statement.ref.seq)
            state.renamed = True
            words.update(state.words)
            kept[key] = state
        self._delete("Entity", "key", gone)
        self._write_states(kept)
        self._rebuild_tokens(words)
        self._write_holders(kept)


def _best(entries: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    return sorted(entries, key=lambda entry: (-entry[0], entry[1]))[:TOP]


def _listed(entries: Iterable[tuple[int, str]]) -> str:
    return orjson.dumps(_best(entries)).decode()
