"""Writing entities and the tokens they are found by to LadybugDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from zaxy.errors import ProjectionError
from zaxy.projections.graph.intake import SEPARATOR, Analyze, Told, tokens_of
from zaxy.projections.graph.ladybug_reading import TOP, chunks, look_up, read_named_statements
from zaxy.projections.graph.ladybug_schema import Run

Row = dict[str, Any]


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
        """Keep each token's frequency and its list of the entities stated last.

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
        query = "UNWIND $keys AS k MATCH (t:Token) WHERE t.token = k RETURN t.token, t.frequency, t.top"
        before = {row[0]: (row[1], row[2]) for row in look_up(self._run, query, list(touched))}
        rows: list[Row] = []
        for token, entries in touched.items():
            frequency, top = before.get(token, (0, b"[]"))
            merged: dict[str, int] = {key: recent for recent, key in orjson.loads(top)}
            merged.update((key, recent) for recent, key in entries)
            rows.append(_token_row(token, frequency + more[token], ((recent, key) for key, recent in merged.items())))
        self._create_or_set_tokens(rows, before.keys())
        self._rebuild_tokens({word for state in states.values() for word in state.lost})

    def _create_or_set_tokens(self, rows: Sequence[Row], known: Iterable[str]) -> None:
        held = set(known)
        self._each(
            "CREATE (:Token {token: r.token, frequency: r.frequency, top: r.top})",
            [row for row in rows if row["token"] not in held],
        )
        self._each(
            "MATCH (t:Token) WHERE t.token = r.token SET t.frequency = r.frequency, t.top = r.top",
            [row for row in rows if row["token"] in held],
        )

    def _rebuild_tokens(self, tokens: set[str]) -> None:
        """Make the lists of these tokens anew in one pass over all entities; a token that none holds goes."""
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
        rows = [_token_row(token, frequency[token], top[token]) for token in ordered if frequency[token]]
        self._create_or_set_tokens(rows, ordered)

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
        self._write_missing_tokens(words)
        self._rebuild_tokens(words)

    def _write_missing_tokens(self, words: set[str]) -> None:
        query = "UNWIND $keys AS k MATCH (t:Token) WHERE t.token = k RETURN t.token"
        known = {row[0] for row in look_up(self._run, query, sorted(words))}
        rows: list[Row] = [_token_row(word, 0, ()) for word in sorted(words - known)]
        self._create_or_set_tokens(rows, known)


def _best(entries: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    return sorted(entries, key=lambda entry: (-entry[0], entry[1]))[:TOP]


def _token_row(token: str, frequency: int, entries: Iterable[tuple[int, str]]) -> Row:
    return {"token": token, "frequency": frequency, "top": orjson.dumps(_best(entries)).decode()}
