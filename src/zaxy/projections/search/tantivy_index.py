"""The search index on disk: tantivy, one writer at a time, any number of readers.

An event is indexed once for each slice of knowledge (see `zaxy.projections.selection.Slice`), so that sessions, types,
actors and both times are filters inside the index. Marks are kept as documents of their own, so that an event that is
applied after the one that ends it is still found to be ended.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from zaxy.errors import BusyError, ProjectionError, ZaxyError
from zaxy.files.cache import Sum, copy_files, identity_of
from zaxy.files.durable import make_directories, rename_beside
from zaxy.files.scratch import GuardedFolder
from zaxy.ids import EventRef
from zaxy.projections.cursor_file import CursorFile
from zaxy.projections.protocols import Candidate, Capabilities, Position, TermStatistics
from zaxy.projections.search import tantivy_queries
from zaxy.projections.search.analysis import ANALYZER_NAME, TEXT_VERSION, Analyzer, analyzer, search_text
from zaxy.projections.search.tantivy_files import check_files, read_meta
from zaxy.projections.search.tantivy_marks import Endings, mark_document, marked_by, marks_on
from zaxy.projections.selection import Mark, Selection, knowledge_slices, marks_of
from zaxy.vocabulary.model import EventClass, Meaning

_WRITER_MEMORY_BYTES: Final = 48 * 1024 * 1024
_NOT_WRITABLE: Final = ("PermissionDenied", "ReadOnlyFilesystem")
"""How the library's errors name storage that it cannot make its lock files on."""

_LAYOUT: Final = 2
"""Counts the ways in which documents were laid out. An index of another way is made anew."""
_FIRST_NON_ASCII: Final = 0x80
_BETWEEN_WORDS: Final = bytes(
    code if code >= _FIRST_NON_ASCII or chr(code).isalnum() else ord(" ") for code in range(256)
)
"""Makes a space of every ASCII character that is part of no word: counting words so costs a tenth of analyzing them."""

_OPEN_ATTEMPTS: Final = 5
_MOST_KNOWN_MARKS: Final = 20_000
"""Of so many events it is kept until the next commit what marks they have: each question asks about the tail."""

Resolve = Callable[[EventRef], Meaning | None]
"""Returns the meaning of one event of the log, or None when there is none: for indexing an event again."""


