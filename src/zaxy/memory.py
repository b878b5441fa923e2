"""The memory as one object: everything wired together, no logic of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from zaxy.clock import Clock, SystemClock, format_time
from zaxy.config import Settings
from zaxy.embedding.choose import choose_embedder
from zaxy.errors import ProjectionError, UnavailableError
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.eventloom.origin import SourceClass
from zaxy.eventloom.sealing import sealer_maker
from zaxy.eventloom.vault.opening import Opener
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions
from zaxy.ids import EventRef
from zaxy.projections.backends import ForwardBackend, GraphBackend, SearchBackend, check_graph_backend
from zaxy.projections.catchup import Catchup
from zaxy.projections.feeding import Erasing
from zaxy.projections.search.analysis import analyzer
from zaxy.projections.tier import Tier
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
from zaxy.services.recall.checkout import CheckoutOptions, CheckoutService
from zaxy.services.recall.near import StoredVectors
from zaxy.services.recall.query import RecallService, Tiers
from zaxy.services.recall.question import Filters
from zaxy.services.recall.reranking import choose_reranker
from zaxy.vocabulary.reading import EventReader

if TYPE_CHECKING:
    from zaxy.projections.vectors.filling import VectorFiller
    from zaxy.services.governance.forgetting import ForgettingService

Progress = Callable[[int, int | None], None]


_ONE_SHOT_TAIL_EVENTS: Final = 256


class Memory:
    """A loom with its projections and services, for synchronous callers. Safe to share between threads.

    Args:
        settings: Where everything is.
        clock: What "now" is.

    Raises:
        InvalidInputError: A setting cannot be used.
        MissingDependencyError: The graph back end is not part of this installation.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        check_graph_backend(settings.projection_backend)
        self.settings = settings
        self.clock = clock or SystemClock()
        options = WriterOptions(FsyncPolicy(settings.fsync), settings.max_event_bytes)
        self.loom = Eventloom(
            settings.eventloom_path,
            clock=self.clock,
            options=options,
            state_path=settings.state_path,
            checkpoints=CheckpointPolicy(settings.checkpoint_events, settings.checkpoint_seconds),
            sealer=sealer_maker(settings),
        )
        terms = analyzer(settings.search_language)
        search = Tier(SearchBackend(settings.search_path, terms))
        graph = Tier(GraphBackend(settings.embedded_graph_path, terms))
        self.forward = Tier(ForwardBackend(settings.forward_path, terms))
        self.opener = Opener.of(settings, self.loom)
        untrusted = frozenset(SourceClass(name) for name in settings.evolution.untrusted_sources)
        self.reader = EventReader(self.loom.read, self.opener.open, untrusted=untrusted)
        self._tiers = (search, graph, self.forward)
        self.catchup = Catchup(self.loom, self._tiers, self.reader.meaning)
        self.catchup.erasing = Erasing(keys=partial(destroy_keys, self.loom, self.opener), others=self._erase_vectors)
        self.chosen_embedder = choose_embedder(settings.embedding)
        """The model that makes vectors, or why there is none."""
        self.recall = RecallService(
            self.loom,
            self.catchup,
            tiers=Tiers(search, graph, self.forward),
            vectors=StoredVectors(lambda: self.vectors, self.chosen_embedder.reason),
            analyzer=terms,
            reader=self.reader,
            clock=self.clock,
            second=choose_reranker(settings.reranker, terms),
        )
        slots = settings.context_verbatim_slots if settings.context_verbatim_enabled else 0
        self.checkouts = CheckoutService(self.loom, self.recall, CheckoutOptions(verbatim_slots=slots))
        self.inspection = InspectionService(self.loom, self.reader.view)
        self.projections = ProjectionStatusService(self.catchup, search, graph, self.forward)
        standings = Standings(self.loom, self.reader, self._ask_fresh_graph)
        self.gate = EvolutionGate(self.loom, EvolutionPolicy.of(settings.evolution))
        self.invalidation = InvalidationService(self.loom, self._ask_fresh_graph, self.clock, standings, self.gate)
        self.corrections = CorrectionService(self.loom, standings, self.gate)
        self.rollbacks = RollbackService(self.loom, standings, self.gate, self.clock)
        changes = (self.corrections, self.rollbacks)
        self.reviews = ReviewService(self.loom, standings, self.gate, changes, terms.terms)
        self.conflicts = ConflictService(self._ask_fresh_graph, self.reader.read, terms.terms, self.clock)
        self.showing = ShowingService(self.loom, self.reader, self._ask_fresh_graph, self.clock)
        self.sink = LoomSink(self.loom, forgettable=settings.capture_forgettable)

    @cached_property
    def vectors(self) -> VectorFiller | None:
        """The stored vectors and what fills them in; None when no model is chosen. Opened at the first use."""
        embedder = self.chosen_embedder.embedder
        if embedder is None:
            return None
        from zaxy.projections.vectors.filling import VectorFiller

        return VectorFiller(self.loom, self.settings.vectors_path, embedder, self.reader.meaning)

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
        return ForgettingService(
            self.loom,
            planner,
            self.gate,
            self.catchup,
            stores_with=held_in,
            state_folder=self._state_folder,
            clock=self.clock,
        )

    def _cited_by(self, text: str, session_id: str | None, actor: str | None, before: int | None) -> list[str]:
        until = None if before is None else format_time(before - 1)
        filters = Filters(session_id=session_id, actors=actor, occurred_to=until)
        return [hit.citation for hit in self.recall.query(text, filters, limit=self.settings.query_default_limit)]

    def _state_folder(self) -> Path:
        return self.loom.notary().state.folder

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
