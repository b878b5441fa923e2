"""The tables of the forward index on disk, and what is asked of them."""

from __future__ import annotations

from typing import Final

PRAGMAS: Final = (
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA synchronous=FULL",
)
BLOCK_BITS: Final = 4
"""A block holds what has the same number but for these bits: up to sixteen events, so one or two blocks a window."""
SCHEMA: Final = """
CREATE TABLE made_with (about TEXT NOT NULL);
CREATE TABLE session (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, position TEXT, revision INTEGER NOT NULL);
CREATE INDEX session_revision ON session (revision);
CREATE TABLE name (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE block (place INTEGER PRIMARY KEY, rows INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE ending (target INTEGER NOT NULL, place INTEGER NOT NULL, moment INTEGER NOT NULL,
                     recorded INTEGER NOT NULL, lifted INTEGER NOT NULL, PRIMARY KEY (target, place)) WITHOUT ROWID;
"""
"""A place is a session's number and a sequence number in one: ``number << 40 | seq``; a block's is its first.

A session's ``revision`` is the number of the commit that changed it last: readers take in what is newer than they know.
"""

BLOCKS: Final = "SELECT place, rows, body FROM json_each(?) AS asked CROSS JOIN block ON place = asked.value"
ENDINGS: Final = (
    "SELECT target, place, moment, recorded, lifted FROM json_each(?) AS asked"
    " CROSS JOIN ending ON target BETWEEN json_extract(asked.value, '$[0]') AND json_extract(asked.value, '$[1]')"
)
"""One statement for all ranges, in this order of joins: a third of the time of one statement a range."""