def schema() -> Any:
    """Return the fields of the index."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name=ANALYZER_NAME, index_option="freq")
    builder.add_text_field("session", tokenizer_name="raw", index_option="basic", stored=True)
    builder.add_text_field("type", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("actor", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("kind", tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("seq", stored=True, indexed=True, fast=True)
    builder.add_unsigned_field("length", fast=True)
    for name in ("occurred", "known_from", "known_until", "ended_from"):
        builder.add_integer_field(name, fast=True)
    builder.add_text_field("target", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("mark", stored=True, tokenizer_name="raw", index_option="basic")
    return builder.build()


class TantivySearch:
    """A `SearchIndex` in a folder. Safe to share between threads.

    Only one process may hold a writer (``resolve`` given); the catch-up's lock sees to that.

    Args:
        folder: Where the index lies; made by a writer.
        resolve: Gives the meaning of an event again when it is invalidated later; None opens for reading only.
        text_analyzer: Turns text into terms.

    Raises:
        ProjectionError: The folder holds no index, or one that cannot be read.
    """

    def __init__(self, folder: Path, *, resolve: Resolve | None = None, text_analyzer: Analyzer | None = None) -> None:
        self._folder, self._index_folder = folder, folder / "index"
        self._meta = self._index_folder / "meta.json"
        self._resolve = resolve
        self._analyzer = text_analyzer or analyzer()
        self._lock = threading.RLock()
        about = f"tantivy {_LAYOUT}, {self._analyzer.language}, text {TEXT_VERSION}"
        self._cursor_file = CursorFile(folder / "cursor.jsonl", about=about)
        self._sum = Sum(folder / "cursor.jsonl", grows=True)
        self._writer: Any = None
        self._tokens: int | None = None
        self._marks: dict[EventRef, tuple[Mark, ...]] = {}
        self._copy: GuardedFolder | None = None
        self._open()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("tantivy", durable=True)

    # ---- opening

    def _open(self) -> None:
        import tantivy

        folder, index = self._index_folder, None
        try:
            if not folder.is_dir() or not tantivy.Index.exists(str(folder)):
                if self._resolve is None:
                    raise ProjectionError(f"there is no search index in {self._folder}")
                make_directories(folder)
                self._sum.forget()
                self._cursor_file.remove()
                index = tantivy.Index(schema(), path=str(folder), reuse=False)
            self._reload(index)
        except (ValueError, OSError) as error:
            if isinstance(error, BusyError):  # another process is making it: it is not unusable
                raise
            raise ProjectionError(f"the search index in {self._folder} cannot be opened: {error}") from error

    def _open_existing(self, folder: Path) -> Any:
        import tantivy

        try:
            return tantivy.Index(schema(), path=str(folder), reuse=True)
        except ValueError as error:
            if self._resolve is not None or not any(reason in str(error) for reason in _NOT_WRITABLE):
                raise
            return tantivy.Index(schema(), path=str(self._private_copy(folder)), reuse=True)

    def _private_copy(self, folder: Path) -> Path:
        """Copy an index on read-only storage, maybe too large for memory, to where its lock files can be made."""
        self._copy = self._copy or GuardedFolder("zaxy-search-", in_memory=False, required=False)
        target = self._copy.path / str(time.time_ns())
        copy_files(folder, target)
        return target

    def _reload(self, index: Any) -> None:
        """Look at the last commit; cursor, files and searcher always belong to the same one.

        Args:
            index: Opened already; None to open it, once its files are checked.
        """
        for _ in range(_OPEN_ATTEMPTS):
            meta, told = read_meta(self._index_folder), self._sum.told()
            try:
                check_files(self._index_folder, meta.files)
                index = index or self._open_existing(self._index_folder)
                index.register_tokenizer(ANALYZER_NAME, self._analyzer.native)
                index.reload()
                searcher = index.searcher()
                positions = self._cursor_file.read(meta.stamp)
                is_noted = self._sum.holds() and (told is None or told["stamp"] <= meta.stamp)
                is_lost = searcher.num_docs and self._cursor_file.is_empty()
                kinds = tantivy_queries.kinds_in(searcher)
                if is_lost or not is_noted or meta.documents != sum(kinds.values()):
                    raise ProjectionError(f"the search index in {self._folder} does not fit its cursor")
            except (ProjectionError, OSError, ValueError):
                if (read_meta(self._index_folder), self._sum.told()) == (meta, told):
                    raise
                continue  # another process committed, or merged segments
            if read_meta(self._index_folder) == meta:
                self._index, self._searcher, self._positions = index, searcher, positions
                self._kinds, self._seen, self._tokens, self._marks = kinds, meta.identity, None, {}
                return
        raise BusyError(f"the search index in {self._folder} changes faster than it can be opened", remedy="try again")

    def refresh(self) -> bool:
        """Take in what another process committed. Returns whether there was something.

        Raises:
            ProjectionError: The index is gone or cannot be read any more.
        """
        with self._lock:
            try:
                if identity_of(self._meta) == self._seen:
                    return False
            except (FileNotFoundError, NotADirectoryError):
                return False  # it is being made anew: what was read before still holds
            except OSError as error:
                raise ProjectionError(f"the search index in {self._folder} cannot be read: {error}") from error
            try:
                self._reload(None if self._copy else self._index)
            except (OSError, ValueError) as error:
                if isinstance(error, BusyError):  # another process is making it anew: what was read before still holds
                    raise
                raise ProjectionError(f"the search index in {self._folder} cannot be read: {error}") from error
            return True

    def close(self) -> None:
        with self._lock:
            if self._writer is not None:
                with contextlib.suppress(ValueError):  # nothing is left to lose: commits are on disk
                    self._writer.wait_merging_threads()
                self._writer = None
            if self._copy is not None:
                self._copy.close()
                self._copy = None

    def cursor(self) -> Mapping[str, Position]:
        with self._lock:
            return dict(self._positions)

    # ---- writing

    def apply(self, meanings: Sequence[Meaning], positions: Mapping[str, Position]) -> None:
        with self._lock, self._committing(positions) as writer:
            told = {(target, meaning.event.ref): mark for meaning in meanings for target, mark in marks_of(meaning)}
            applied = {meaning.event.ref for meaning in meanings}
            targets = {target for target, _ in told}
            endings = marks_on(self._index.schema, self._searcher, applied | targets)
            for (target, by), mark in told.items():
                endings[target][by] = mark
                writer.add_document(mark_document(target, by, mark))
            for meaning in meanings:
                self._add_event(writer, meaning, endings)
            self._index_again(writer, targets - applied, endings)

    def _index_again(self, writer: Any, targets: Iterable[EventRef], endings: Endings) -> None:
        assert self._resolve is not None
        for target in sorted(targets):
            position = self._positions.get(target.session_id)
            meaning = self._resolve(target) if position is not None and target.seq <= position.seq else None
            if meaning is not None:
                writer.delete_documents_by_query(tantivy_queries.one_event(self._index.schema, target))
                self._add_event(writer, meaning, endings)

    def _add_event(self, writer: Any, meaning: Meaning, endings: Endings) -> None:
        import tantivy

        event, extraction = meaning.event, meaning.extraction
        recorded, occurred = event.recorded_moment, event.occurred_moment
        housekeeping = extraction.event_class is EventClass.HOUSEKEEPING
        text = search_text(meaning, self._analyzer.language)
        length = len(text.encode().translate(_BETWEEN_WORDS).split())
        for part in knowledge_slices(recorded, endings.get(event.ref, {}).values()):
            document = tantivy.Document()
            document.add_text("text", text)
            document.add_text("session", event.session_id)
            document.add_text("type", event.event_type)
            document.add_text("actor", event.actor)
            document.add_text("kind", tantivy_queries.kind_of(housekeeping=housekeeping, part=part))
            document.add_unsigned("seq", event.seq)
            document.add_unsigned("length", length)
            document.add_integer("occurred", occurred)
            document.add_integer("known_from", part.known_from)
            document.add_integer("known_until", part.known_until)
            document.add_integer("ended_from", part.ended_from)
            writer.add_document(document)

    @contextlib.contextmanager
    def _committing(self, positions: Mapping[str, Position], dropped: Iterable[str] = ()) -> Any:
        """Promise the new cursor, let the block change the index, commit; on an error nothing of it stays."""
        if self._resolve is None:
            raise ProjectionError("this search index was opened for reading")
        try:
            if self._writer is None:
                self._writer = self._index.writer(_WRITER_MEMORY_BYTES, 1)
                self._writer.garbage_collect_files()  # the library refuses to write what a killed process left
            before = read_meta(self._index_folder).stamp
            self._cursor_file.promise(before, positions, dropped)
            yield self._writer
            self._writer.delete_documents_by_term("kind", "none")  # an operation, so that every commit gets a stamp
            self._writer.commit()
            after = read_meta(self._index_folder).stamp
            if after == before:
                raise ProjectionError(f"the search index in {self._folder} did not stamp a commit")
            self._reload(self._index)
            self._sum.forget()
            self._cursor_file.compact(after)
            self._sum.write(after)
        except BaseException as error:
            if self._writer is not None:
                with contextlib.suppress(ValueError):
                    self._writer.rollback()
                self._writer = None
            if isinstance(error, (ValueError, OSError)) and not isinstance(error, ZaxyError):
                raise ProjectionError(f"the search index in {self._folder} could not be written: {error}") from error
            raise

    def drop(self, sessions: Iterable[str]) -> None:
        gone = set(sessions)
        with self._lock, self._committing({}, gone) as writer:
            marked = marked_by(self._index.schema, self._searcher, gone)
            touched = {target for target in marked if target.session_id not in gone}
            endings = marks_on(self._index.schema, self._searcher, touched)
            for told in endings.values():
                for by in [by for by in told if by.session_id in gone]:
                    del told[by]
            for session_id in gone:
                writer.delete_documents_by_term("session", session_id)
            self._index_again(writer, touched, endings)

    def reset(self) -> None:
        """Remove everything. The folder is made anew: emptying an index in place puts its stamp back."""
        if self._resolve is None:
            raise ProjectionError("this search index was opened for reading")
        with self._lock:
            self.close()
            try:
                gone = rename_beside(self._index_folder, f"index.gone-{time.time_ns()}")
                shutil.rmtree(gone)
            except OSError as error:
                raise ProjectionError(f"the search index in {self._folder} cannot be removed: {error}") from error
            self._open()

    # ---- reading

    def statistics(self, terms: Iterable[str]) -> TermStatistics:
        with self._lock:
            searcher = self._searcher
            if self._tokens is None:
                self._tokens = tantivy_queries.sum_of(searcher, "length")
            tokens = self._tokens
        frequencies = {term: searcher.doc_freq("text", term) for term in terms}
        return TermStatistics(searcher.num_docs, tokens, frequencies)

    def documents(self) -> int:
        """Return how many events are indexed."""
        with self._lock:
            return tantivy_queries.count_events(self._index.schema, self._searcher)

    def marks(self, refs: Collection[EventRef]) -> dict[EventRef, list[Mark]]:
        with self._lock:
            try:
                if not self._kinds["ending"]:
                    return {}  # so it is in most looms
                new = [ref for ref in refs if ref not in self._marks]
                if len(self._marks) + len(new) > _MOST_KNOWN_MARKS:
                    self._marks, new = {}, list(refs)
                found = marks_on(self._index.schema, self._searcher, new)
                self._marks.update((ref, tuple(found[ref].values()) if ref in found else ()) for ref in new)
                return {ref: list(told) for ref in refs if (told := self._marks[ref])}
            except ValueError as error:
                raise ProjectionError(f"the search index in {self._folder} cannot be read: {error}") from error

    def search(self, terms: Sequence[str], selection: Selection, limit: int) -> list[Candidate]:
        with self._lock:
            searcher, kinds = self._searcher, self._kinds
        if not terms or limit < 1:
            return []
        query = tantivy_queries.build(self._index.schema, searcher, kinds, terms, selection)
        try:
            hits = tantivy_queries.search_whole_ties(searcher, query, limit)
            addresses = [address for _, address in hits]
            places = [
                (-score, seq)
                for (score, _), seq in zip(hits, searcher.fast_field_values("seq", addresses), strict=True)
            ]
            last = sorted(places)[min(limit, len(places)) - 1] if places else None
            found = [  # the session is read from the document, which takes its time: not for ties beyond the limit
                Candidate(EventRef(searcher.doc(address).get_first("session"), int(place[1])), -float(place[0]))
                for place, address in zip(places, addresses, strict=True)
                if last is not None and place <= last
            ]
        except ValueError as error:
            raise ProjectionError(f"the search index in {self._folder} cannot be read: {error}") from error
        return sorted(found, key=Candidate.place)[:limit]
