"""The memory as one object: everything wired together, no logic of its own."""

from __future__ import annotations

import contextlib
import hashlib
import string
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from zaxy.clock import Clock, SystemClock, format_time
from zaxy.config import Settings
from zaxy.embedding.choose import Chosen, choose_embedder
from zaxy.errors import ProjectionError, UnavailableError
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.eventloom.origin import SourceClass
from zaxy.eventloom.sealing import sealer_maker
from zaxy.eventloom.vault.opening import Opener
from zaxy.eventloom.window import LoomWindow
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions
from zaxy.ids import EventRef
from zaxy.project_settings import lies_inside
from zaxy.projections.backends import (
    ForwardBackend,
    GraphBackend,
    SearchBackend,
    check_graph_backend,
    remove_stores,
)
from zaxy.projections.catchup import Catchup
from zaxy.projections.feeding import AnyTier, Erasing
from zaxy.projections.search.analysis import Analyzer, analyzer
from zaxy.projections.tier import Tier
from zaxy.services.capture.hooks.recording import record_waiting
from zaxy.services.capture.sink import LoomSink
from zaxy.services.governance.conflicts import ConflictService
from zaxy.services.governance.correction import CorrectionService
from zaxy.services.governance.forgetting_stores import HeldIn, destroy_keys
from zaxy.services.governance.gate import EvolutionGate
from zaxy.services.governance.invalidation import InvalidationService
from zaxy.services.governance.policy import EvolutionPolicy
from zaxy.services.governance.review import ReviewService
from zaxy.services.governance.rollback import RollbackService
from zaxy.services.governance.showing import ShowingService
from zaxy.services.governance.standing import Standings
from zaxy.services.operations.inspection import InspectionService
from zaxy.services.operations.projection_status import ProjectionStatusService
from zaxy.services.operations.sizes import SizeService
from zaxy.services.recall.checkout import CheckoutOptions, CheckoutService
from zaxy.services.recall.near import StoredVectors
from zaxy.services.recall.query import RecallService, Tiers
from zaxy.services.recall.question import Filters
from zaxy.services.recall.reranking import choose_reranker
from zaxy.telemetry import SILENT, Observer
from zaxy.vocabulary.reading import EventReader

if TYPE_CHECKING:
    from zaxy.projections.vectors.filling import VectorFiller
    from zaxy.services.governance.forgetting import ForgettingService
    from zaxy.services.operations.capture_health import CaptureHealth

Progress = Callable[[int, int | None], None]


_ONE_SHOT_TAIL_EVENTS: Final = 256
_PART_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class _Part:
    """Some sessions of a memory.

    Attributes:
        whole: The memory.
        sessions: Which of its sessions.
        folder: Where the stores are that are derived from these alone.
    """

    whole: Memory
    sessions: tuple[str, ...]
    folder: Path


