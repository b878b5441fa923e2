"""The files of a tantivy index: which ones the last commit is made of, and whether they hold what was written.

A segment's file is written once. It ends in a JSON footer with the CRC-32 of all before it, the footer's length and a
magic number, which is all that tantivy looks at when it opens one.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import BusyError, ProjectionError
from zaxy.files.cache import identity_of, replace_cache

_SUFFIXES: Final = (".fast", ".fieldnorm", ".idx", ".pos", ".store", ".term")
_MAGIC: Final = 1337
_TAIL: Final = struct.Struct("<II")
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Meta:
    """What tantivy's meta file tells of the last commit, and of a merge since then.

    Attributes:
        stamp: Grows with every commit.
        documents: How many documents the segments hold, deleted ones too.
        files: The names of the files that they consist of.
        identity: That of the meta file.
    """

    stamp: int
    documents: int
    files: tuple[str, ...]
    identity: list[int]


def read_meta(folder: Path) -> Meta:
    """Read the meta file of an index.

    Raises:
        BusyError: There is none: another process is making the index anew.
        ProjectionError: It cannot be read.
    """
    try:
        identity = identity_of(folder / "meta.json")
        meta = orjson.loads((folder / "meta.json").read_bytes())
        segments: list[dict[str, Any]] = meta["segments"]
        files = [name for segment in segments for name in _files_of(segment)]
        documents = sum(int(segment["max_doc"]) for segment in segments)
        return Meta(int(meta["opstamp"]), documents, tuple(files), identity)
    except FileNotFoundError as error:
        raise BusyError(f"the search index in {folder} is being made", remedy="try again") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ProjectionError(f"the search index in {folder} has no readable meta file: {error}") from error


def _files_of(segment: dict[str, Any]) -> list[str]:
    name, deletes = segment["segment_id"].replace("-", ""), segment["deletes"]
    if deletes is not None and deletes["num_deleted_docs"] < 1:  # tantivy would take all of them for undeleted
        raise ValueError("a file of deletions without any")
    return [f"{name}{suffix}" for suffix in _SUFFIXES] + ([f"{name}.{deletes['opstamp']}.del"] if deletes else [])


def check_files(folder: Path, files: tuple[str, ...]) -> None:
    """Make sure that files of an index hold what tantivy wrote. Those that were found good before are not read again.

    Raises:
        ProjectionError: One does not.
        OSError: One cannot be read, or was removed, as a merge does.
    """
    note = folder.with_name("checked.json")
    known: Any = None
    with contextlib.suppress(OSError, ValueError):
        known = orjson.loads(note.read_bytes())
    found = {name: identity_of(folder / name) for name in files}
    for name in files:
        if not (isinstance(known, dict) and known.get(name) == found[name]) and not _is_whole(folder / name):
            raise ProjectionError(f"{folder / name} is not what was written")
    if found != known:
        with contextlib.suppress(OSError):
            replace_cache(note, orjson.dumps(found))


def _is_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        try:
            stream.seek(size - _TAIL.size)
            length, magic = _TAIL.unpack(stream.read(_TAIL.size))
            left = stream.seek(size - _TAIL.size - length)
            expected = orjson.loads(stream.read(length))["crc"]
            stream.seek(0)
        except (ValueError, LookupError, TypeError, OSError, struct.error):
            return False
        found = 0
        while part := stream.read(min(left, _CHUNK_BYTES)):
            found, left = zlib.crc32(part, found), left - len(part)
    return bool(magic == _MAGIC and found == expected)
