"""The tables of the graph in LadybugDB, and how a file of ours is told from any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from zaxy.errors import ProjectionError

Rows = list[list[Any]]
Run = Callable[..., Rows]
"""Runs one Cypher statement, its parameters by name, and returns all rows."""

FORMAT_NAME: Final = "zaxy-graph"
FORMAT_VERSION: Final = 3

TABLES: Final = (
    "CREATE NODE TABLE Meta(format STRING PRIMARY KEY, version INT64)",
    (
        "CREATE NODE TABLE Session(id STRING PRIMARY KEY, seq INT64, hash STRING, byte_offset INT64, first_seq INT64,"
        " inode STRING, size INT64, modified INT64)"
    ),
    (
        "CREATE NODE TABLE Entity(key STRING PRIMARY KEY, name STRING, words STRING, recent INT64, first_at INT64,"
        " first_session STRING, first_seq INT64)"
    ),
    "CREATE NODE TABLE Token(token STRING PRIMARY KEY, frequency INT64, top STRING)",
    "CREATE NODE TABLE Fact(id STRING PRIMARY KEY, session STRING, keys STRING)",
    "CREATE NODE TABLE Mark(id STRING PRIMARY KEY, session STRING, ended BOOLEAN, valid_from INT64)",
    "CREATE NODE TABLE Ended(id STRING PRIMARY KEY)",
    "CREATE REL TABLE HOLDS(FROM Token TO Entity)",
    (
        "CREATE REL TABLE STATES(FROM Entity TO Session, seq INT64, valid_from INT64, recorded_at INT64, role STRING,"
        " status STRING, ended BOOLEAN, trust INT64, name STRING)"
    ),
    (
        "CREATE REL TABLE RELATES(FROM Entity TO Entity, relation STRING, session STRING, seq INT64, valid_from INT64,"
        " recorded_at INT64, ended BOOLEAN)"
    ),
    "CREATE REL TABLE ENDED_BY(FROM Ended TO Session, seq INT64, moment INT64, recorded_at INT64, lifted BOOLEAN)",
)


def create_tables(run: Run, about: str) -> None:
    """Give an empty database its tables and its mark of origin, all or nothing."""
    run("BEGIN TRANSACTION")
    for statement in TABLES:
        run(statement)
    run("CREATE (:Meta {format: $format, version: $version})", format=_format(about), version=FORMAT_VERSION)
    run("COMMIT")


def is_empty(run: Run) -> bool:
    """Return whether a database has no table at all."""
    return not run("CALL show_tables() RETURN name")


def _format(about: str) -> str:
    return f"{FORMAT_NAME}, {about}" if about else FORMAT_NAME


def check_ours(run: Run, path: str, about: str) -> None:
    """Refuse a database that this module did not make.

    Raises:
        ProjectionError: Another program's tables, or a version of ours that this one cannot read.
    """
    remedy = "set the file aside; the graph is rebuilt from the log"
    names = {row[0] for row in run("CALL show_tables() RETURN name")}
    found = run("MATCH (m:Meta) RETURN m.*") if "Meta" in names else []
    if len(found) == 1 and str(found[0][0]).startswith(FORMAT_NAME) and found[0][0] != _format(about):
        raise ProjectionError(f"{path} was made with other settings: {found[0][0]}", remedy=remedy)
    if len(found) != 1 or found[0][0] != _format(about):
        raise ProjectionError(f"{path} holds another program's data", remedy=remedy)
    if found[0][1:] != [FORMAT_VERSION]:
        raise ProjectionError(f"{path} has version {found[0][1:]} of our graph, not {FORMAT_VERSION}", remedy=remedy)