class Memory:
    """A loom with its projections and services, for synchronous callers. Safe to share between threads.

    Args:
        settings: Where everything is.
        clock: What "now" is.
        observer: Who watches; nobody unless somebody is named.
        part: What `within` gives: only some sessions of another memory.

    Raises:
        InvalidInputError: A setting cannot be used.
        MissingDependencyError: The graph back end is not part of this installation.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        observer: Observer = SILENT,
        part: _Part | None = None,
    ) -> None:
        check_graph_backend(settings.projection_backend)
        self.settings = settings
        self.observer = observer
        self.clock = clock or SystemClock()
        self._part = part
        whole, seen = (None, ()) if part is None else (part.whole, part.sessions)
        self.loom: Eventloom = _loom(settings, self.clock) if whole is None else LoomWindow(whole.loom, seen)
        terms = analyzer(settings.search_language)
        search, graph, self.forward = self._tiers = _tiers(settings, terms, part)
        self.opener: Opener = Opener.of(settings, self.loom) if whole is None else whole.opener
        untrusted = frozenset(SourceClass(name) for name in settings.evolution.untrusted_sources)
        taint = None if whole is None else whole.reader.taint  # a label counts wherever it comes from
        self.reader: EventReader = EventReader(self.loom.read, self.opener.open, untrusted=untrusted, taint=taint)
        self.catchup = Catchup(self.loom, self._tiers, self.reader.meaning, observer)
        self.catchup.erasing = Erasing(keys=partial(destroy_keys, self.loom, self.opener), others=self._erase_others)
        self.chosen_embedder: Chosen = choose_embedder(settings.embedding) if whole is None else whole.chosen_embedder
        """The model that makes vectors, or why there is none."""
        within = None if whole is None else seen
        near = StoredVectors(lambda: self.vectors, self.chosen_embedder.reason, within=within)
        self.recall = RecallService(
            self.loom,
            self.catchup,
            tiers=Tiers(search, graph, self.forward),
            vectors=near,
            analyzer=terms,
            reader=self.reader,
            clock=self.clock,
            second=choose_reranker(settings.reranker, terms),
        )
        slots = settings.context_verbatim_slots if settings.context_verbatim_enabled else 0
        self.checkouts = CheckoutService(self.loom, self.recall, CheckoutOptions(verbatim_slots=slots))
        self.inspection = InspectionService(self.loom, self.reader.view)
        self.projections = ProjectionStatusService(self.catchup, search, graph, self.forward, self.loom)
        stores = {tier.name: tier.backend.path for tier in self._tiers}
        self.sizes = SizeService(self.loom, self.catchup, {**stores, "vectors": settings.vectors_path})
        standings = Standings(self.loom, self.reader, self._ask_fresh_graph)
        self.gate = EvolutionGate(self.loom, EvolutionPolicy.of(settings.evolution))
        self.invalidation = InvalidationService(self.loom, self._ask_fresh_graph, self.clock, standings, self.gate)
        self.corrections = CorrectionService(self.loom, standings, self.gate)
        self.rollbacks = RollbackService(self.loom, standings, self.gate, self.clock)
        changes = (self.corrections, self.rollbacks)
        self.reviews = ReviewService(self.loom, standings, self.gate, changes, terms.terms)
        self.conflicts = ConflictService(self._ask_fresh_graph, self.reader.read, terms.terms, self.clock)
        self.showing = ShowingService(self.loom, self.reader, self._ask_fresh_graph, self.clock)
        self.sink = LoomSink(settings, self.loom)
        if whole is None:
            record_waiting(settings)

    @cached_property
    def vectors(self) -> VectorFiller | None:
        """The stored vectors and what fills them in; None when no model is chosen. Opened at the first use."""
        if self._part is not None:
            return self._part.whole.vectors
        embedder = self.chosen_embedder.embedder
        if embedder is None:
            return None
        from zaxy.projections.vectors.filling import VectorFiller

        return VectorFiller(self.loom, self.settings.vectors_path, embedder, self.reader.meaning)

    def within(self, sessions: Sequence[str]) -> Memory:
        """Return the memory of some sessions, as it would be if there were no others.

        All that is told from it is derived from these sessions alone, in stores of its own, so that nothing in the
        others can show in an answer, a score, a count or an error. What is recorded through it is in the whole memory
        at once. Only a label of what is untrusted comes also from outside.

        Args:
            sessions: Their ids; a write that names none means the first.
        """
        digest = hashlib.sha256("\n".join(sorted({*sessions})).encode(errors="backslashreplace")).hexdigest()
        return self._open_part(tuple(sessions), self._parts_folder / digest[:_PART_DIGITS])

    def _open_part(self, sessions: tuple[str, ...], folder: Path) -> Memory:
        settings = replace(self.settings, session_id=sessions[0]) if sessions else self.settings
        return Memory(settings, clock=self.clock, observer=self.observer, part=_Part(self, sessions, folder))

    @property
    def _parts_folder(self) -> Path:
        return self.settings.search_path.parent / "parts"

    def _part_folders(self) -> list[Path]:
        """Return where parts have stores; a part itself knows of none."""
        return sorted(self._parts_folder.iterdir()) if self._part is None and self._parts_folder.is_dir() else []

    def rebuild(self, progress: Progress | None = None) -> int:
        """Empty the stores and fill them from the log; those of parts are removed, and made again when one is asked.

        What another process writes to right now of a part stays.

        Args:
            progress: Told how many events were taken in so far.

        Returns:
            How many events were taken in.

        Raises:
            BusyError: Another process writes to a store.
            ProjectionError: A store could not be written, or one of a part not be removed.
            WriteFailedError: The disk refused.
        """
        taken = self.catchup.rebuild(progress)
        for folder in filter(_is_part, self._part_folders()):
            with self._open_part((), folder) as part:
                remove_stores(folder, [tier.lock for tier in part._tiers])
        return taken

    def _erase_others(self, refs: Collection[EventRef]) -> None:
        """Remove events from what is derived beside the tiers. Stores of parts that hold their sessions are emptied."""
        self._erase_vectors(refs)
        gone = {ref.session_id for ref in refs}
        for folder in self._part_folders():
            with self._open_part((), folder) as part:
                held = part._committed_sessions()
                if not held or held & gone:  # none where a store cannot be read: that is emptied too
                    part.catchup.rebuild()

    def _committed_sessions(self) -> set[str]:
        for tier in self._tiers:
            tier.refresh()
        return {name for tier in self._tiers for name in tier.committed()}

    def _erase_vectors(self, refs: Collection[EventRef]) -> None:
        from zaxy.projections.vectors.erasing import erase_vectors

        embedder = self.chosen_embedder.embedder
        erase_vectors(self.settings.vectors_path, None if embedder is None else embedder.name, refs)

    @cached_property
    def forgetting(self) -> ForgettingService:
        """Forgets sealed memories for good."""
        from zaxy.services.governance.forgetting import ForgettingService, Planner

        held_in = HeldIn(self.catchup, self._tiers, lambda: self.vectors.store.cursor() if self.vectors else None)
        planner = Planner(self.loom, self.reader, self.opener, self._ask_fresh_graph, self._cited_by)
        whole = self if self._part is None else self._part.whole  # what goes, goes from the stores of all
        return ForgettingService(
            whole.loom,
            planner,
            self.gate,
            whole.catchup,
            stores_with=held_in,
            state_folder=whole._state_folder,
            clock=self.clock,
        )

    def _cited_by(self, text: str, session_id: str | None, actor: str | None, before: int | None) -> list[str]:
        until = None if before is None else format_time(before - 1)
        filters = Filters(session_id=session_id, actors=actor, occurred_to=until)
        return [hit.citation for hit in self.recall.query(text, filters, limit=self.settings.query_default_limit)]

    def _state_folder(self) -> Path:
        return self.loom.notary().state.folder

    def capture_health(self) -> Iterator[CaptureHealth]:
        """Yield how each way of capturing into this loom stands."""
        from zaxy.services.capture.hooks.health import hook_health
        from zaxy.services.capture.hooks.place import CapturePlace
        from zaxy.services.capture.watch_place import WatchPlace

        place, hooks = CapturePlace.of(self.settings), hook_health(self.settings)
        if place is not None and hooks is not None:
            yield hooks
            yield WatchPlace(place.folder).status()

    def embed(self, progress: Progress | None = None, *, from_scratch: bool = False) -> int:
        """Give every event that has none its vector, now, and return how many got one. As `VectorFiller.fill_all`.

        Raises:
            UnavailableError: No model is chosen, or it did not answer.
        """
        if self.vectors is None:
            reason = self.chosen_embedder.reason
            remedy = "set EMBEDDING_PROVIDER=auto after: pip install 'zaxy-memory[local]'"
            raise UnavailableError(f"there are no vectors: {reason}", remedy=remedy)
        return self.vectors.fill_all(progress, from_scratch=from_scratch)

    def _ask_fresh_graph(self, question: Callable[[Any], Any]) -> Any:
        self.catchup.refresh()
        return self.recall.ask_graph(question)

    def settle(self) -> None:
        """Write a long tail into the durable stores before the process ends, so that the next one starts fast."""
        if self.catchup.tail_events() >= _ONE_SHOT_TAIL_EVENTS:
            with contextlib.suppress(ProjectionError):  # the next process tries again; the answers do not need it
                self.catchup.catch_up()

    def close(self) -> None:
        """Release all files."""
        self.catchup.close()
        self.loom.close()

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_part(folder: Path) -> bool:
    """Return whether a folder is named as those are that are made here, also when one was set aside."""
    return folder.is_dir() and frozenset(folder.name[:_PART_DIGITS]) <= frozenset(string.hexdigits)


def _loom(settings: Settings, clock: Clock) -> Eventloom:
    return Eventloom(
        settings.eventloom_path,
        clock=clock,
        options=WriterOptions(FsyncPolicy(settings.fsync), settings.max_event_bytes),
        state_path=settings.state_path,
        checkpoints=CheckpointPolicy(settings.checkpoint_events, settings.checkpoint_seconds),
        sealer=sealer_maker(settings),
    )


def _tiers(settings: Settings, terms: Analyzer, part: _Part | None) -> tuple[AnyTier, AnyTier, AnyTier]:
    paths = (settings.search_path, settings.embedded_graph_path, settings.forward_path)
    search, graph, forward = paths if part is None else (part.folder / path.name for path in paths)
    is_elsewhere = not lies_inside(graph, settings.eventloom_path / "projections")
    graphs = GraphBackend(graph, terms, is_elsewhere=is_elsewhere)
    return Tier(SearchBackend(search, terms)), Tier(graphs), Tier(ForwardBackend(forward, terms))
